/** Approvers clauses that must all hold. */
import type { ApproversClause } from '@trustgw/protocol'

const common = (a: readonly string[], b: readonly string[]): readonly string[] =>
  a.filter((item) => b.includes(item))

/** Both clauses as one: whoever satisfies it satisfies each. Null when nobody could. */
function bothClauses(a: ApproversClause, b: ApproversClause): ApproversClause | null {
  const channels = common(a.channels, b.channels)
  const either = a.roles.length === 0 ? b.roles : a.roles
  const roles = a.roles.length === 0 || b.roles.length === 0 ? either : common(a.roles, b.roles)
  if (channels.length === 0 || (roles.length === 0 && either.length > 0)) return null
  return { roles, quorum: Math.max(a.quorum, b.quorum), channels }
}

const NOBODY_ASKED: ApproversClause = { roles: [], quorum: 1, channels: [] }

/** Every standing requirement holds, not only that of the rule which gave the effect. */
export function commonClause(
  standing: readonly { readonly approvers: ApproversClause | null }[],
): ApproversClause | null {
  let all: ApproversClause | null = null
  for (const { approvers } of standing) {
    if (approvers === null) continue
    if (all === null) all = approvers
    else {
      all = bothClauses(all, approvers)
      if (all === null) return null
    }
  }
  return all ?? NOBODY_ASKED
}

/** Whoever satisfies the second clause satisfies the first. */
export function clauseAtLeast(a: ApproversClause, b: ApproversClause): boolean {
  const narrower =
    a.roles.length === 0 || (b.roles.length > 0 && b.roles.every((role) => a.roles.includes(role)))
  return narrower && b.quorum >= a.quorum && b.channels.every((item) => a.channels.includes(item))
}
