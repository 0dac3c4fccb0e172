import { type Approver, type ApproversClause, countIn } from '@trustgw/protocol'

/** `2 of finance or ops`, `any approver`. */
function needWords({ roles, quorum, after, escalation }: ApproversClause): string {
  const who =
    roles.length > 0
      ? `${quorum} of ${roles.join(' or ')}`
      : quorum === 1
        ? 'any approver'
        : `any ${quorum} approvers`
  const turn = after === undefined ? '' : ` after ${after.join(' or ')}`
  const later =
    escalation === undefined
      ? ''
      : ` (after ${minutesWords(escalation.after_ms)} also ${escalation.roles.join(' or ')})`
  return `${who}${turn}${later}`
}

const MINUTE_MS = 60_000
const HOUR_MINUTES = 60

function minutesWords(ms: number): string {
  const minutes = Math.ceil(ms / MINUTE_MS)
  return minutes % HOUR_MINUTES === 0 ? `${minutes / HOUR_MINUTES} h` : `${minutes} min`
}

function progressWords(clause: ApproversClause, given: readonly Approver[]): string {
  const count = countIn(clause, given)
  if (count >= clause.quorum) return ' (done)'
  return count > 0 ? ` (${count} so far)` : ''
}

/** Who must approve, each clause with how far it is: `1 of finance (done), and 1 of legal`. */
export function needsSentence(
  clauses: readonly ApproversClause[],
  given: readonly Approver[] = [],
): string {
  return clauses
    .map((clause) => `${needWords(clause)}${progressWords(clause, given)}`)
    .join(', and ')
}
