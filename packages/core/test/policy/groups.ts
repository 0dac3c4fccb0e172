import { type Approver, countIn, type Obligations } from '@trustgw/protocol'

/** All of two roles' four kinds of people. */
const KINDS = [[], ['a'], ['b'], ['a', 'b']]
const OF_A_KIND_MAX = 2

/** Every group of people that matters to clauses over the roles a and b with quorums up to two. */
export const GROUPS: readonly (readonly Approver[])[] = KINDS.reduce<readonly Approver[][]>(
  (groups, roles, kind) =>
    groups.flatMap((group) =>
      Array.from({ length: OF_A_KIND_MAX + 1 }, (_, count) => [
        ...group,
        ...Array.from({ length: count }, (__, at) => ({ approver: `p${kind}.${at}`, roles })),
      ]),
    ),
  [[]],
)

/** Whether each clause has its people; who counts in none does not matter here. */
export const meets = (group: readonly Approver[], { approvers }: Obligations): boolean =>
  approvers.every((clause) => countIn(clause, group) >= clause.quorum)

/** Whether every group that may release what the second asks may release the first, on its channels. */
export const asksAtLeast = (first: Obligations, second: Obligations): boolean =>
  second.channels.every((channel) => first.channels.includes(channel)) &&
  GROUPS.every((group) => !meets(group, second) || meets(group, first))
