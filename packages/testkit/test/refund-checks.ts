import assert from 'node:assert/strict'
import { idempotencyKey, parseActionId, parseTenantId } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { type Seen, view } from '../src/chaos/refund-system.ts'
import { tailEvents } from '../src/demo/audit-check.ts'
import { until } from '../src/process-table.ts'
import { paidRefunds } from '../src/shop-view.ts'
import type { RunningSystem } from '../src/system.ts'

const END_TIMEOUT_MS = 60_000
/** What the log holds of each refund that was paid. */
const RECORDED = ['grant_issued', 'started', 'finished']
const OPEN = ['accepted', 'pending_approval', 'dispatched', 'executing', 'unknown_outcome']

/** How often the shop paid for an action, by its own ledger. */
export async function timesPaid(system: RunningSystem, id: string): Promise<number> {
  const tenant = parseTenantId('main')
  const action = parseActionId(id)
  assert.ok(tenant.ok && action.ok)
  const wanted = idempotencyKey(sha256, tenant.value, action.value)
  return (await paidRefunds(system)).filter((refund) => refund.idempotency_key === wanted).length
}

/** Waits until the shop has done the work of an action, whoever hears of it. */
export function worked(system: RunningSystem, id: string): Promise<void> {
  return until('the shop has paid', async () => (await timesPaid(system, id)) > 0)
}

/** Waits for its end, asking the gateways in turn. */
export async function endOf(system: RunningSystem, id: string): Promise<Seen> {
  let last: Seen | undefined
  let turn = 0
  await until(
    `${id} ends`,
    async () => {
      last = (await view(system, id, (turn += 1))) ?? last
      return last !== undefined && !OPEN.includes(last.status)
    },
    END_TIMEOUT_MS,
  )
  assert.ok(last !== undefined)
  return last
}

/** Paid once, ended as it should, and all of it in the log, which verifies. */
export async function assertPaidOnce(
  system: RunningSystem,
  ids: readonly string[],
  ends: readonly string[] = ['succeeded'],
): Promise<void> {
  for (const id of ids) {
    const { status, reason } = await endOf(system, id)
    assert.ok(ends.includes(status), `${id} is ${status} (${reason ?? 'no reason'})`)
    assert.equal(await timesPaid(system, id), 1, `${id} was paid otherwise than once`)
  }
  await until('each effect is on record', async () => {
    const events = await tailEvents(system)
    return ids.every((id) =>
      RECORDED.every((type) => events.some((one) => one.action_id === id && one.type === type)),
    )
  })
  const { code, out } = await system.command(['audit', 'verify', '--json'])
  assert.equal(code, 0, out)
}
