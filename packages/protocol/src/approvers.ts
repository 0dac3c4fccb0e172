/** Who must say yes to an action, and whether enough have (spec/policy.md "Layers"). */
import { labelsField } from './fields.ts'
import { arrayShape, integerShape, objectShape, type Shape } from './shape.ts'

/** Approvals that one action may carry. */
export const EVIDENCE_MAX = 16

/** Some people of whom `quorum` different ones must approve. */
export interface ApproversClause {
  /** Any of these roles; empty: every approver. */
  readonly roles: readonly string[]
  readonly quorum: number
}

/** A person who approved, with the roles that whoever judges takes their word for. */
export interface Approver {
  readonly approver: string
  readonly roles: readonly string[]
}

export const approversShape: Shape<readonly ApproversClause[]> = arrayShape(
  objectShape({ roles: labelsField, quorum: integerShape({ min: 1, max: EVIDENCE_MAX }) }),
  { max: EVIDENCE_MAX },
)

/** The clauses as a JSON value of its own. */
export function approversJson(
  clauses: readonly ApproversClause[],
): { roles: string[]; quorum: number }[] {
  return clauses.map(({ roles, quorum }) => ({ roles: [...roles], quorum }))
}

/** Whether a person with these roles counts in a clause. */
export function countsIn({ roles }: ApproversClause, held: readonly string[]): boolean {
  return roles.length === 0 || roles.some((role) => held.includes(role))
}

/** How many different people count in a clause. */
export function countIn(clause: ApproversClause, given: readonly Approver[]): number {
  const people = given.filter(({ roles }) => countsIn(clause, roles))
  return new Set(people.map(({ approver }) => approver)).size
}

/** What the approvals given come to: `lacks_role` and `superfluous` are of somebody nobody asked. */
export type ApproversVerdict = 'met' | 'not_met' | 'lacks_role' | 'superfluous'

/**
 * Whether approvals are what the clauses ask, all of them: in each its quorum of different people,
 * who may count in several; nobody who counts in none; no more approvals than quorums together.
 * Where there is no clause nobody was asked, so nothing meets it. NOT checked: that the approvals
 * are genuine, that nobody approves twice, that the initiator is not among them.
 */
export function judgeApprovers(
  clauses: readonly ApproversClause[],
  given: readonly Approver[],
): ApproversVerdict {
  if (given.some(({ roles }) => !clauses.some((clause) => countsIn(clause, roles)))) {
    return 'lacks_role'
  }
  if (given.length > quorumsOf(clauses)) return 'superfluous'
  const isMet = clauses.every((clause) => countIn(clause, given) >= clause.quorum)
  return clauses.length > 0 && isMet ? 'met' : 'not_met'
}

/** As many approvals as an action with these clauses may need. */
export function quorumsOf(clauses: readonly ApproversClause[]): number {
  return clauses.reduce((sum, { quorum }) => sum + quorum, 0)
}

/**
 * What one person more would add: `counts` towards a clause that is not met yet; `not_needed` where
 * all in which they count are; `lacks_role` where there is none. Approvals taken only from people who
 * count never become superfluous.
 */
export function judgeApprover(
  clauses: readonly ApproversClause[],
  given: readonly Approver[],
  held: readonly string[],
): 'counts' | 'not_needed' | 'lacks_role' {
  const own = clauses.filter((clause) => countsIn(clause, held))
  if (own.length === 0) return 'lacks_role'
  return own.some((clause) => countIn(clause, given) < clause.quorum) ? 'counts' : 'not_needed'
}
