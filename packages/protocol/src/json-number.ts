/** Sign, digits without zeros at either end, and the power of ten of the last digit. */
interface Decimal {
  readonly negative: boolean
  readonly digits: string
  readonly exponent: number
}

/**
 * True when the number written by this JSON token has the very value of the shortest form of
 * the double it is read as, compared as decimals (spec/protocol.md §2). Overflow, underflow and
 * negative zero are not exact. The token must be a number of the JSON grammar.
 */
export function isExactNumber(token: string): boolean {
  const double = Number(token)
  if (!Number.isFinite(double) || Object.is(double, -0)) return false
  const read = decimalOf(token)
  const kept = decimalOf(String(double))
  if (read.digits !== kept.digits) return false
  return read.digits === '' || (read.exponent === kept.exponent && read.negative === kept.negative)
}

function decimalOf(token: string): Decimal {
  const negative = token.startsWith('-')
  const [mantissa = '', power = '0'] = token.slice(negative ? 1 : 0).split(/[eE]/)
  const [whole = '', fraction = ''] = mantissa.split('.')
  const all = whole + fraction
  const digits = trimZeros(all)
  const trailing = all.length - digits.end
  return {
    negative,
    digits: all.slice(digits.start, digits.end),
    exponent: Number(power) - fraction.length + trailing,
  }
}

/** By loops: a regex for trailing zeros takes quadratic time on long runs of them. */
function trimZeros(digits: string): { readonly start: number; readonly end: number } {
  let start = 0
  let end = digits.length
  while (end > 0 && digits.charAt(end - 1) === '0') end--
  while (start < end && digits.charAt(start) === '0') start++
  return { start, end }
}
