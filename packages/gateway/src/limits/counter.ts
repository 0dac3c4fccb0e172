/** What one counter holds, and what a proposal may know of it (spec/policy.md "Limits"). Pure. */
import type { Counter } from '@trustgw/core'
import {
  type ActionId,
  AMOUNT_MAX_DIGITS,
  actionIdField,
  arrayShape,
  formatMoney,
  integerShape,
  type Json,
  jsonShape,
  type Money,
  msField,
  nameField,
  objectShape,
  oneOfShape,
  parseJson,
  parseMoney,
  readShape,
  type Shape,
  utf8Encode,
} from '@trustgw/protocol'

/** Places of actions that have not ended; with as many nothing more is let in. */
export const HELD_MAX = 1_024
/** Entries of what ran; above, neighbours are joined. */
export const RAN_MAX = 256
const COUNT_MAX = Number.MAX_SAFE_INTEGER

/** The place of an action that has not ended: it counts however old it is. */
export interface Held {
  readonly kind: 'held'
  readonly action: ActionId
  /** Which decision took the place: it is given back or settled by this, never by the action. */
  readonly attempt: string
  /** When it was taken. */
  readonly at: number
  readonly amount: Money | null
}

/** What ran, or may have; several calls where entries were joined. */
export interface Ran {
  readonly kind: 'ran'
  readonly count: number
  /** Of the latest grant: the window is measured from it. */
  readonly at: number
  readonly amount: Money | null
}

export type Entry = Held | Ran
/** In the order in which places were taken. */
export type Entries = readonly Entry[]

/**
 * As they are stored: short, since a busy counter is written with every call that it counts.
 * `[at, amount, count]` ran, `[at, amount, action, attempt]` is held; `amount` as `5.00 EUR` or null.
 */
export function writeCounter(entries: Entries): Uint8Array {
  const rows = entries.map((entry) => {
    const amount = entry.amount === null ? null : formatMoney(entry.amount)
    return entry.kind === 'ran'
      ? [entry.at, amount, entry.count]
      : [entry.at, amount, entry.action, entry.attempt]
  })
  return utf8Encode(JSON.stringify({ v: 1, entries: rows }))
}

const counterShape: Shape<{ readonly v: 1; readonly entries: readonly (readonly Json[])[] }> =
  objectShape({
    v: oneOfShape(1),
    entries: arrayShape(arrayShape(jsonShape(), { min: 3, max: 4 }), {
      max: HELD_MAX + RAN_MAX + 1,
    }),
  })
const countShape = integerShape({ min: 1, max: COUNT_MAX })

/** Undefined for what this version did not write. */
export function readCounter(bytes: Uint8Array): Entries | undefined {
  const json = parseJson(bytes)
  const read = json.ok ? readShape(counterShape, json.value) : json
  if (!read.ok) return undefined
  const entries = read.value.entries.map(readEntry)
  const known = entries.filter((entry) => entry !== undefined)
  return known.length === entries.length ? known : undefined
}

function readEntry([when = null, worth = null, ...rest]: readonly Json[]): Entry | undefined {
  const at = msField.read(when)
  const amount = readAmount(worth)
  if (!at.ok || amount === undefined) return undefined
  const [first = null, second] = rest
  if (second === undefined) {
    const count = countShape.read(first)
    return count.ok ? { kind: 'ran', count: count.value, at: at.value, amount } : undefined
  }
  const action = actionIdField.read(first)
  const attempt = nameField.read(second)
  return action.ok && attempt.ok
    ? { kind: 'held', action: action.value, attempt: attempt.value, at: at.value, amount }
    : undefined
}

function readAmount(worth: Json): Money | null | undefined {
  if (worth === null) return null
  const money = typeof worth === 'string' ? parseMoney(worth) : undefined
  return money?.ok === true ? money.value : undefined
}

export interface Asking {
  readonly action: ActionId
  readonly now: number
  readonly window_ms: number
  /** What the action would add, as it is decided now. */
  readonly amount: Money | null
  /** What the limit's sum is in; null where it has none. */
  readonly currency: Money['currency'] | null
}

