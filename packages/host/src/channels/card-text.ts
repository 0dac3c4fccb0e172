import {
  type CardReview,
  type ComparedWith,
  comparedWords,
  inkLine,
  mismatchSentence,
  NOT_COMPARED,
  needsSentence,
  type ReviewedRequest,
  type RowReview,
  reviewCard,
  reviewRequest,
  rowLines,
  textCard,
} from '@trustgw/card'
import type { ActionEvent, TenantId } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import {
  type ApprovalRecord,
  clausesAt,
  type GivenDecision,
  givenOf,
  runsByItself,
} from '../approvals/approval-record.ts'
import { CARD_MAX_CHARS } from './channel.ts'

/** Room for the lines that come after the arguments. */
const TAIL_MAX_CHARS = 700
/** One argument, name or sentence on a card; what is longer is cut, and the cut is said. */
const LINE_MAX_CHARS = 600
const ATTENTION_MAX_COUNT = 6
const DETAILS_MAX_COUNT = 4
/** First strong isolate and its end: a value's own direction reorders nothing around it. */
const ISOLATE = ['\u2068', '\u2069'] as const

export interface CardContext {
  readonly tenant: TenantId
  /** Who reads it. */
  readonly person: string
  /** What was approved of the tool before; undefined: it could not be read. */
  readonly earlier: ComparedWith | undefined
  readonly events: Iterable<ActionEvent>
}

export interface CardText {
  readonly text: string
  /** Whether every argument stands in it in full, of a request that is what was decided. */
  readonly isWhole: boolean
}

/**
 * Text of others for a chat that knows no markup: what has no ink, reorders or breaks lines is written
 * out, what is too long is cut and says so, and the whole is isolated from what stands around it.
 */
export function plain(text: string): string {
  return lineOf(inkLine(text))
}

/** A text that is inked already, as one line. */
function lineOf(inked: string): string {
  const points = Array.from(inked.replaceAll('\n', ' ⟦line break⟧ '))
  const cut = points.length > LINE_MAX_CHARS ? ` ⟦cut: ${points.length} characters⟧` : ''
  return `${ISOLATE[0]}${points.slice(0, LINE_MAX_CHARS).join('')}${ISOLATE[1]}${cut}`
}

const isCut = (text: string): boolean => Array.from(inkLine(text)).length > LINE_MAX_CHARS

/** An undecided request as one message of at most `CARD_MAX_CHARS`. */
export function cardText(record: ApprovalRecord, context: CardContext, now: number): CardText {
  const { request } = record
  const reviewed = reviewRequest(request, context.tenant, sha256)
  if (!reviewed.ok) {
    const text = `Do not approve this. ${mismatchSentence(reviewed.reason)}\nAction ${request.action_id}`
    return { text, isWhole: false }
  }
  const card = cardOf(reviewed.value, context)
  const head = [...headLines(reviewed.value, card), ...comparedLines(context)]
  const tail = tailLines(record, reviewed.value, now).join('\n').slice(0, TAIL_MAX_CHARS)
  const rows = argumentLines(card)
  const fitting = fit([...head, ...rows], CARD_MAX_CHARS - TAIL_MAX_CHARS - 1)
  const left = head.length + rows.length - fitting.length
  const more = left > 0 ? [`… ${left} more lines: Inspect shows them, and the approval page.`] : []
  const all = [...card.rows, ...card.boundRows].map(({ row }) => row)
  const someCut = all.some(({ text, pointer }) => isCut(text) || isCut(pointer))
  return {
    text: [...fitting, ...more, tail].join('\n'),
    // What is to be looked at first belongs to what is decided on.
    isWhole: left === 0 && !someCut && card.attention.length <= ATTENTION_MAX_COUNT,
  }
}

/** Everything of a request, over several messages; the last one says what is left out. */
export function detailTexts(
  record: ApprovalRecord,
  context: CardContext,
  now: number,
): readonly string[] {
  const reviewed = reviewRequest(record.request, context.tenant, sha256)
  if (!reviewed.ok) return [mismatchSentence(reviewed.reason)]
  const { person, earlier } = context
  const sections = textCard(reviewed.value, { given: givenOf(record), earlier, person, now })
  const lines = sections.flatMap(({ title, lines: those }) => [
    ...(title === null ? [] : ['', title]),
    ...those.map(({ name, text }) => `${labelOf(name)}${lineOf(text)}`),
  ])
  const pages: string[] = []
  let rest: readonly string[] = lines
  while (rest.length > 0 && pages.length < DETAILS_MAX_COUNT) {
    const page = fit(rest, CARD_MAX_CHARS)
    rest = rest.slice(Math.max(1, page.length))
    pages.push(page.join('\n'))
  }
  return rest.length === 0 ? pages : [...pages, `… ${rest.length} more lines on the approval page.`]
}

function labelOf(name: string | null): string {
  if (name === null) return ''
  return name === '' ? '    ' : `${lineOf(name)}: `
}

