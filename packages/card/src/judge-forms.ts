import { alarm, type Finding, note } from './finding.ts'

const IBAN = /^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/

/** Undefined for what is no bank account number by its form (ISO 13616). */
export function ibanFinding(text: string): Finding | undefined {
  const plain = text.replaceAll(' ', '')
  if (text.length > 64 || !IBAN.test(plain)) return undefined
  const digits = Array.from(`${plain.slice(4)}${plain.slice(0, 4)}`, (character) =>
    String(Number.parseInt(character, 36)),
  ).join('')
  const country = new Intl.DisplayNames('en', { type: 'region', fallback: 'code' }).of(
    plain.slice(0, 2),
  )
  return BigInt(digits) % 97n === 1n
    ? note(`Bank account (IBAN), ${country ?? 'country unknown'}; its check digits are right`)
    : alarm('Looks like a bank account (IBAN), but its check digits are wrong')
}

const MOMENT = /^\d{4}-\d\d-\d\d(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d:?\d\d)?)?$/

/** A date or time of ISO 8601 in words, with its time zone; undefined for other texts. */
export function momentWords(text: string): string | undefined {
  const match = MOMENT.exec(text)
  if (match === null) return undefined
  const [, time, zone] = match
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`)
  if (Number.isNaN(day.getTime())) return undefined
  const dayWords = inWords(day, { dateStyle: 'full' })
  if (time === undefined) return dayWords
  if (zone === undefined) return `${dayWords}, ${time}, no time zone said`
  const at = new Date(text.replace(' ', 'T'))
  if (Number.isNaN(at.getTime())) return undefined
  const utc = `${inWords(at, { dateStyle: 'full' })}, ${inWords(at, { timeStyle: 'medium' })} UTC`
  return zone === 'Z' ? utc : `${dayWords}, ${time} at UTC${zone}; that is ${utc}`
}

function inWords(at: Date, style: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat('en-GB', { ...style, timeZone: 'UTC' }).format(at)
}

const HEX = /^(?:0x)?((?:[0-9a-f]{2}){20,}|(?:[0-9A-F]{2}){20,})$/
const BASE64 = /^(?=[^]*[a-z])(?=[^]*[A-Z])(?=[^]*\d)[A-Za-z0-9+/_-]{48,}={0,2}$/
/** Words of these lengths are what hashes look like. */
const HASH_BYTES = new Map([
  [20, 'a SHA-1 hash'],
  [32, 'a SHA-256 hash'],
  [64, 'a SHA-512 hash'],
])

/** Encoded bytes, which nobody reads by eye; undefined for other texts. */
export function blobWords(text: string): string | undefined {
  const hex = HEX.exec(text)?.[1]
  if (hex !== undefined) {
    const bytes = hex.length / 2
    const like = HASH_BYTES.get(bytes)
    return `Hex code of ${counted(bytes)}${like === undefined ? '' : `, as long as ${like}`}`
  }
  const joined = text.replaceAll(/[\r\n]/g, '')
  if (!BASE64.test(joined)) return undefined
  const characters = joined.replace(/=+$/, '').length
  return `Base64 code of ${counted(Math.floor((characters * 3) / 4))}; what they say is not shown`
}

function counted(bytes: number): string {
  return `${bytes.toLocaleString('en')} bytes`
}
