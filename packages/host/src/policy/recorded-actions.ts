/** Proposals of the past with their decisions, for trying another policy on them. */
import {
  type ActionId,
  canonicalize,
  contractHash,
  decisionJson,
  type Hash,
  type JsonObject,
  type RecordedAction,
  readRecordedAction,
  type TenantId,
  type ToolContract,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { HostDeps } from '../deps.ts'

export const RECORDED_MAX_COUNT = 500
/** JSON text of one answer. */
export const RECORDED_MAX_CHARS: number = 16 * 1024 * 1024
/** Places of the stream looked at; an action is rewritten at each step and leaves gaps behind. */
export const RECORDED_SCAN_MAX_COUNT = 8_192
const SCAN_WIDTH_COUNT = 64

export interface RecordedActionsDeps {
  readonly tenant: TenantId
  /** The stream of the bucket `actions`. */
  readonly actions: HostDeps['actions']
  readonly log: HostDeps['log']
}

/** What is still known of tools, by the hash of the contract that was decided about. */
export interface KnownContracts {
  /** The contracts that are served now. */
  readonly served: readonly ToolContract[]
  /** The contract that an approval was asked for with. */
  readonly approved: (actionId: ActionId) => Promise<ToolContract | undefined>
  readonly facts: (contract: ToolContract) => JsonObject
}

export class RecordedActions {
  readonly #deps: RecordedActionsDeps

  constructor(deps: RecordedActionsDeps) {
    this.#deps = deps
  }

  /** The actions that changed last, the newest first. `truncated`: there may be more. */
  async list(limit: number, known: KnownContracts): Promise<JsonObject> {
    const served = new Map<Hash, ToolContract>(
      known.served.map((contract) => [contractHash(sha256, contract), contract]),
    )
    const actions: JsonObject[] = []
    let chars = 0
    const { found, isWhole } = await this.#newest(limit)
    for (const action of found) {
      const json = describe(action, await factsOf(action, served, known))
      chars += canonicalize(json).length
      if (chars > RECORDED_MAX_CHARS) return { actions, truncated: true }
      actions.push(json)
    }
    return { actions, truncated: !isWhole }
  }

  /** Read from the end of the stream, since what it keeps may be gigabytes. */
  async #newest(
    limit: number,
  ): Promise<{ readonly found: readonly RecordedAction[]; readonly isWhole: boolean }> {
    const { actions, tenant } = this.#deps
    const mine = `$KV.actions.${tenant}.`
    const last = await actions.getLast(`${mine}>`)
    const found: RecordedAction[] = []
    const end = Math.max(0, (last?.seq ?? 0) - RECORDED_SCAN_MAX_COUNT)
    let next = last?.seq ?? 0
    while (next > end && found.length < limit) {
      const count = Math.min(SCAN_WIDTH_COUNT, next - end)
      const wanted = Array.from({ length: count }, (_, index) => next - index)
      for (const message of await Promise.all(wanted.map((seq) => actions.getBySeq(seq)))) {
        found.push(...(message?.subject.startsWith(mine) === true ? this.#read(message.data) : []))
      }
      next -= count
    }
    const isWhole = next === 0 && found.length <= limit
    return { found: found.slice(0, limit), isWhole }
  }

  #read(value: Uint8Array): readonly RecordedAction[] {
    const { tenant, log } = this.#deps
    // What a removed key leaves behind.
    if (value.length === 0) return []
    const read = readRecordedAction(value)
    if (read.ok && read.value.tenant === tenant) return [read.value]
    log.warn('recorded_action_refused', { reason: read.ok ? 'tenant' : (read.detail ?? '') })
    return []
  }
}

/** The tool as it was decided about, where that contract is still known; else null. */
async function factsOf(
  { action_id, decision }: RecordedAction,
  served: ReadonlyMap<Hash, ToolContract>,
  known: KnownContracts,
): Promise<JsonObject | null> {
  const now = served.get(decision.contract_hash)
  if (now !== undefined) return known.facts(now)
  if (decision.effect !== 'require_approval') return null
  const then = await known.approved(action_id)
  if (then === undefined || contractHash(sha256, then) !== decision.contract_hash) return null
  return known.facts(then)
}

function describe(action: RecordedAction, tool: JsonObject | null): JsonObject {
  const { action_id, received_at, source, auth_level, amount, decision } = action
  return {
    action_id,
    at: received_at,
    source,
    auth_level,
    amount,
    arguments: action.arguments,
    decision: decisionJson(decision),
    tool,
  }
}
