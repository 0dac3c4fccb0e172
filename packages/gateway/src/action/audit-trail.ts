import type { ActionState, ActionEffect as Effect } from '@trustgw/core'
import {
  type ActionId,
  type DecisionRecord,
  decisionHash,
  type Proposal,
  type Sha256,
  type TenantId,
} from '@trustgw/protocol'
import type { AuditWriter } from '@trustgw/runtime'
import type { ActionRecord, DecisionEvent } from './action-record.ts'

/** For which action's precondition an action reads, or in whose place it is asked. */
export interface Descent {
  readonly reads_for?: ActionId
  readonly supersedes?: ActionId
}

type AuditEffect = Effect & { readonly kind: 'audit' }
type Entry = Pick<AuditEffect, 'type' | 'detail'>

/** What the gateway writes of actions into the record (spec/protocol.md §7). */
export class AuditTrail {
  readonly #audit: (tenant: TenantId) => AuditWriter
  readonly #sha256: Sha256

  constructor(audit: (tenant: TenantId) => AuditWriter, sha256: Sha256) {
    this.#audit = audit
    this.#sha256 = sha256
  }

  /** `from`: the action that brought it about, where no agent proposed it anew. */
  async proposed(proposal: Proposal, from: Descent = {}): Promise<void> {
    await this.#audit(proposal.tenant).append('proposed', {
      actor: { kind: 'agent', id: proposal.principal.subject },
      action_id: proposal.action_id,
      trace: proposal.trace,
      payload: {
        tool: proposal.tool_id,
        source: proposal.source,
        input_hash: proposal.input_hash,
        ...from,
      },
    })
  }

  /** A proposal and the decision on it. */
  async accepted(
    proposal: Proposal,
    decision: DecisionRecord,
    from: Descent,
  ): Promise<DecisionEvent> {
    const [, event] = await Promise.all([
      this.proposed(proposal, from),
      this.decided(proposal, decision),
    ])
    return event
  }

  /** The precondition of an action is read by another one, or was. */
  async prepares(
    type: 'preparing' | 'prepared',
    { proposal }: ActionRecord,
    payload: { readonly [name: string]: string },
  ): Promise<void> {
    await this.#audit(proposal.tenant).append(type, {
      actor: { kind: 'system', id: 'gateway' },
      action_id: proposal.action_id,
      trace: proposal.trace,
      payload,
    })
  }

  async decided(proposal: Proposal, decision: DecisionRecord): Promise<DecisionEvent> {
    const { event, stored } = await this.#audit(proposal.tenant).append('evaluated', {
      actor: { kind: 'system', id: 'gateway' },
      action_id: proposal.action_id,
      trace: proposal.trace,
      payload: {
        decision_hash: decisionHash(this.#sha256, decision),
        tool: decision.tool_id,
        contract_hash: decision.contract_hash,
        input_hash: decision.input_hash,
        effect: decision.effect,
        tier: decision.tier,
        rule: decision.rule_id,
        policy_fingerprint: decision.policy_fingerprint,
      },
    })
    return { seq: stored.seq, event_id: event.event_id }
  }

  async moved(record: ActionRecord, effect: AuditEffect): Promise<void> {
    // The decision is recorded before it becomes the state, since the state names its event.
    if (effect.type === 'evaluated') return
    const { detail, from, to } = effect
    await this.#append(record, effect, { ...detail, from, to })
  }

  /**
   * Records once more how the action came into its stored state: a crash between the two may have
   * lost that event, and nothing may follow a state that is not on record. Only that one event can
   * be missing, since the next state is stored after it.
   */
  async again(record: ActionRecord): Promise<void> {
    const entry = entryInto(record.state)
    if (entry === undefined) return
    const { kind } = record.state
    await this.#append(record, entry, { ...entry.detail, to: kind, repeated: true })
  }

  async #append(
    record: ActionRecord,
    entry: Entry,
    payload: { readonly [name: string]: string | number | boolean },
  ): Promise<void> {
    await this.#audit(record.proposal.tenant).append(entry.type, {
      actor: actorOf(entry),
      action_id: record.proposal.action_id,
      trace: record.proposal.trace,
      payload,
    })
  }
}

