import { idempotencyKey, parseActionId, parseTenantId } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { TailedEvent } from '../demo/audit-check.ts'
import type { LedgerRefund } from '../shop-view.ts'
import type { Seen } from './refund-system.ts'

/** What became of all, and everything that must not be. */
export interface Judgement {
  readonly states: Readonly<Record<string, number>>
  readonly paid: number
  readonly problems: readonly string[]
}

const PAID: readonly string[] = ['succeeded', 'reconciled_succeeded']
/** Nobody saw the end, and it says so: the shop may have paid or not. */
const OPEN_END: readonly string[] = ['unknown_outcome', 'needs_human']
const NOT_PAID: readonly string[] = [
  ...['denied', 'failed', 'refused', 'reconciled_failed', 'cancelled', 'expired'],
]
/** What the log must hold of each effect. */
const RECORDED: readonly string[] = ['grant_issued', 'started', 'finished']

/** Compares what the shop did with what proposers were told and with what the log holds. */
export function judge(
  actions: readonly Seen[],
  refunds: readonly LedgerRefund[],
  events: readonly TailedEvent[],
): Judgement {
  const problems: string[] = []
  const paid = grouped(refunds)
  const recorded = new Map<string, Set<string>>()
  for (const { action_id, type } of events) {
    if (action_id === null) continue
    recorded.set(action_id, (recorded.get(action_id) ?? new Set()).add(type))
  }
  const states: Record<string, number> = {}
  const known = new Set<string>()
  for (const action of actions) {
    states[action.status] = (states[action.status] ?? 0) + 1
    const key = keyOf(action.action_id)
    known.add(key)
    const times = paid.get(key) ?? 0
    problems.push(...problemsOf(action, times))
    if (times === 0) continue
    const missing = RECORDED.filter((type) => recorded.get(action.action_id)?.has(type) !== true)
    if (missing.length > 0)
      problems.push(`${action.action_id}: paid, and the log has no ${missing.join(', ')}`)
  }
  for (const key of paid.keys()) {
    if (!known.has(key)) problems.push(`the shop paid for ${key}, which nobody proposed`)
  }
  return { states, paid: refunds.length, problems }
}

function problemsOf({ action_id, status, reason }: Seen, times: number): readonly string[] {
  if (times > 1) return [`${action_id}: paid ${times} times`]
  if (PAID.includes(status)) return times === 1 ? [] : [`${action_id}: ${status}, and not paid`]
  if (NOT_PAID.includes(status)) return times === 0 ? [] : [`${action_id}: ${status}, and paid`]
  if (OPEN_END.includes(status) && reason !== null) return []
  return [`${action_id}: ${status} (${reason ?? 'no reason'}) is no end`]
}

function grouped(refunds: readonly LedgerRefund[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { idempotency_key } of refunds)
    counts.set(idempotency_key, (counts.get(idempotency_key) ?? 0) + 1)
  return counts
}

function keyOf(id: string): string {
  const tenant = parseTenantId('main')
  const action = parseActionId(id)
  if (!tenant.ok || !action.ok) throw new Error(`not an action: ${id}`)
  return idempotencyKey(sha256, tenant.value, action.value)
}
