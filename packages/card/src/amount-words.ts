import { currencyDecimals, type Money } from '@trustgw/protocol'
import { toCardinal } from 'n2words/en-GB'

/**
 * `two hundred and fifty euros and 50/100`: whole units in words, the rest as a cheque has it, since no
 * table names the small unit of every currency. Exact for any amount.
 */
export function amountWords({ minor, currency }: Money): string {
  const scale = 10n ** BigInt(currencyDecimals(currency))
  const whole = minor / scale
  const rest = minor % scale
  const words = `${toCardinal(whole)} ${unitName(whole, currency)}`
  if (rest === 0n) return words
  return `${words} and ${String(rest).padStart(String(scale).length - 1, '0')}/${scale}`
}

/** `25,000 hundredths of 1 EUR`: what stands in an argument that counts the smallest unit. */
export function minorWords({ minor, currency }: Money): string {
  const decimals = currencyDecimals(currency)
  const count = minor.toLocaleString('en')
  return decimals === 0 ? `${count} ${currency}` : `${count} × 1/${10 ** decimals} ${currency}`
}

function unitName(count: bigint, currency: string): string {
  const format = new Intl.NumberFormat('en', {
    style: 'currency',
    currency,
    currencyDisplay: 'name',
    minimumFractionDigits: 0,
    maximumFractionDigits: 0,
  })
  const parts = format.formatToParts(count)
  return parts.find(({ type }) => type === 'currency')?.value ?? currency
}
