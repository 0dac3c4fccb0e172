import { compareMoney, formatMoney } from '@trustgw/protocol'
import type { ArgumentRow } from './arguments.ts'
import type { EarlierCall } from './earlier.ts'
import { alarm, care, type Finding, note } from './finding.ts'
import { type JudgedValue, judgeValue, type ValueKind } from './judge-value.ts'
import { type KnownText, Past, placeOf, type Standing } from './past.ts'
import type { ReviewedRequest } from './review.ts'

export interface RowReview {
  readonly row: ArgumentRow
  readonly judged: JudgedValue
  /** Null while nothing is known to compare with. */
  readonly standing: Standing | null
  /** The value's own findings and those of the comparison, the loudest first. */
  readonly findings: readonly Finding[]
}

/** Places in whose values somebody else is named: a new one is always worth a look. */
const NAMES_SOMEBODY: ReadonlySet<ValueKind> = new Set(['iban', 'email', 'url'])
/** Fewer calls say little of what is usual. */
const USUAL_FROM = 3
/** So many times the usual amount is an alarm. */
const TIMES_LOUD = 10

const NOWHERE: ReadonlySet<string> = new Set()

/** Judges every argument by itself, by what was approved before, and by names that are known. */
export function reviewRows(
  rows: readonly ArgumentRow[],
  earlier: readonly EarlierCall[],
  known: readonly KnownText[],
  /** Places that are compared apart: those of the amount. */
  apart: ReadonlySet<string> = NOWHERE,
): readonly RowReview[] {
  const past = new Past(earlier, known)
  return rows.map((row) => {
    const judged = judgeValue(row)
    const standing = past.standing(row)
    const alike = row.type === 'text' ? likeFindings(row.text, past) : []
    const isCompared = standing !== null && alike.length === 0 && !apart.has(row.pointer)
    const compared = isCompared ? placeFindings(row, judged, { standing, past }) : []
    return { row, judged, standing, findings: loudest([...alike, ...judged.findings, ...compared]) }
  })
}

export function loudest<F extends Finding>(findings: readonly F[]): readonly F[] {
  const order = { alarm: 0, care: 1, note: 2 } as const
  return findings.toSorted((a, b) => order[a.tone] - order[b.tone])
}

function likeFindings(text: string, past: Past): readonly Finding[] {
  const alike = past.lookAlike(text)
  if (alike === undefined) return []
  const said = strangers(text, alike.text)
  return [alarm(`Looks like “${alike.text}” (${alike.what}), but ${said}`)]
}

const STRANGERS_MAX = 3

/** The characters of a text that the other one does not have: what the eye takes for something else. */
function strangers(text: string, other: string): string {
  const known = new Set(other)
  const odd = [...new Set(text)].filter((character) => !known.has(character))
  if (odd.length === 0 || odd.length > STRANGERS_MAX) return 'is another text'
  const named = odd.map((character) => {
    const point = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
    return `“${character}” (U+${point})`
  })
  return `has ${named.join(' and ')} in it`
}

function placeFindings(
  row: ArgumentRow,
  judged: JudgedValue,
  of: { readonly standing: Standing; readonly past: Past },
): readonly Finding[] {
  const { standing, past } = of
  const host = hostFinding(judged, past.hosts)
  if (host !== undefined) return [host]
  if (standing.kind === 'new_place') {
    return [care(`None of the ${callsWords(standing.of)} had this argument`)]
  }
  if (standing.kind !== 'new' && standing.kind !== 'varies') return []
  const names = NAMES_SOMEBODY.has(judged.kind)
  if (names) return [care(`${KIND_WORDS[judged.kind]} that was never approved here before`)]
  if (standing.kind === 'varies' || standing.of < USUAL_FROM || row.type === 'number') return []
  return [care(`Never approved here before; the ${callsWords(standing.of)} had other values`)]
}

const KIND_WORDS: Readonly<Record<ValueKind, string>> = {
  iban: 'An account',
  email: 'An address',
  url: 'A link',
  plain: 'A text',
  moment: 'A time',
  blob: 'Code',
  number: 'A number',
}

/** Among more hosts than this, one that is nearly the same is not looked for. */
const NEAR_HOSTS_MAX = 200

/** A host that no earlier call named at any place. */
function hostFinding({ host, kind }: JudgedValue, hosts: ReadonlySet<string>): Finding | undefined {
  if (host === null) return undefined
  if (hosts.size === 0 || hosts.has(host)) return undefined
  const compared = hosts.size <= NEAR_HOSTS_MAX ? [...hosts] : []
  const near = compared.find((one) => isOneOff(one, host))
  if (near !== undefined)
    return alarm(`${host} differs from ${near}, approved before, by one letter`)
  const what = kind === 'email' ? 'domain' : 'host'
  return care(`${host} is a ${what} that was never approved here before`)
}

/** One letter more, less, or other. */
function isOneOff(one: string, other: string): boolean {
  const [short, long] = one.length <= other.length ? [one, other] : [other, one]
  if (long.length - short.length > 1) return false
  let at = 0
  while (at < short.length && short[at] === long[at]) at += 1
  return short.slice(short.length === long.length ? at + 1 : at) === long.slice(at + 1)
}

