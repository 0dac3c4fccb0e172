import {
  type ActionEvent,
  type ActionId,
  type ApprovalRequest,
  approvalRequestJson,
  canonicalize,
  type JsonObject,
  utf8Length,
} from '@trustgw/protocol'
import { givenOf } from './approval-record.ts'
import type { ApprovalStore } from './approval-store.ts'
import { approvedAt, EARLIER_MAX_COUNT } from './approved-index.ts'

/** Earlier requests that one answer holds, together; the newest first. */
const EARLIER_MAX_BYTES = 2 * 1024 * 1024

/**
 * What was approved of the same tool before, newest first, for a card to compare with. The browser
 * hashes each of them again (spec/protocol.md §3). `state` is null where the host has not heard what
 * became of it; `left_out` counts what was too much for one answer.
 */
export async function earlierApprovals(
  store: ApprovalStore,
  { action_id, contract }: ApprovalRequest,
  eventOf: (id: ActionId) => ActionEvent | undefined,
): Promise<JsonObject> {
  const earlier: JsonObject[] = []
  let room = EARLIER_MAX_BYTES
  let leftOut = 0
  const ids = store.approvedOf(contract.id).filter((id) => id !== action_id)
  for (const id of ids.slice(0, EARLIER_MAX_COUNT)) {
    const record = await store.find(id)
    const approved_at = record === undefined ? undefined : approvedAt(record)
    if (record === undefined || approved_at === undefined) continue
    const request = approvalRequestJson(record.request)
    const bytes = utf8Length(canonicalize(request))
    if (bytes > room) {
      leftOut += 1
      continue
    }
    room -= bytes
    earlier.push({
      request,
      approved_at,
      approvers: givenOf(record).map(({ approver }) => approver),
      state: eventOf(id)?.state ?? null,
    })
  }
  return { earlier, left_out: leftOut }
}
