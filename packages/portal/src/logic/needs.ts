import { type Approver, type ApproversClause, countIn } from '@trustgw/protocol'

/** `2 of finance or ops`, `any approver`. */
function needWords({ roles, quorum }: ApproversClause): string {
  if (roles.length > 0) return `${quorum} of ${roles.join(' or ')}`
  return quorum === 1 ? 'any approver' : `any ${quorum} approvers`
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