/**
 * What stands in the window ahead of an action's own place; of everything where it has none. Places
 * behind it counted it when they were taken, so leaving them out lets nothing more through, and an
 * action that waits keeps its decision whatever comes after it.
 */
export function aheadOf(entries: Entries, asking: Asking): Counter {
  const { action, now, window_ms, currency } = asking
  const own = ownPlace(entries, asking)
  let count = 0
  let sum: Money | null = currency === null ? null : { minor: 0n, currency }
  for (const entry of own < 0 ? entries : entries.slice(0, own)) {
    const isOwn = entry.kind === 'held' && entry.action === action
    if (isOwn || !isInWindow(entry, now, window_ms)) continue
    count += entry.kind === 'held' ? 1 : entry.count
    sum = plus(sum, entry.amount)
  }
  return { count: Math.min(count, COUNT_MAX), amount: sum }
}

/**
 * Where an action stands in the row with the amount that it has now; negative where it does not.
 * A place with another amount is none: what came behind it counted less, or more, than it would add.
 */
function ownPlace(entries: Entries, { action, amount }: Pick<Held, 'action' | 'amount'>): number {
  return entries.findLastIndex(
    (entry) =>
      entry.kind === 'held' && entry.action === action && isSameAmount(entry.amount, amount),
  )
}

const isSameAmount = (a: Money | null, b: Money | null): boolean =>
  a?.minor === b?.minor && a?.currency === b?.currency

const isInWindow = (entry: Entry, now: number, window_ms: number): boolean =>
  entry.kind === 'held' || now - entry.at < window_ms

const SUM_LIMIT = 10n ** BigInt(AMOUNT_MAX_DIGITS)

/** Null where one is not known, currencies differ, or the sum has too many digits. */
function plus(a: Money | null, b: Money | null): Money | null {
  if (a === null || b === null || a.currency !== b.currency) return null
  const minor = a.minor + b.minor
  return minor < SUM_LIMIT ? { minor, currency: a.currency } : null
}

/**
 * With one more place: behind an earlier one of the same action and amount, else last, so that all
 * that it counted is ahead of it. What left the window is dropped. Null when as many as may are in
 * flight.
 */
export function withPlace(
  entries: Entries,
  place: Held,
  { now, window_ms }: Pick<Asking, 'now' | 'window_ms'>,
): Entries | null {
  const kept = joined(entries.filter((entry) => isInWindow(entry, now, window_ms)))
  if (kept.filter(({ kind }) => kind === 'held').length >= HELD_MAX) return null
  const own = ownPlace(kept, place)
  return kept.toSpliced(own < 0 ? kept.length : own + 1, 0, place)
}

/** Two and two as one with the later time, so that a joined entry counts for longer, never shorter. */
function joined(entries: Entries): Entries {
  if (entries.filter(({ kind }) => kind === 'ran').length <= RAN_MAX) return entries
  const result: Entry[] = []
  let open: number | undefined
  for (const entry of entries) {
    const first = open === undefined ? undefined : result[open]
    if (entry.kind === 'ran' && open !== undefined && first?.kind === 'ran') {
      result[open] = {
        kind: 'ran',
        count: Math.min(first.count + entry.count, COUNT_MAX),
        at: Math.max(first.at, entry.at),
        amount: plus(first.amount, entry.amount),
      }
      open = undefined
    } else {
      if (entry.kind === 'ran') open = result.length
      result.push(entry)
    }
  }
  return result
}

/** What became of the action of a place. `open`: it may still run. */
export type Fate =
  | { readonly kind: 'open' }
  | { readonly kind: 'never_ran' }
  | { readonly kind: 'ran'; readonly at: number }

/** With the fate of one decision's place; the same entries where it has none. */
export function settled(entries: Entries, attempt: string, fate: Fate): Entries {
  const at = entries.findIndex((entry) => entry.kind === 'held' && entry.attempt === attempt)
  const place = entries[at]
  if (place === undefined || fate.kind === 'open') return entries
  if (fate.kind === 'never_ran') return entries.toSpliced(at, 1)
  const time = Math.max(place.at, fate.at)
  const ran: Ran = { kind: 'ran', count: 1, at: time, amount: place.amount }
  return joined(entries.toSpliced(at, 1, ran))
}
