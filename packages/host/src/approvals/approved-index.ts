import type { ActionId } from '@trustgw/protocol'
import type { ApprovalRecord } from './approval-record.ts'

/** Approvals of one tool with which a later request is compared. */
export const EARLIER_MAX_COUNT = 20
/** Tools that are remembered; the one that was approved the longest ago is forgotten first. */
const TOOLS_MAX_COUNT = 2_000

interface Approved {
  readonly id: ActionId
  readonly at: number
}

/** Which requests of a tool were approved last, so that nobody lists the bucket to find out. */
export class ApprovedIndex {
  readonly #byTool = new Map<string, readonly Approved[]>()

  /** Takes in a record as it is now: one that was approved may be closed later. */
  note(record: ApprovalRecord): void {
    const { action_id: id, contract } = record.request
    const others = (this.#byTool.get(contract.id) ?? []).filter((one) => one.id !== id)
    const at = approvedAt(record)
    if (at === undefined && others.length === 0) return
    const all = at === undefined ? others : [...others, { id, at }]
    const newest = all.toSorted((a, b) => b.at - a.at).slice(0, EARLIER_MAX_COUNT)
    this.#byTool.delete(contract.id)
    this.#byTool.set(contract.id, newest)
    if (this.#byTool.size <= TOOLS_MAX_COUNT) return
    const oldest = this.#byTool.keys().next()
    if (oldest.done !== true) this.#byTool.delete(oldest.value)
  }

  /** The newest first. */
  of(tool: string): readonly ActionId[] {
    return (this.#byTool.get(tool) ?? []).map(({ id }) => id)
  }
}

/** When the last approval that it took was given; undefined for what is not approved. */
export function approvedAt({ state, decisions }: ApprovalRecord): number | undefined {
  if (state !== 'approved') return undefined
  const given = decisions.filter(({ decision }) => decision.verdict === 'approve')
  return given.length === 0
    ? undefined
    : Math.max(...given.map(({ decision }) => decision.decided_at))
}
