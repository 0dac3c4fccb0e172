import {
  canonicalize,
  type DecisionRecord,
  idempotencyKey,
  parseGrantId,
  type Sha256,
  storedKey,
  type UnsettledAction,
  unsettledActionJson,
  utf8Encode,
} from '@trustgw/protocol'
import type { RecordStore } from '@trustgw/runtime'
import type { ActionRecord } from '../action/action-record.ts'
import type { ToolDirectory } from '../registry/tool-directory.ts'

export interface UnsettledDeps {
  /** The bucket `unsettled`. */
  readonly unsettled: RecordStore
  readonly tools: ToolDirectory
  readonly sha256: Sha256
}

/** Lays out for people what is known of actions that only they can settle (spec/protocol.md §5). */
export class Unsettled {
  readonly #deps: UnsettledDeps

  constructor(deps: UnsettledDeps) {
    this.#deps = deps
  }

  /** Stored when this resolves; once more changes nothing. */
  async ask(record: ActionRecord): Promise<void> {
    const action = this.#layOut(record)
    if (action === undefined) return
    const value = utf8Encode(canonicalize(unsettledActionJson(action)))
    await this.#deps.unsettled.create(this.#keyOf(record), value)
  }

  /** It ended: nobody is asked any more. */
  async settled(record: ActionRecord): Promise<void> {
    const key = this.#keyOf(record)
    const stored = await this.#deps.unsettled.get(key)
    if (stored !== undefined) await this.#deps.unsettled.remove(key, stored.revision)
  }

  #layOut(record: ActionRecord): UnsettledAction | undefined {
    const { tools, sha256 } = this.#deps
    const { proposal, state, decision, result, tool } = record
    if (state.kind !== 'needs_human') return undefined
    const jti = parseGrantId(state.jti)
    if (!jti.ok) return undefined
    const { tenant, action_id, tool_id, input_hash } = proposal
    return {
      v: 1,
      action_id,
      tenant,
      tool_id,
      title: tools.find(tenant, tool_id)?.contract.title ?? tool_id,
      arguments: proposal.arguments,
      input_hash,
      agent: proposal.principal.subject,
      initiator: initiatorOf(decision),
      roles: settlersOf(decision),
      amount: tool.amount,
      jti: jti.value,
      idempotency_key: idempotencyKey(sha256, tenant, action_id),
      proposed_at: proposal.received_at,
      entered_at: record.entered_at,
      provider_reference: result?.provider_reference ?? null,
      doubt: result?.reason ?? null,
      reconciled: state.reason.slice(0, 500),
      since: state.since,
    }
  }

  #keyOf({ proposal: { tenant, action_id } }: ActionRecord): string {
    return `${tenant}.${storedKey(this.#deps.sha256, action_id)}`
  }
}

/** The person on whose behalf the agent acts where that is known, else the agent (§5). */
export function initiatorOf({ on_behalf_of, principal }: DecisionRecord): string {
  return on_behalf_of ?? principal.subject
}

/** Roles that approve such an action. */
export function settlersOf({ obligations }: DecisionRecord): readonly string[] {
  return [...new Set(obligations.approvers.flatMap(({ roles }) => roles))].slice(0, 32)
}
