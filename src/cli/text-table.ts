/** A cell as the interface gives it. */
export type Cell = string | number | boolean | null | undefined

/** Rows as aligned text, under a line of names. Numbers and decimal texts stand right, everything else left. */
export function textTable(names: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => names.map((_, column) => cellText(row[column])))
  const widths = names.map((name, column) =>
    Math.max(name.length, ...texts.map((row) => row[column]!.length)),
  )
  const isNumeric = names.map(
    (_, column) => texts.length > 0 && texts.every((row) => /^(-?[\d,]+(\.\d+)?)?$/.test(row[column]!)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((text, column) =>
        isNumeric[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd()
  return [line(names), widths.map((width) => '─'.repeat(width)).join('  '), ...texts.map(line)].join('\n')
}

/** 1234567 → "1,234,567". */
export function groupDigits(count: number | bigint): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

function cellText(value: Cell): string {
  return value === null || value === undefined ? '' : String(value)
}

/** The records of a CSV text (RFC 4180), header included. */
export function parseCsv(text: string): string[][] {
  const records: string[][] = []
  let record: string[] = []
  for (const [, quoted, plain, separator] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    if (record.length === 0 && separator === '' && quoted === undefined && plain === '') break
    record.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'))
    if (separator === ',') continue
    records.push(record)
    record = []
  }
  return records
}
