import { type ApprovalRequest, type Approver, formatMoney } from '@trustgw/protocol'
import { type CardReview, reviewCard } from './card-review.ts'
import { attentionHead, type ComparedWith, comparedWords, NOT_COMPARED } from './compared.ts'
import { approvalConsequence, DENIAL_CONSEQUENCE } from './consequences.ts'
import { type RowReview, standingWords } from './differences.ts'
import { ink, inkLine, writtenOrder } from './ink.ts'
import { needsSentence } from './needs.ts'
import { chainWords, originWords } from './origins.ts'
import type { ReviewedRequest } from './review.ts'
import { type ActionSummary, moreWords, type NamedValue } from './summary.ts'
import { timeLeft } from './time-left.ts'
import { operationNoun } from './words.ts'

/** One line, or several for a value with line breaks. Its texts are inked: plain to print. */
export interface CardLine {
  /** What the text is: a pointer, a name. Empty: more on the name above. Null: running text. */
  readonly name: string | null
  readonly text: string
  readonly tone: 'plain' | 'strong' | 'soft' | 'alarm' | 'care'
}

export interface CardSection {
  readonly title: string | null
  readonly lines: readonly CardLine[]
}

/** What a card in plain text is made with beside the request. */
export interface TextCardContext {
  readonly given: readonly Approver[]
  /** Undefined: could not be read. */
  readonly earlier: ComparedWith | undefined
  /** The person who looks. */
  readonly person: string
  /** Unix milliseconds. */
  readonly now: number
}

const line = (text: string, tone: CardLine['tone'] = 'plain'): CardLine => ({
  name: null,
  text,
  tone,
})
const noted = (text: string, tone: CardLine['tone']): CardLine => ({ name: '', text, tone })
const fact = (name: string, text: string): CardLine => ({
  name,
  text: inkLine(text),
  tone: 'plain',
})

/**
 * A whole card as plain text, for places without a page: every argument complete, nothing folded.
 * Whether the person may decide is NOT said.
 */
export function textCard(
  reviewed: ReviewedRequest,
  context: TextCardContext,
): readonly CardSection[] {
  const { request } = reviewed
  const { earlier, person } = context
  const review = reviewCard(reviewed, { earlier: earlier?.calls ?? [], events: [], person })
  return [
    { title: null, lines: headLines(reviewed, review.summary, context.now) },
    attentionSection(review, earlier),
    argumentSection(review.rows, request),
    ...boundSections(reviewed, review.boundRows),
    reasonSection(request, context.given),
    factSection(request),
    {
      title: 'What happens then',
      lines: [
        fact('If you approve', `${request.contract.id} ${approvalConsequence(reviewed)}`),
        fact('If you deny', DENIAL_CONSEQUENCE),
      ],
    },
    hashSection(reviewed),
  ]
}

function headLines(
  { request, amount }: ReviewedRequest,
  summary: ActionSummary,
  now: number,
): readonly CardLine[] {
  const { who, forWhom, verb, title, named, more, provided, providedMore, minor } = summary
  const sum =
    summary.amount === null ? '' : `${summary.amount.figure} (${summary.amount.words}) with `
  const whose = forWhom === null ? '' : `, for ${inkLine(forWhom)},`
  const rest = moreWords(more, 'argument')
  const names = named.length === 0 ? [] : [line(`It names ${namedWords(named)}${rest}.`)]
  const holds =
    provided.length === 0
      ? []
      : [
          line(
            `Only if, when it runs, ${namedWords(provided)}${moreWords(providedMore, 'value')} still holds.`,
          ),
        ]
  const counts = minor === null ? [] : [line(`The argument counts ${minor}.`)]
  const unclear =
    amount.kind === 'unreadable'
      ? [line(`Amount unclear: ${inkLine(amount.pointer)} cannot be read as money`, 'alarm')]
      : []
  return [
    line(`${inkLine(who)}${whose} wants to ${verb} ${sum}“${inkLine(title)}”`, 'strong'),
    ...unclear,
    ...names,
    ...holds,
    ...counts,
    line(timeWords(request, now), 'soft'),
  ]
}

function namedWords(values: readonly NamedValue[]): string {
  return values.map(({ name, text }) => `${inkLine(name)} ${inkLine(text)}`).join(', ')
}

function timeWords({ decision, requested_at, decide_by }: ApprovalRequest, now: number): string {
  const { spoken } = timeLeft({ startMs: requested_at, endMs: decide_by }, now)
  const until = new Date(decide_by).toISOString().slice(0, 19).replace('T', ' ')
  const asks =
    decision.effect === 'allow'
      ? 'Runs by itself unless somebody stops it'
      : decision.tier === 1
        ? 'Tier 1, no passkey'
        : `Tier ${decision.tier}, by passkey`
  return `${asks}. To decide until ${until} UTC: ${spoken}.`
}

function attentionSection(review: CardReview, earlier: ComparedWith | undefined): CardSection {
  const { attention, usual } = review
  const { title } = attentionHead(attention, earlier)
  const compared = earlier === undefined ? NOT_COMPARED : comparedWords(earlier, 'here')
  return {
    title,
    lines: [
      ...attention.map(({ place, text, tone }) => ({
        name: isPointer(place) ? inkLine(place) : null,
        text: inkLine(text),
        tone: tone === 'alarm' ? ('alarm' as const) : ('care' as const),
      })),
      ...usual.map(({ text }) => line(`${inkLine(text)}.`, 'soft')),
      line(compared, comparedTone(earlier)),
    ],
  }
}