/** `earlier call`, `8 earlier calls`: approved ones, of this tool. */
export function callsWords(count: number): string {
  return count === 1 ? 'calls approved before (1)' : `last ${count} approved calls`
}

/** What is unlike the earlier calls as a whole: amount, tool, proposer, what is missing. */
export function wholeFindings(
  reviewed: ReviewedRequest,
  earlier: readonly EarlierCall[],
): readonly Finding[] {
  const [latest] = earlier
  if (latest === undefined) return []
  return [
    ...amountFindings(reviewed, earlier),
    ...contractFinding(reviewed, latest),
    ...proposerFindings(reviewed, earlier),
    ...missingFinding(reviewed, earlier),
  ]
}

function amountFindings(
  { amount }: ReviewedRequest,
  earlier: readonly EarlierCall[],
): readonly Finding[] {
  if (amount.kind !== 'money') return []
  const amounts = earlier.flatMap(({ reviewed }) =>
    reviewed.amount.kind === 'money' ? [reviewed.amount.money] : [],
  )
  const alike = amounts.filter(({ currency }) => currency === amount.money.currency)
  if (amounts.length === 0) return []
  if (alike.length === 0) return [care(`Never approved in ${amount.money.currency} before`)]
  const largest = alike.reduce((a, b) => (isMore(b, a) ? b : a))
  const smallest = alike.reduce((a, b) => (isMore(a, b) ? b : a))
  const among = alike.length === 1 ? 'the one approved before' : `the last ${alike.length} approved`
  if (!isMore(amount.money, largest)) {
    const range =
      largest.minor === smallest.minor
        ? `as much as ${among}`
        : `within ${among}: ${formatMoney(smallest)} to ${formatMoney(largest)}`
    return [note(`The amount is ${range}`)]
  }
  const what =
    alike.length === 1
      ? 'the one approved before'
      : `the largest of the last ${alike.length} approved`
  const said = `(${formatMoney(largest)})`
  if (largest.minor === 0n) return [care(`The amount is more than ${what} ${said}`)]
  const tenths = (amount.money.minor * 10n) / largest.minor
  const text = `The amount is ${timesWords(tenths)} ${what} ${said}`
  return [tenths < BigInt(TIMES_LOUD * 10) ? care(text) : alarm(text)]
}

function isMore(a: Parameters<typeof compareMoney>[0], b: typeof a): boolean {
  const compared = compareMoney(a, b)
  return compared.ok && compared.value === 1
}

/** Tenths, rounded down; said whole from ten on. */
function timesWords(tenths: bigint): string {
  if (tenths <= 10n) return 'more than'
  const rest = tenths % 10n
  const whole = (tenths / 10n).toLocaleString('en')
  return tenths >= 100n || rest === 0n ? `${whole} times` : `${whole}.${rest} times`
}

function contractFinding(
  { contractHash, request }: ReviewedRequest,
  { reviewed: before }: EarlierCall,
): readonly Finding[] {
  if (contractHash === before.contractHash) return []
  const from = before.request.contract.version
  const to = request.contract.version
  const versions = from === to ? '' : ` (version ${from}, now ${to})`
  return [care(`The tool’s contract has changed since it was last approved${versions}`)]
}

function proposerFindings(
  { request: { decision } }: ReviewedRequest,
  earlier: readonly EarlierCall[],
): readonly Finding[] {
  const found: Finding[] = []
  const decisions = earlier.map(({ reviewed }) => reviewed.request.decision)
  const { subject } = decision.principal
  if (!decisions.some(({ principal }) => principal.subject === subject)) {
    found.push(care(`Never approved for the agent ${subject} before`))
  }
  const person = decision.on_behalf_of
  if (person !== null && !decisions.some(({ on_behalf_of }) => on_behalf_of === person)) {
    found.push(care(`Never approved on behalf of ${person} before`))
  }
  return found
}

/** Arguments that every earlier call had. */
function missingFinding(
  { rows }: ReviewedRequest,
  earlier: readonly EarlierCall[],
): readonly Finding[] {
  if (earlier.length < USUAL_FROM) return []
  const now = new Set(rows.map(({ pointer }) => placeOf(pointer)))
  const [first, ...others] = earlier.map(
    ({ reviewed }) => new Set(reviewed.rows.map(({ pointer }) => placeOf(pointer))),
  )
  const missing = [...(first ?? [])].filter(
    (place) => !now.has(place) && others.every((places) => places.has(place)),
  )
  if (missing.length === 0) return []
  return [care(`Left out, though the ${callsWords(earlier.length)} had it: ${missing.join(', ')}`)]
}

/** How a value stands to the earlier calls, for the quiet line at it. */
export function standingWords(standing: Standing): string | undefined {
  switch (standing.kind) {
    case 'always':
      return 'Same each time'
    case 'seen':
      return `Approved here in ${standing.times} of ${standing.of}`
    case 'varies':
      return 'Another each time'
    case 'new':
      return 'New here'
    case 'new_place':
      return undefined
  }
}
