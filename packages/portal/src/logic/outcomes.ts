import { type JsonObject, parseJsonObject, type UnsettledAction } from '@trustgw/protocol'

const DOUBTS: ReadonlyMap<string, string> = new Map([
  ['timeout', 'The tool did not answer in time.'],
  ['connection_lost', 'The connection broke before an answer came.'],
  ['malformed_answer', 'The answer could not be read.'],
  ['answer_too_large', 'The answer was too long to be read.'],
  ['upstream_fault', 'The tool’s service answered with a fault.'],
  ['executor_stopped', 'The executor stopped while the tool ran.'],
])

const RECONCILED: ReadonlyMap<string, string> = new Map([
  ['provider_cannot_tell', 'The provider was asked by the key below and could not tell.'],
  ['no_executor_answered', 'No executor was there to ask the provider.'],
  ['may_still_run', 'It could not be ruled out that the tool still ran.'],
  ['never_claimed', 'No executor has a record of taking it.'],
])

/** Why nobody saw the end, in words; an unknown code as it is. */
export function doubtSentence(doubt: string | null): string {
  if (doubt === null) return 'The executor said nothing about it in time.'
  return DOUBTS.get(doubt) ?? doubt
}

/** What asking the provider came to. */
export function reconciledSentence(reason: string): string {
  return RECONCILED.get(reason) ?? reason
}

/** The arguments to be shown; undefined for what cannot be read, of which nothing is shown. */
export function argumentsOf(action: UnsettledAction): JsonObject | undefined {
  const parsed = parseJsonObject(action.arguments)
  return parsed.ok ? parsed.value : undefined
}