function actorOf({ type, detail }: Entry): { kind: 'human' | 'agent' | 'system'; id: string } {
  const person = detail['approver'] ?? (isPersons(type, detail['by']) ? detail['by'] : undefined)
  if (typeof person === 'string') return { kind: 'human', id: person }
  const agent = type === 'cancelled' || type === 'cancel_requested' ? detail['by'] : undefined
  return typeof agent === 'string'
    ? { kind: 'agent', id: agent }
    : { kind: 'system', id: 'gateway' }
}

/** Who settled an action where it was no person. */
const NOBODY: readonly unknown[] = ['connector', 'executor']

function isPersons(type: Entry['type'], by: unknown): boolean {
  return type === 'denied' || (type === 'reconciled' && !NOBODY.includes(by))
}

type Open = ActionState & {
  readonly kind:
    | 'proposed'
    | 'preparing'
    | 'scheduled'
    | 'pending_approval'
    | 'authorized'
    | 'dispatched'
    | 'executing'
}
type Ended = Exclude<ActionState, Open>

const OPEN: ReadonlySet<string> = new Set<Open['kind']>([
  'proposed',
  'preparing',
  'scheduled',
  'pending_approval',
  'authorized',
  'dispatched',
  'executing',
])

/** The event that leads into a state, as far as the state still tells. */
function entryInto(state: ActionState): Entry | undefined {
  return isOpen(state) ? stageOf(state) : endOf(state)
}

function isOpen(state: ActionState): state is Open {
  return OPEN.has(state.kind)
}

function stageOf(state: Open): Entry | undefined {
  switch (state.kind) {
    case 'proposed':
    case 'preparing':
      return undefined
    case 'scheduled':
      return { type: 'scheduled', detail: { not_before: state.not_before } }
    case 'pending_approval':
      return { type: 'approval_requested', detail: { tier: state.need.tier } }
    case 'authorized':
      return released(state)
    case 'dispatched':
      return { type: 'grant_issued', detail: { jti: state.jti } }
    case 'executing':
      return { type: 'claimed', detail: { jti: state.jti } }
  }
}

function endOf(state: Ended): Entry {
  switch (state.kind) {
    case 'unknown_outcome':
    case 'needs_human':
    case 'refused':
      return { type: state.kind, detail: { jti: state.jti, reason: state.reason } }
    case 'expired':
      return { type: 'expired', detail: { reason: state.reason } }
    case 'cancelled':
      return { type: 'cancelled', detail: cancelledBy(state) }
    case 'denied':
      return {
        type: 'denied',
        detail: { reason: state.reason, ...(state.by === null ? {} : { by: state.by }) },
      }
    case 'succeeded':
    case 'failed':
      return { type: state.kind, detail: resultOf(state) }
    case 'reconciled_succeeded':
    case 'reconciled_failed':
      return { type: 'reconciled', detail: { ...resultOf(state), by: state.by } }
  }
}

function cancelledBy({
  by,
  stopped_for,
}: ActionState & { readonly kind: 'cancelled' }): Entry['detail'] {
  return stopped_for === undefined ? { by } : { approver: by, reason: stopped_for }
}

function released(state: ActionState & { readonly kind: 'authorized' }): Entry | undefined {
  const last = state.evidence.at(-1)
  if (last === undefined) return undefined
  return { type: 'approved', detail: { approver: last.approver, evidence: last.ref } }
}

function resultOf(state: {
  readonly jti: string
  readonly result: { readonly result_hash: string }
}): { readonly jti: string; readonly result_hash: string } {
  return { jti: state.jti, result_hash: state.result.result_hash }
}
