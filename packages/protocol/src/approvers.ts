/** Who must say yes to an action, and whether enough have (spec/policy.md "Layers"). */
import { labelsField } from './fields.ts'
import type { JsonObject } from './json.ts'
import { arrayShape, integerShape, objectShape, optionalMember, type Shape } from './shape.ts'

/** Approvals that one action may carry. */
export const EVIDENCE_MAX = 16

/** Who is asked as well when nobody decided for a while. */
export interface Escalation {
  /** Counted from when people were first asked. */
  readonly after_ms: number
  readonly roles: readonly string[]
}

/** Some people of whom `quorum` different ones must approve. */
export interface ApproversClause {
  /** Any of these roles; empty: every approver. */
  readonly roles: readonly string[]
  readonly quorum: number
  /** Only those count who approve after somebody of these roles; absent: no order. */
  readonly after?: readonly string[]
  readonly escalation?: Escalation
}

/** How long people may be asked before others are. */
export const ESCALATION_MAX_MS: number = 7 * 24 * 3_600_000

/** A person who approved, with the roles that whoever judges takes their word for. */
export interface Approver {
  readonly approver: string
  readonly roles: readonly string[]
}

export const approversShape: Shape<readonly ApproversClause[]> = arrayShape(
  objectShape({
    roles: labelsField,
    quorum: integerShape({ min: 1, max: EVIDENCE_MAX }),
    after: optionalMember(labelsField),
    escalation: optionalMember(
      objectShape({
        after_ms: integerShape({ min: 1, max: ESCALATION_MAX_MS }),
        roles: labelsField,
      }),
    ),
  }),
  { max: EVIDENCE_MAX },
)

/** The clauses as a JSON value of its own. */
export function approversJson(clauses: readonly ApproversClause[]): JsonObject[] {
  return clauses.map(({ roles, quorum, after, escalation }) => ({
    roles: [...roles],
    quorum,
    ...(after === undefined ? {} : { after: [...after] }),
    ...(escalation === undefined
      ? {}
      : { escalation: { after_ms: escalation.after_ms, roles: [...escalation.roles] } }),
  }))
}

/**
 * The clauses as they count when people have been asked for so long: whoever an escalation names
 * counts beside the others from then on.
 */
export function clausesAfter(
  clauses: readonly ApproversClause[],
  askedForMs: number,
): readonly ApproversClause[] {
  return clauses.map(({ escalation, ...clause }) => {
    if (escalation === undefined) return clause
    if (!(askedForMs >= escalation.after_ms)) return { ...clause, escalation }
    return clause.roles.length === 0
      ? clause
      : { ...clause, roles: [...clause.roles, ...escalation.roles] }
  })
}

const holdsOneOf = (wanted: readonly string[], held: readonly string[]): boolean =>
  wanted.some((role) => held.includes(role))

/** Whether a person with these roles counts in a clause, when their turn has come. */
export function countsIn({ roles }: ApproversClause, held: readonly string[]): boolean {
  return roles.length === 0 || holdsOneOf(roles, held)
}

/** Whether somebody of the roles that come first is among those who approved. */
function hasTurn({ after }: ApproversClause, before: readonly Approver[]): boolean {
  return after === undefined || before.some(({ roles }) => holdsOneOf(after, roles))
}

/** How many different people count in a clause, in the order in which they approved. */
export function countIn(clause: ApproversClause, given: readonly Approver[]): number {
  const people = given.filter(
    ({ roles }, index) => countsIn(clause, roles) && hasTurn(clause, given.slice(0, index)),
  )
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

/** `not_yet`: others come first. */
export type ApproverVerdict = 'counts' | 'not_needed' | 'not_yet' | 'lacks_role'

/**
 * What one person more would add: `counts` towards a clause that is not met yet; `not_yet` where only
 * their turn has not come; `not_needed` where all clauses in which they count are met; `lacks_role`
 * where there is none. Approvals taken only from people who count never become superfluous.
 */
export function judgeApprover(
  clauses: readonly ApproversClause[],
  given: readonly Approver[],
  held: readonly string[],
): ApproverVerdict {
  const own = clauses.filter((clause) => countsIn(clause, held))
  if (own.length === 0) return 'lacks_role'
  const open = own.filter((clause) => countIn(clause, given) < clause.quorum)
  if (open.length === 0) return 'not_needed'
  return open.some((clause) => hasTurn(clause, given)) ? 'counts' : 'not_yet'
}
