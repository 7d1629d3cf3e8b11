export interface Candle {
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
}

/** One column a candle, `height` lines: █ up and ░ down between open and close, │ to high and low. For the eye only. */
export function candleChart(candles: readonly Candle[], height: number): string {
  const top = Math.max(...candles.map(({ high }) => high))
  const bottom = Math.min(...candles.map(({ low }) => low))
  const step = (top - bottom) / height || 1
  const lines = Array.from({ length: height }, (_, index) => {
    const upper = top - index * step
    const lower = upper - step
    const reaches = (from: number, to: number) => from < upper && to > lower
    const cells = candles.map(({ open, high, low, close }) => {
      const isBody =
        reaches(Math.min(open, close), Math.max(open, close)) ||
        (open === close && open > lower && open <= upper)
      if (isBody) return close >= open ? '█' : '░'
      return reaches(low, high) ? '│' : ' '
    })
    const label = index === 0 ? top : index === height - 1 ? bottom : null
    return `${(label === null ? '' : label.toFixed(3)).padStart(10)} ${cells.join('')}`
  })
  return lines.map((line) => line.trimEnd()).join('\n')
}