/** Whether the comparison itself has to be looked at. */
function comparedTone(earlier: ComparedWith | undefined): CardLine['tone'] {
  if (earlier === undefined) return 'care'
  return earlier.dropped > 0 ? 'alarm' : 'soft'
}

function isPointer(place: string): boolean {
  return place.startsWith('/') || place.startsWith('read: ')
}

function argumentSection(rows: readonly RowReview[], request: ApprovalRequest): CardSection {
  return {
    title: rows.length === 1 ? '1 argument' : `${rows.length} arguments`,
    lines: rows.flatMap((row) => rowLines(row, originWords(request, row.row.pointer))),
  }
}

/** One value, complete, with what is said of it. */
export function rowLines(review: RowReview, origin?: string): readonly CardLine[] {
  const { row, judged, findings } = review
  const name = row.pointer === '' ? '(whole)' : inkLine(row.pointer)
  const delivery = judged.kind === 'email' ? 'Delivered at' : 'Leads to'
  const length = `${row.length.toLocaleString('en')} characters in all`
  const context = contextWords(review, origin)
  return [
    { name, text: row.type === 'text' ? valueInk(row.text) : row.text, tone: 'plain' },
    ...(row.type === 'text' ? writtenLines(row.text) : []),
    ...(judged.host === null ? [] : [noted(`${delivery} ${inkLine(judged.host)}`, 'strong')]),
    ...(row.long ? [noted(length, 'soft')] : []),
    ...findings.map(({ tone, text }) => noted(inkLine(text), tone === 'note' ? 'soft' : tone)),
    ...(context === '' ? [] : [noted(context, 'soft')]),
  ]
}

/** As before or not, where nothing louder is said, and from where by the gateway's word. */
function contextWords({ findings, standing }: RowReview, origin: string | undefined): string {
  const quiet = findings.length > 0 || standing === null ? undefined : standingWords(standing)
  const said = [quiet, origin === undefined ? undefined : `Gateway says: ${inkLine(origin)}`]
  return said.filter((one) => one !== undefined).join(' · ')
}

/** What plain text would not show of a text: its kind, its order. */
function writtenLines(text: string): readonly CardLine[] {
  if (LIKE_NO_TEXT.test(text)) return [noted('as a text', 'soft')]
  const written = writtenOrder(text)
  if (written === undefined) return []
  return [noted(`Runs from right to left in places; written: ${ink(written)}`, 'care')]
}

/** Texts that read like another kind of value. */
const LIKE_NO_TEXT = /^(?:true|false|null|\[\]|\{\})$/

function valueInk(text: string): string {
  return text === '' ? '(an empty text)' : ink(text)
}

function boundSections(
  { bound }: ReviewedRequest,
  rows: readonly RowReview[],
): readonly CardSection[] {
  if (bound === null) return []
  return [
    {
      title: bound.title === '' ? 'What was read for it' : inkLine(bound.title),
      lines: [
        ...rows.flatMap((row) => rowLines(row)),
        line(
          `Read with ${inkLine(bound.tool)} and approved with the action. It is read again just before: if it changed, nothing runs and you are asked again.`,
          'soft',
        ),
      ],
    },
  ]
}

function reasonSection({ decision }: ApprovalRequest, given: readonly Approver[]): CardSection {
  const asksNobody = decision.effect === 'allow'
  const needs = asksNobody
    ? 'nobody; whoever approves may stop it'
    : needsSentence(decision.obligations.approvers, given)
  return {
    title: asksNobody ? 'Why it may run' : 'Why you are asked',
    lines: [
      line(inkLine(decision.reason === '' ? 'The rule gives no reason.' : decision.reason)),
      fact('Rule', decision.rule_id),
      fact('Needs', needs),
      ...(decision.unknown.length === 0
        ? []
        : [fact('Unknown to it', decision.unknown.join(', '))]),
    ],
  }
}

function factSection(request: ApprovalRequest): CardSection {
  const { contract, decision, source } = request
  const tools = request.chain?.tools ?? []
  const chain = tools.length === 0 ? '' : `: ${tools.join(' → ')}`
  return {
    title: 'Who and with what',
    lines: [
      fact('Proposed by', decision.principal.subject),
      fact('On behalf of', decision.on_behalf_of ?? 'nobody named'),
      fact('Came over', source.toUpperCase()),
      fact('Tool', contract.id),
      fact('Operation', operationNoun(contract.operation)),
      fact('Credential', contract.credential_ref),
      fact('Chain of calls', `${chainWords(request)}${chain}, by the gateway’s word`),
    ],
  }
}

function hashSection(reviewed: ReviewedRequest): CardSection {
  const { request, amount } = reviewed
  const { decision, contract } = request
  const sum = amount.kind === 'money' ? [fact('Amount', formatMoney(amount.money))] : []
  return {
    title: 'Hashes and details',
    lines: [
      line(inkLine(contract.description)),
      ...sum,
      fact('Action', request.action_id),
      fact('Arguments hash', reviewed.inputHash),
      fact('Contract hash', reviewed.contractHash),
      ...(reviewed.bound === null ? [] : [fact('Precondition hash', reviewed.preconditionHash)]),
      fact('Policy', `${decision.policy_fingerprint}, epoch ${decision.policy_epoch}`),
      fact('Tool version', contract.version),
      fact('May reach', contract.egress.length === 0 ? 'no host' : contract.egress.join(', ')),
      fact('Workspace', decision.workspace),
      fact('Agent’s key', `${decision.principal.issuer} ${decision.principal.client}`),
      { name: 'Code', text: reviewed.code, tone: 'strong' },
    ],
  }
}
