/** Digits after the point, per currency that this shop sells in (ISO 4217). */
const EXPONENTS: ReadonlyMap<string, number> = new Map([
  ['EUR', 2],
  ['GBP', 2],
  ['USD', 2],
  ['JPY', 0],
])
const MAX_AMOUNT_MINOR = 1_000_000_000_000

export type AmountReading =
  | { readonly ok: true; readonly minor: number }
  | {
      readonly ok: false
      readonly reason: 'currency_unknown' | 'amount_malformed' | 'amount_out_of_range'
    }

/**
 * Reads a decimal string with exactly the currency's digits ("250.00" EUR) as minor units, an
 * exact positive integer. Refuses an unknown currency, any other spelling, zero, and what exceeds
 * MAX_AMOUNT_MINOR.
 */
export function readAmount(text: string, currency: string): AmountReading {
  const exponent = EXPONENTS.get(currency)
  if (exponent === undefined) return { ok: false, reason: 'currency_unknown' }
  const shape = exponent === 0 ? /^(?:0|[1-9]\d{0,14})$/ : /^(?:0|[1-9]\d{0,14})\.\d{2}$/
  if (!shape.test(text)) return { ok: false, reason: 'amount_malformed' }
  const minor = BigInt(text.replace('.', ''))
  if (minor === 0n || minor > BigInt(MAX_AMOUNT_MINOR)) {
    return { ok: false, reason: 'amount_out_of_range' }
  }
  return { ok: true, minor: Number(minor) }
}

/** Prints minor units as the decimal string that readAmount takes. */
export function printAmount(minor: number, currency: string): string {
  const exponent = EXPONENTS.get(currency) ?? 0
  if (exponent === 0) return String(minor)
  const digits = String(minor).padStart(exponent + 1, '0')
  return `${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`
}
