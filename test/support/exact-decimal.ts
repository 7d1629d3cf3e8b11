/** A quotient, half to even. */
export function halfEven(dividend: bigint, divisor: bigint): bigint {
  const sign = dividend < 0n !== divisor < 0n ? -1n : 1n
  const [n, d] = [dividend < 0n ? -dividend : dividend, divisor < 0n ? -divisor : divisor]
  const [quotient, twice] = [n / d, (n % d) * 2n]
  const up = twice > d || (twice === d && quotient % 2n === 1n)
  return sign * (up ? quotient + 1n : quotient)
}

/** A scaled number as answers have it. */
export function decimal(scaled: bigint, scale: number): string {
  const digits = String(scaled < 0n ? -scaled : scaled).padStart(scale + 1, '0')
  const text = `${digits.slice(0, -scale)}.${digits.slice(-scale)}`.replace(/\.?0+$/, '')
  return scaled < 0n ? `-${text}` : text
}
