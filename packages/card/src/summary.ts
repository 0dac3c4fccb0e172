import { formatMoney } from '@trustgw/protocol'
import { amountWords, minorWords } from './amount-words.ts'
import type { ArgumentRow } from './arguments.ts'
import type { RowReview } from './differences.ts'
import type { ReviewedRequest } from './review.ts'
import { operationVerb } from './words.ts'

/** One value as a summary names it. */
export interface NamedValue {
  readonly name: string
  readonly text: string
  /** Something about it is said to be looked at first. */
  readonly odd: boolean
}

/**
 * The action in the words of a sentence or two, made of arguments, contract and precondition that were
 * hashed here. It leaves out and shortens nothing that it names.
 */
export interface ActionSummary {
  readonly who: string
  readonly forWhom: string | null
  readonly verb: string
  readonly title: string
  readonly amount: { readonly figure: string; readonly words: string } | null
  /** Where the argument counts the smallest unit: what stands there. */
  readonly minor: string | null
  /** The values that tell most, in full. */
  readonly named: readonly NamedValue[]
  /** Arguments that the summary does not name. */
  readonly more: number
  /** What must still be so when it runs. */
  readonly provided: readonly NamedValue[]
  /** What else must still be so, and is not named. */
  readonly providedMore: number
}

/** `, and 2 more arguments`; nothing for none. */
export function moreWords(count: number, noun: string): string {
  if (count === 0) return ''
  return `, and ${count} more ${noun}${count === 1 ? '' : 's'}`
}

const NAMED_MAX = 3
/** A longer value is not named in a sentence: it stands below, complete. */
const NAMED_MAX_CHARS = 60
const PROVIDED_MAX = 2
const FIRST = new Set(['iban', 'email', 'url'])

export function summaryOf(
  reviewed: ReviewedRequest,
  reviews: readonly RowReview[],
  bound: readonly RowReview[],
): ActionSummary {
  const { request, amount } = reviewed
  const { contract, decision } = request
  const money = amount.kind === 'money' ? amount.money : undefined
  const rule = contract.amount
  const said = amountPlaces(reviewed)
  const left = reviews.filter(({ row }) => !said.has(row.pointer))
  const tellable = left.filter(({ row }) => isShort(row))
  const provided = bound.filter(({ row }) => isShort(row)).slice(0, PROVIDED_MAX)
  const named = tellable.toSorted((a, b) => rankOf(a) - rankOf(b)).slice(0, NAMED_MAX)
  return {
    who: decision.principal.subject,
    forWhom: decision.on_behalf_of,
    verb: operationVerb(contract.operation, money !== undefined),
    title: contract.title,
    amount: money === undefined ? null : { figure: formatMoney(money), words: amountWords(money) },
    minor:
      money !== undefined && rule.kind !== 'none' && rule.unit === 'minor'
        ? minorWords(money)
        : null,
    named: named.map(namedValue),
    more: left.length - named.length,
    provided: provided.map(namedValue),
    providedMore: bound.length - provided.length,
  }
}

/** Where the amount that could be read stands, and its currency. */
export function amountPlaces({ amount, request }: ReviewedRequest): ReadonlySet<string> {
  const rule = request.contract.amount
  if (amount.kind !== 'money' || rule.kind === 'none') return new Set()
  const { currency, pointer } = rule
  return new Set(currency.kind === 'pointer' ? [pointer, currency.pointer] : [pointer])
}

function isShort({ type, text, length }: ArgumentRow): boolean {
  return (
    (type === 'text' || type === 'number' || type === 'yes_no') &&
    text !== '' &&
    length <= NAMED_MAX_CHARS &&
    !text.includes('\n')
  )
}

/** Who is paid, written to or called first; then texts, numbers, and what is only yes or no. */
function rankOf({ judged, row }: RowReview): number {
  if (FIRST.has(judged.kind)) return 0
  return row.type === 'text' ? 1 : row.type === 'number' ? 2 : 3
}

/** The pointer's last step that is a name, as people write it. */
function namedValue({ row: { pointer, type, text }, findings }: RowReview): NamedValue {
  const odd = findings.some(({ tone }) => tone === 'alarm')
  const steps = pointer.split('/').filter((step) => !/^\d*$/.test(step))
  const name = (steps.at(-1) ?? pointer).replaceAll('~1', '/').replaceAll('~0', '~')
  if (type === 'yes_no') return { name, text: text === 'true' ? 'yes' : 'no', odd }
  return { name, text, odd }
}
