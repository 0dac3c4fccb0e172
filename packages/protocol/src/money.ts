import { CURRENCY_DECIMALS } from './currencies.ts'
import type { Json } from './json.ts'
import { ok, type Result, refuse } from './result.ts'

declare const currencyBrand: unique symbol

/** Code of an active ISO 4217 currency. */
export type Currency = string & { readonly [currencyBrand]: true }

/** An exact amount; `minor` counts the smallest unit (cents) and is never negative. */
export interface Money {
  readonly minor: bigint
  readonly currency: Currency
}

export const AMOUNT_MAX_DIGITS = 18

export type AmountRefusal =
  | 'amount_format'
  | 'amount_negative'
  | 'amount_too_many_digits'
  | 'amount_too_many_decimals'
export type MoneyRefusal = AmountRefusal | 'currency_unknown'

/** ASCII digits only: no exponent, no grouping, no sign, no superfluous leading zero. */
const AMOUNT = /^(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$/
const AMOUNT_MAX_CHARS = 64
const AMOUNT_LIMIT = 10n ** BigInt(AMOUNT_MAX_DIGITS)

function isCurrency(text: string): text is Currency {
  return CURRENCY_DECIMALS.has(text)
}

/** Upper-case code of an active currency; funds with a code count, metals and tests do not. */
export function parseCurrency(text: string): Result<Currency, 'currency_unknown'> {
  return isCurrency(text) ? ok(text) : refuse('currency_unknown')
}

/** Decimals of the currency's smallest unit: 2 for EUR, 0 for JPY, 3 for KWD. */
export function currencyDecimals(currency: Currency): number {
  return CURRENCY_DECIMALS.get(currency) ?? 0
}

/** `100.00 EUR`: amount, one space, code. Fewer decimals than the currency has are fine. */
export function parseMoney(text: string): Result<Money, MoneyRefusal> {
  const space = text.indexOf(' ')
  if (space < 0) return refuse('amount_format')
  const currency = parseCurrency(text.slice(space + 1))
  return currency.ok ? parseDecimalAmount(text.slice(0, space), currency.value) : currency
}

/** Amounts that a number holds exactly are formatted without big integers: decisions print many. */
const SAFE_MINOR = BigInt(Number.MAX_SAFE_INTEGER)

function formatSafe(minor: number, decimals: number): string {
  if (decimals === 0) return String(minor)
  const scale = 10 ** decimals
  const rest = minor % scale
  return `${(minor - rest) / scale}.${String(rest).padStart(decimals, '0')}`
}

/** With all the decimals of the currency: `100.00 EUR`, `5 JPY`. {@link parseMoney} reads it. */
export function formatMoney(money: Money): string {
  const decimals = currencyDecimals(money.currency)
  if (money.minor <= SAFE_MINOR)
    return `${formatSafe(Number(money.minor), decimals)} ${money.currency}`
  const digits = String(money.minor).padStart(decimals + 1, '0')
  if (decimals === 0) return `${digits} ${money.currency}`
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)} ${money.currency}`
}

/**
 * An amount in whole units: decimal text, or a JSON number by its shortest decimal form (a
 * number that needs an exponent there is refused). Nothing is rounded: more decimals than the
 * currency has are refused even when they are zeros. `amount_negative` is a reason of its own,
 * also for `-0`, since a policy may not take it for a format error.
 */
export function parseDecimalAmount(value: Json, currency: Currency): Result<Money, AmountRefusal> {
  const text = amountText(value)
  if (!text.ok) return text
  const [whole = '', fraction = ''] = text.value.split('.')
  const decimals = currencyDecimals(currency)
  if (fraction.length > decimals) return refuse('amount_too_many_decimals')
  return exact(whole + fraction.padEnd(decimals, '0'), currency)
}

/** An amount in minor units: an integer as a JSON number, or as digits. */
export function parseMinorAmount(value: Json, currency: Currency): Result<Money, AmountRefusal> {
  // The common form: what `amountText` would say of a plain whole number, without the text.
  if (typeof value === 'number' && value > 0 && Number.isSafeInteger(value)) {
    return ok(Object.freeze({ minor: BigInt(value), currency }))
  }
  const text = amountText(value)
  if (!text.ok) return text
  return text.value.includes('.') ? refuse('amount_too_many_decimals') : exact(text.value, currency)
}

/** Order of two amounts of one currency; amounts of two currencies have none. */
export function compareMoney(a: Money, b: Money): Result<-1 | 0 | 1, 'currency_differs'> {
  if (a.currency !== b.currency) return refuse('currency_differs')
  if (a.minor === b.minor) return ok(0)
  return ok(a.minor < b.minor ? -1 : 1)
}

function amountText(value: Json): Result<string, AmountRefusal> {
  if (typeof value !== 'string' && typeof value !== 'number') return refuse('amount_format')
  const text = Object.is(value, -0) ? '-0' : String(value)
  if (text.length > AMOUNT_MAX_CHARS) return refuse('amount_too_many_digits')
  if (AMOUNT.test(text)) return ok(text)
  const negative = text.startsWith('-') && AMOUNT.test(text.slice(1))
  return refuse(negative ? 'amount_negative' : 'amount_format')
}

function exact(digits: string, currency: Currency): Result<Money, AmountRefusal> {
  const minor = BigInt(digits)
  if (minor >= AMOUNT_LIMIT) return refuse('amount_too_many_digits')
  return ok(Object.freeze({ minor, currency }))
}