/** What came of a request, for a message that asks nothing any more. */
export function endText(record: ApprovalRecord, context: CardContext): string {
  const reviewed = reviewRequest(record.request, context.tenant, sha256)
  const head = reviewed.ok
    ? [...headLines(reviewed.value, cardOf(reviewed.value, context)).slice(0, 1)]
    : []
  const code = reviewed.ok ? ` (${reviewed.value.code})` : ''
  return [...head, `${endWords(record)}${code}`].join('\n').slice(0, CARD_MAX_CHARS)
}

/** What was approved and waits in its undo window: until when, once the gateway said so. */
export function stopText(
  record: ApprovalRecord,
  context: CardContext,
  event: ActionEvent | undefined,
): string {
  const at = event?.state === 'scheduled' ? event.decide_by : null
  const runs =
    at === null
      ? 'It waits before it runs: until then it can be stopped.'
      : `Runs by itself at ${utc(at, 'second')} UTC unless somebody stops it.`
  return `${endText(record, context)}\n${runs}`
}

function endWords({ state, closed_by, decisions, request }: ApprovalRecord): string {
  const names = decisions
    .filter(({ decision }) => decision.verdict === 'approve')
    .map(({ decision }) => plain(decision.approver))
  if (state === 'approved') return `Approved by ${names.join(' and ')}.`
  const denied = decisions.find(
    ({ decision, delivery }) => decision.verdict === 'deny' && delivery !== 'refused',
  )
  if (state === 'denied' && denied !== undefined) {
    const isStop = names.length > 0 && request.decision.obligations.undo_ms !== undefined
    return denialWords(denied, isStop)
  }
  if (state === 'pending') return 'You are not asked about this any more.'
  return `Nobody has to decide this any more: ${closed_by ?? 'closed'}.`
}

/** A stop may come too late: it is none before the gateway says so. */
function denialWords({ decision, delivery }: GivenDecision, isStop: boolean): string {
  const who = plain(decision.approver)
  return isStop && delivery === 'waiting'
    ? `${who} stops it: the gateway has not answered yet.`
    : `Denied by ${who}: ${plain(decision.reason)}`
}

function cardOf(reviewed: ReviewedRequest, context: CardContext): CardReview {
  return reviewCard(reviewed, { ...context, earlier: context.earlier?.calls ?? [] })
}

/** What the card was compared with, loud where that is wrong or missing. */
function comparedLines({ earlier }: CardContext): readonly string[] {
  if (earlier === undefined) return [`! ${NOT_COMPARED}`]
  const text = comparedWords(earlier, 'at the host')
  return [earlier.dropped > 0 ? `! ${text}` : text]
}

function headLines({ request }: ReviewedRequest, card: CardReview): readonly string[] {
  const { who, forWhom, verb, amount, minor, title } = card.summary
  const whom = forWhom === null ? '' : `, for ${plain(forWhom)},`
  const money = amount === null ? '' : ` ${amount.figure} (${amount.words}) with`
  const alarms = card.attention.slice(0, ATTENTION_MAX_COUNT)
  const further = card.attention.length - alarms.length
  return [
    `${plain(who)}${whom} wants to ${verb}${money} ${plain(title)}`,
    ...(minor === null ? [] : [`The argument counts ${minor}.`]),
    ...alarms.map(({ place, text }) => `! ${plain(place)}: ${plain(text)}`),
    ...(further > 0 ? [`! ${further} more to look at on the approval page`] : []),
    ...(request.decision.reason === '' ? [] : [`Asked because: ${plain(request.decision.reason)}`]),
  ]
}

function said(review: RowReview): readonly string[] {
  const [value, ...notes] = rowLines(review)
  const quoted = review.row.type === 'text' && review.row.text !== '' ? ['“', '”'] : ['', '']
  const strong = notes.filter(({ tone }) => tone === 'strong')
  return [
    `${lineOf(value?.name ?? '')} = ${quoted[0]}${lineOf(value?.text ?? '')}${quoted[1]}`,
    ...strong.map(({ text }) => `    ${lineOf(text)}`),
  ]
}

function argumentLines({ rows, boundRows }: CardReview): readonly string[] {
  return [
    ...rows.flatMap(said),
    ...boundRows.flatMap((row) => said(row).map((line) => `only if still: ${line}`)),
  ]
}

function tailLines(
  record: ApprovalRecord,
  { code }: ReviewedRequest,
  now: number,
): readonly string[] {
  const { request } = record
  const by = utc(request.decide_by, 'minute')
  if (runsByItself(request))
    return [`Runs by itself at ${by} UTC unless somebody stops it.`, `Short string: ${code}`]
  return [
    request.decision.tier > 1
      ? `Takes a passkey on the approval page. Compare the short string: ${code}`
      : `Short string: ${code}`,
    `Needs ${needsSentence(clausesAt(request, now), givenOf(record))}, by ${by} UTC.`,
  ]
}

const utc = (ms: number, to: 'minute' | 'second'): string =>
  new Date(ms)
    .toISOString()
    .slice(0, to === 'minute' ? 16 : 19)
    .replace('T', ' ')

/** As many lines from the front as fit. */
function fit(parts: readonly string[], maxChars: number): readonly string[] {
  let room = maxChars
  const end = parts.findIndex((part) => {
    room -= part.length + 1
    return room < 0
  })
  return end < 0 ? parts : parts.slice(0, end)
}
