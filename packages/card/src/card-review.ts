import type { ActionEvent } from '@trustgw/protocol'
import { looksLike } from './confusable.ts'
import { loudest, type RowReview, reviewRows, wholeFindings } from './differences.ts'
import type { EarlierCall } from './earlier.ts'
import { alarm, type Finding } from './finding.ts'
import { eyeFindings } from './judge-value.ts'
import type { KnownText } from './past.ts'
import type { ReviewedRequest } from './review.ts'
import { type ActionSummary, amountPlaces, summaryOf } from './summary.ts'

/** A finding and where on the card it was made. */
export interface PlacedFinding extends Finding {
  /** A pointer, or what it is about. */
  readonly place: string
}

/** What a card says, made of what was hashed here; nothing of it decides. */
export interface CardReview {
  readonly summary: ActionSummary
  readonly rows: readonly RowReview[]
  readonly boundRows: readonly RowReview[]
  /** What somebody should look at first: alarms, then what is unusual. */
  readonly attention: readonly PlacedFinding[]
  /** What the comparison found to be as usual. */
  readonly usual: readonly PlacedFinding[]
}

/** What the card is compared with. */
export interface CardContext {
  readonly earlier: readonly EarlierCall[]
  readonly events: Iterable<ActionEvent>
  /** The person who looks. */
  readonly person: string
}

export function reviewCard(reviewed: ReviewedRequest, context: CardContext): CardReview {
  const { contract } = reviewed.request
  const names = namesOf(reviewed, context)
  const hosts = contract.egress.map((text) => ({ text, what: 'a host in the tool’s contract' }))
  const apart = amountPlaces(reviewed)
  const rows = reviewRows(reviewed.rows, context.earlier, [...names, ...hosts], apart)
  const boundRows = reviewRows(reviewed.bound?.rows ?? [], [], names)
  const found = [
    ...textFindings(reviewed, names),
    ...rows.flatMap(({ row, findings }) => placed(row.pointer, findings)),
    ...boundRows.flatMap(({ row, findings }) => placed(`read: ${row.pointer}`, findings)),
    ...placed('compared', wholeFindings(reviewed, context.earlier)),
  ]
  const ordered = loudest(found)
  return {
    summary: summaryOf(reviewed, rows, boundRows),
    rows,
    boundRows,
    attention: ordered.filter(({ tone }) => tone !== 'note'),
    usual: ordered.filter(({ tone, place }) => tone === 'note' && place === 'compared'),
  }
}

function placed(place: string, findings: readonly Finding[]): readonly PlacedFinding[] {
  return findings.map((finding) => ({ ...finding, place }))
}

/** Agents and people that this page has heard of. */
function namesOf({ request }: ReviewedRequest, context: CardContext): readonly KnownText[] {
  const { principal, on_behalf_of } = request.decision
  const known = new Map<string, string>([[context.person, 'your own name here']])
  const agent = (name: string): void => void (known.has(name) || known.set(name, 'an agent here'))
  const person = (name: string | null): void =>
    void (name === null || known.has(name) || known.set(name, 'a person here'))
  agent(principal.subject)
  person(on_behalf_of)
  for (const event of context.events) {
    agent(event.agent)
    person(event.on_behalf_of)
  }
  for (const { reviewed } of context.earlier) {
    agent(reviewed.request.decision.principal.subject)
    person(reviewed.request.decision.on_behalf_of)
  }
  return [...known].map(([text, what]) => ({ text, what }))
}

/** Texts beside the arguments that others wrote: names, title, reason. */
function textFindings(
  { request: { decision, contract } }: ReviewedRequest,
  names: readonly KnownText[],
): readonly PlacedFinding[] {
  const texts: readonly (readonly [string, string])[] = [
    ['agent', decision.principal.subject],
    ['on behalf of', decision.on_behalf_of ?? ''],
    ['title', contract.title],
    ['reason', decision.reason],
  ]
  const odd = texts.flatMap(([place, text]) => placed(place, eyeFindings(text)))
  const own = [decision.principal.subject, decision.on_behalf_of ?? '']
  const doubles = own.flatMap((name) => {
    const other = names.find((one) => looksLike(one.text, name))
    const said = `“${name}” looks like “${other?.text ?? ''}” (${other?.what ?? ''}), but is another`
    return other === undefined ? [] : [{ ...alarm(said), place: 'names' }]
  })
  return [...odd, ...doubles]
}
