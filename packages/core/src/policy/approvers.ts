/** Approvers clauses that must all hold, each on its own (spec/policy.md "Layers"). */
import { type ApproversClause, EVIDENCE_MAX, type Obligations, quorumsOf } from '@trustgw/protocol'
import type { RuleApprovers } from './ast.ts'
import { byText } from './syntax.ts'

/** Whom a decision asks, and where. */
export type Asked = Pick<Obligations, 'approvers' | 'channels'>

/** Of a decision that asks nobody. */
export const NOBODY_ASKED: Asked = { approvers: [], channels: [] }

const asSet = (items: readonly string[]): readonly string[] => [...new Set(items)].sort(byText)

/** What a rule asks when it stands alone, in canonical form; null where it asks nobody. */
export function askedBy(approvers: RuleApprovers | null): Asked | null {
  if (approvers === null) return null
  return { approvers: clausesOf(approvers), channels: asSet(approvers.channels) }
}

/** One clause, or one for each step of an order. */
function clausesOf({
  roles,
  quorum,
  in_order,
  escalate,
}: RuleApprovers): readonly ApproversClause[] {
  if (in_order.length === 0) {
    const escalation = escalate === null ? undefined : { ...escalate, roles: asSet(escalate.roles) }
    return [{ roles: asSet(roles), quorum, ...(escalation === undefined ? {} : { escalation }) }]
  }
  return in_order.map((role, index) => {
    const before = in_order[index - 1]
    return { roles: [role], quorum: 1, ...(before === undefined ? {} : { after: [before] }) }
  })
}

/** Everybody who may ever count in a clause; empty: everybody. */
const whoeverCounts = ({ roles, escalation }: ApproversClause): readonly string[] =>
  roles.length === 0 ? roles : [...roles, ...(escalation?.roles ?? [])]

/** Whoever satisfies the second clause satisfies the first; said only where it is plain. */
function isImplied(a: ApproversClause, b: ApproversClause): boolean {
  if (keyOf(a) === keyOf(b)) return true
  const theirs = whoeverCounts(b)
  const narrower =
    a.roles.length === 0 || (theirs.length > 0 && theirs.every((role) => a.roles.includes(role)))
  return a.after === undefined && narrower && b.quorum >= a.quorum
}

const keyOf = (clause: ApproversClause): string => {
  const { roles, quorum, after, escalation } = clause
  const more =
    after === undefined && escalation === undefined ? [] : [after ?? null, escalation ?? null]
  return JSON.stringify([roles, quorum, ...more])
}

/**
 * Every clause of several, each once, without those that another one implies, in the order of their
 * roles' canonical text. The people are counted before any is left out: so one clause more, even one
 * that implies all the others, never turns what is denied into something that may be approved.
 */
function together(first: Asked, others: readonly Asked[]): Asked | null {
  const channels = first.channels.filter((channel) =>
    others.every((other) => other.channels.includes(channel)),
  )
  const byKey = new Map(
    [first, ...others].flatMap(({ approvers }) =>
      approvers.map((clause) => [keyOf(clause), clause] as const),
    ),
  )
  const clauses = [...byKey].sort(([a], [b]) => byText(a, b)).map(([, clause]) => clause)
  if (channels.length === 0 || quorumsOf(clauses) > EVIDENCE_MAX) return null
  const approvers = clauses.filter(
    (clause) => !clauses.some((other) => other !== clause && isImplied(clause, other)),
  )
  return { approvers, channels }
}

/**
 * Whom everything that stands asks together. Null when nobody could approve: no channel is left, or
 * more people would have to than one action may carry.
 */
export function allAsked(standing: readonly { readonly asked: Asked | null }[]): Asked | null {
  let first: Asked | null = null
  let others: Asked[] | null = null
  for (const { asked } of standing) {
    if (asked === null || asked === first) continue
    if (first === null) first = asked
    else {
      others ??= []
      others.push(asked)
    }
  }
  return first === null || others === null ? first : together(first, others)
}

/** Whoever may satisfy the second, where the second is asked, satisfies the first. */
export function askedAtLeast(a: Asked, b: Asked): boolean {
  return (
    b.channels.every((channel) => a.channels.includes(channel)) &&
    a.approvers.every((clause) => b.approvers.some((other) => isImplied(clause, other)))
  )
}
