/** Values with a form of their own: amounts, durations, times of day, bounds. */
import { formatMoney, type Money, parseMoney } from '@trustgw/protocol'
import { type AmountBound, BOUNDS, type Bound, type NumberBound } from './ast.ts'
import { type At, type Raw, readDuration, readText, wrong } from './raw.ts'
import { anyOfMembers, integer, type Member, member, type Syntax } from './syntax.ts'

const MONEY_PROBLEMS = {
  amount_format: 'expected an amount such as "100.00 EUR"',
  amount_negative: 'an amount is never negative',
  amount_too_many_digits: 'more digits than an amount can have',
  amount_too_many_decimals: 'more decimals than the currency has',
  currency_unknown: 'not an ISO 4217 currency',
} as const

function readMoney(raw: Raw, at: At): Money | null {
  const text = readText(raw, at)
  if (text === null) return null
  const money = parseMoney(text)
  if (money.ok) return money.value
  const upper = text.toUpperCase()
  const nearest = parseMoney(upper).ok ? upper : undefined
  return wrong(at, MONEY_PROBLEMS[money.reason], nearest)
}

export const money: Syntax<Money> = {
  read: readMoney,
  write: formatMoney,
  schema: { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)? [A-Z]{3}$' },
}

/** What is no whole number of these is one of seconds. */
const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
] as const

/** `30s`, `15m`, `2h`, `7d`; kept in milliseconds. */
export function duration(maxMs: number): Syntax<number> {
  return {
    read: (raw, at) => readDuration(raw, at, maxMs),
    write: (ms) => {
      const [size, unit] = UNITS.find(([length]) => ms % length === 0) ?? [1_000, 's']
      return `${ms / size}${unit}`
    },
    schema: { type: 'string', pattern: '^[1-9][0-9]{0,8}[smhd]$' },
  }
}

const TIME_OF_DAY = /^([01][0-9]|2[0-3]):([0-5][0-9])$/

/** `08:30`, kept in minutes. */
export const timeOfDay: Syntax<number> = {
  read: (raw, at) => {
    const found = typeof raw === 'string' ? TIME_OF_DAY.exec(raw) : null
    return found === null
      ? wrong(at, 'expected a time of day such as "08:30"')
      : Number(found[1]) * 60 + Number(found[2])
  },
  write: clock,
  schema: { type: 'string', pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$' },
}

const two = (value: number): string => String(value).padStart(2, '0')

export function clock(minutes: number): string {
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

const EXPECTED_BOUND = 'expected at least one of gt, gte, lt, lte'

function amountBound(bound: Bound): [string, Member<AmountBound>] {
  return [
    bound,
    member<Money, AmountBound>(
      money,
      (value) => ({ bound, money: value }),
      (written) => (written.bound === bound ? written.money : null),
    ),
  ]
}

const anyAmountBounds = anyOfMembers(new Map(BOUNDS.map(amountBound)), EXPECTED_BOUND)

export const amountBounds: Syntax<readonly AmountBound[]> = {
  ...anyAmountBounds,
  read: (raw, at) => {
    const bounds = anyAmountBounds.read(raw, at)
    if (bounds === null) return null
    const currencies = new Set(bounds.map((bound) => bound.money.currency))
    return currencies.size > 1
      ? wrong(at, 'two currencies in one amount: no amount is in both')
      : bounds
  },
}

/** `{ gte = 4 }` on whole numbers. */
export function integerBounds(range: {
  readonly min: number
  readonly max: number
}): Syntax<readonly NumberBound[]> {
  const members = BOUNDS.map((bound): [string, Member<NumberBound>] => [
    bound,
    member<number, NumberBound>(
      integer(range),
      (value) => ({ bound, value }),
      (written) => (written.bound === bound ? written.value : null),
    ),
  ])
  return anyOfMembers(new Map(members), EXPECTED_BOUND)
}
