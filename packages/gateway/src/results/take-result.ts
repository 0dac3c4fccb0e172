import type { ActionId, ExecutionResult, Sha256, TenantId } from '@trustgw/protocol'
import type { Logger } from '@trustgw/runtime'
import type { ActionRecord } from '../action/action-record.ts'
import { type ActionStore, ActionTooLargeFault, type StoredAction } from '../action/action-store.ts'
import type { Planned } from '../action/planned.ts'
import { resultBelongs, resultPlan } from './result-plan.ts'

export interface TakeResultDeps {
  readonly store: Pick<ActionStore, 'load'>
  /** The action as this process last saw it. */
  readonly known: (tenant: TenantId, id: ActionId) => StoredAction | undefined
  readonly drive: (tenant: TenantId, id: ActionId, planned: Planned) => Promise<unknown>
  readonly sha256: Sha256
  readonly log: Logger
}

/** Gives a result, whose signature and profile were checked, to its action. Stored when it resolves. */
export async function takeResult(result: ExecutionResult, deps: TakeResultDeps): Promise<void> {
  const { store, known, drive, sha256, log } = deps
  const { tenant_id: tenant, action_id: id } = result
  const fits = (record: ActionRecord): boolean => resultBelongs(record, result, sha256)
  const last = known(tenant, id)
  // What this process saw may be old: only what is stored refuses a result.
  const stored = last !== undefined && fits(last.record) ? last : await store.load(tenant, id)
  if (stored === undefined || !fits(stored.record)) {
    log.warn('result_refused', { action: id, jti: result.jti })
    return
  }
  try {
    await drive(tenant, id, { ...resultPlan(result, true), fits })
  } catch (error) {
    if (!(error instanceof ActionTooLargeFault)) throw error
    await drive(tenant, id, { ...resultPlan(result, false), fits })
  }
}
