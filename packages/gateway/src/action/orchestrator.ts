import {
  type ActionEvent,
  type ActionState,
  type ActionEffect as Effect,
  initialState,
  isFinal,
  step,
  wakeAt,
} from '@trustgw/core'
import {
  type ActionId,
  type ApprovalDecision,
  type ApprovalDecisionAnswer,
  type DecisionRecord,
  decisionHash,
  type ExecutionResult,
  evidenceHash,
  type GrantId,
  grantHash,
  type JwsExpectation,
  type Proposal,
  parseJson,
  type Sha256,
  type TenantId,
} from '@trustgw/protocol'
import type { AuditWriter, Clock, Logger } from '@trustgw/runtime'
import type { AgentDirectory } from '../agents/agent-directory.ts'
import { judgeApproval } from '../approvals/judge-decision.ts'
import { evaluate, evaluationOf, type PolicyInForce } from '../decide/evaluator.ts'
import { authorize, type GrantIssuer } from '../grant/grant-issuer.ts'
import type { RegisteredTool, ToolDirectory } from '../registry/tool-directory.ts'
import type { ActionRecord, DecisionEvent } from './action-record.ts'
import type { ActionStore, StoredAction } from './action-store.ts'
import { Locks } from './locks.ts'
import type { Outbound } from './outbound.ts'
import { Waiters } from './waiters.ts'

/** Steps that one event may lead to before it is taken as a defect. */
const TURNS_MAX = 64
/** A claim that the executor reported is stored only if no result follows it at once. */
const CLAIM_SETTLE_MS = 40
/** Before an executor that could not be reached, or could not admit yet, is asked again. */
const DISPATCH_RETRY_MS = 400
/** After a failed attempt to carry a stored state on. */
const RECOVER_RETRY_MS = 1_000
const TIMER_MAX_MS = 2_000_000_000
/** Actions whose latest form is kept in memory for those who wait. */
const LATEST_MAX = 1_024

export interface OrchestratorDeps {
  readonly store: ActionStore
  readonly tools: ToolDirectory
  readonly agents: AgentDirectory
  readonly issuer: GrantIssuer
  readonly outbound: Outbound
  readonly audit: (tenant: TenantId) => AuditWriter
  readonly policy: () => PolicyInForce
  readonly hostKeyFor: JwsExpectation['keyFor']
  readonly sha256: Sha256
  readonly clock: Clock
  readonly log: Logger
}

interface Planned {
  readonly event: ActionEvent
  /** What of the record changes together with the state, if the event changes it. */
  readonly change?: (record: ActionRecord) => ActionRecord
}

/**
 * Carries actions through their life: an event is given to `step`, the new state is stored by
 * compare-and-swap, then its effects are carried out (spec/protocol.md §5). Taking up after a crash
 * is the same loop over the stored states.
 */
export class Orchestrator {
  readonly #deps: OrchestratorDeps
  readonly #locks = new Locks()
  readonly #waiters = new Waiters()
  readonly #latest = new Map<ActionId, StoredAction>()
  readonly #timers = new Map<ActionId, () => void>()
  readonly #running = new Set<Promise<unknown>>()
  #stopping = false

  constructor(deps: OrchestratorDeps) {
    this.#deps = deps
  }

  /** Takes up every action that is open. */
  async recover(
    tenants: readonly TenantId[],
    read: (id: string) => ActionId | undefined,
  ): Promise<number> {
    let count = 0
    for (const tenant of tenants) {
      for (const text of await this.#deps.store.listOpen(tenant)) {
        const id = read(text)
        if (id === undefined) continue
        count += 1
        this.#background(this.#takeUp(tenant, id), tenant, id)
      }
    }
    return count
  }

  /** Lets what runs come to rest; nothing new is begun. */
  async stop(): Promise<void> {
    this.#stopping = true
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    await Promise.allSettled([...this.#running])
  }

  get openTimers(): number {
    return this.#timers.size
  }

  /** The action as this process last saw it, else as it is stored. */
  async current(tenant: TenantId, id: ActionId): Promise<StoredAction | undefined> {
    const latest = this.#latest.get(id)
    if (latest !== undefined && latest.record.proposal.tenant === tenant) return latest
    return this.#deps.store.load(tenant, id)
  }

  /** The next change; after `ms` the stored form, in case another process changed it. */
  async next(
    tenant: TenantId,
    id: ActionId,
    wait: { ms: number; signal?: AbortSignal },
  ): Promise<StoredAction | undefined> {
    return (await this.#waiters.next(id, wait.ms, wait.signal)) ?? this.#deps.store.load(tenant, id)
  }

  /** What policy says of a proposal, before anything of it is stored. */
  decide(proposal: Proposal, tool: RegisteredTool): DecisionRecord {
    const args = parseJson(proposal.arguments)
    if (!args.ok) throw new TypeError('a proposal whose arguments were not parsed')
    return evaluate(this.#deps.policy(), proposal, {
      tool,
      args: args.value,
      now: this.#deps.clock.now(),
    })
  }

  /**
   * Accepts a proposal: its decision is recorded, then the action is stored, then carried on.
   * Undefined when the action is there already (the same id, from an earlier try).
   */
  async accept(
    proposal: Proposal,
    decision: DecisionRecord,
    tool: ActionRecord['tool'],
  ): Promise<StoredAction | undefined> {
    const now = this.#deps.clock.now()
    const [, decision_event] = await Promise.all([
      this.#auditProposed(proposal),
      this.#auditDecision(proposal, decision),
    ])
    const first = step(
      initialState(now),
      { kind: 'evaluated', decision: evaluationOf(decision) },
      now,
    )
    const record: ActionRecord = {
      v: 1,
      proposal,
      tool,
      state: first.state,
      decision,
      decision_event,
      evidence: [],
      grant: null,
      result: null,
    }
    return this.#locks.run(proposal.action_id, async () => {
      const created = await this.#deps.store.create(record)
      if (created === undefined) return undefined
      this.#remember(created)
      return this.#settle(created, await this.#effects(first.effects, created))
    })
  }

  cancel(tenant: TenantId, id: ActionId, by: string): Promise<StoredAction | undefined> {
    return this.#drive(tenant, id, { event: { kind: 'cancel_requested', by } })
  }

  /** One person's verdict, from the host. Accepted means stored. */
  async decided(decision: ApprovalDecision): Promise<ApprovalDecisionAnswer> {
    const { tenant, action_id: id, approver } = decision
    const before = await this.#deps.store.load(tenant, id)
    if (before === undefined) return { status: 'refused', code: 'unknown_action' }
    if (this.#heardBefore(before.record, decision))
      return { status: 'accepted', state: before.record.state.kind }
    if (before.record.state.kind !== 'pending_approval')
      return { status: 'refused', code: 'not_pending' }
    const after =
      decision.verdict === 'deny'
        ? await this.#drive(tenant, id, {
            event: { kind: 'approval_denied', by: approver, reason: decision.reason },
          })
        : await this.#approve(before.record, decision)
    if (typeof after === 'string') return { status: 'refused', code: after }
    return after !== undefined && this.#heardBefore(after.record, decision)
      ? { status: 'accepted', state: after.record.state.kind }
      : { status: 'refused', code: 'not_pending' }
  }

  /** A result whose signature and profile were checked. Stored when this resolves. */
  async resulted(result: ExecutionResult): Promise<void> {
    const stored = await this.#deps.store.load(result.tenant_id, result.action_id)
    if (stored === undefined || !this.#belongs(stored.record, result)) {
      this.#deps.log.warn('result_refused', { action: result.action_id, jti: result.jti })
      return
    }
    await this.#drive(result.tenant_id, result.action_id, {
      event: resultEvent(result),
      change: (record) => ({
        ...record,
        result: {
          outcome: result.outcome,
          reason: result.reason,
          output: result.output,
          result_hash: result.result_hash,
          provider_reference: result.provider_reference,
        },
      }),
    })
  }

  async #approve(
    record: ActionRecord,
    decision: ApprovalDecision,
  ): Promise<StoredAction | string | undefined> {
    const { evidence } = decision
    const { tenant, action_id: id, tool_id } = record.decision
    const tool = this.#deps.tools.find(tenant, tool_id)
    if (tool === undefined || evidence === null) return 'evidence_missing'
    const refusal = judgeApproval(record, decision, {
      sha256: this.#deps.sha256,
      hostKeyFor: this.#deps.hostKeyFor,
      credential_ref: tool.contract.credential_ref,
    })
    if (refusal !== undefined) return refusal
    const tier = evidence.kind === 'passkey' ? 2 : 1
    const ref = evidenceHash(this.#deps.sha256, evidence)
    return this.#drive(tenant, id, {
      event: { kind: 'approval_granted', evidence: { ref, approver: evidence.approver, tier } },
      change: (before) => ({ ...before, evidence: [...before.evidence, evidence] }),
    })
  }

  /** A repeat of a decision that is stored already gets the same answer. */
  #heardBefore(record: ActionRecord, decision: ApprovalDecision): boolean {
    if (decision.verdict === 'deny') {
      return record.state.kind === 'denied' && record.state.by === decision.approver
    }
    return record.evidence.some((evidence) => evidence.nonce === decision.evidence?.nonce)
  }

  #belongs(record: ActionRecord, result: ExecutionResult): boolean {
    const { state, proposal, grant } = record
    if (proposal.input_hash !== result.input_hash) return false
    if (grant === null || grantHash(this.#deps.sha256, grant) !== result.grant_hash) {
      // An earlier grant of the same action, claimed late: the state knows every id it gave out.
      return 'issued' in state && state.issued.includes(result.jti)
    }
    return true
  }

  #drive(tenant: TenantId, id: ActionId, planned: Planned): Promise<StoredAction | undefined> {
    return this.#locks.run(id, async () => {
      const stored = await this.#deps.store.load(tenant, id)
      return stored === undefined ? undefined : this.#settle(stored, [planned])
    })
  }

  async #settle(start: StoredAction, first: readonly Planned[]): Promise<StoredAction> {
    const queue = [...first]
    let stored = start
    for (let turn = 0; queue.length > 0; turn += 1) {
      if (turn > TURNS_MAX)
        throw new Error(`action ${stored.record.proposal.action_id} does not come to rest`)
      const planned = queue.shift()
      if (planned === undefined) break
      const { state, effects } = this.#step(stored.record.state, planned.event)
      if (state === stored.record.state) {
        queue.push(...(await this.#effects(effects, stored)))
        continue
      }
      const record = { ...(planned.change?.(stored.record) ?? stored.record), state }
      const replaced = await this.#deps.store.replace(stored, record)
      if (replaced === undefined) {
        // Somebody else was faster: look again, and give the event to what is there now.
        stored = await this.#reload(stored)
        queue.unshift(planned)
        continue
      }
      stored = replaced
      this.#remember(stored)
      queue.push(...(await this.#effects(effects, stored)))
    }
    return stored
  }

  /** One step, together with the steps that it asks for itself: they are stored as one. */
  #step(
    state: ActionState,
    event: ActionEvent,
  ): { state: ActionState; effects: readonly Effect[] } {
    const now = this.#deps.clock.now()
    const effects: Effect[] = []
    let current = state
    let next: ActionEvent | undefined = event
    for (let turn = 0; next !== undefined && turn < TURNS_MAX; turn += 1) {
      const taken = step(current, next, now)
      if (taken.ignored !== null)
        this.#deps.log.debug('event_ignored', {
          event: next.kind,
          state: current.kind,
          why: taken.ignored,
        })
      current = taken.state
      next = undefined
      for (const effect of taken.effects) {
        if (effect.kind === 'feed') next = effect.event
        else effects.push(effect)
      }
    }
    return { state: current, effects }
  }

  async #reload(stored: StoredAction): Promise<StoredAction> {
    const { tenant, action_id } = stored.record.proposal
    const loaded = await this.#deps.store.load(tenant, action_id)
    if (loaded === undefined) throw new Error(`action ${action_id} is gone`)
    return loaded
  }

  async #effects(effects: readonly Effect[], stored: StoredAction): Promise<readonly Planned[]> {
    const planned: Planned[] = []
    for (const effect of effects) {
      const next = await this.#carryOut(effect, stored)
      if (next !== undefined) planned.push(next)
    }
    return planned
  }

  async #carryOut(effect: Effect, stored: StoredAction): Promise<Planned | undefined> {
    const { record } = stored
    switch (effect.kind) {
      case 'audit':
        await this.#audit(effect, record)
        return undefined
      case 'evaluate':
        return this.#evaluateAgain(record)
      case 'request_approval':
        this.#requestApproval(stored)
        return undefined
      case 'issue_grant':
        return this.#issue(record, effect.recheck)
      case 'dispatch':
        this.#background(this.#dispatch(stored), record.proposal.tenant, record.proposal.action_id)
        return undefined
      case 'reconcile':
        // Executors ask the provider before they report an unknown outcome; nobody else can.
        return { event: { kind: 'reconciled_unclear', reason: 'the connector could not tell' } }
      case 'read_precondition':
      case 'withdraw_approval':
      case 'ask_human':
      case 'feed':
        return undefined
    }
  }

  async #evaluateAgain(record: ActionRecord): Promise<Planned> {
    const { proposal } = record
    const tool = this.#deps.tools.find(proposal.tenant, proposal.tool_id)
    if (
      tool === undefined ||
      !this.#deps.agents.isActive(proposal.tenant, proposal.principal.client)
    ) {
      const reason =
        tool === undefined ? 'the tool is not served any more' : 'the agent is not active any more'
      return { event: { kind: 'evaluated', decision: { outcome: 'deny', reason } } }
    }
    const decision = this.decide(proposal, tool)
    const decision_event = await this.#auditDecision(proposal, decision)
    return {
      event: { kind: 'evaluated', decision: evaluationOf(decision) },
      change: (before) => ({ ...before, decision, decision_event, evidence: [], grant: null }),
    }
  }

  #issue(record: ActionRecord, recheck: boolean): Planned {
    const { proposal } = record
    const tool = this.#deps.tools.find(proposal.tenant, proposal.tool_id)
    const changed = recheck ? this.#changedSince(record, tool) : undefined
    if (changed !== undefined || tool === undefined) {
      return { event: { kind: 'changed', reason: changed ?? 'tool_gone' } }
    }
    const authorization = authorize(record, tool)
    if (!authorization.ok) return { event: { kind: 'changed', reason: authorization.reason } }
    const grant = this.#deps.issuer.issue(authorization.value)
    return {
      event: { kind: 'grant_issued', jti: grant.claims.jti, exp: grant.expires_at },
      change: (before) => ({ ...before, grant: grant.token }),
    }
  }

  /** At resume everything is looked at again (spec/protocol.md §5). */
  #changedSince(record: ActionRecord, tool: RegisteredTool | undefined): string | undefined {
    const { proposal, decision } = record
    if (tool === undefined) return 'tool_gone'
    if (tool.contract_hash !== decision.contract_hash) return 'contract_changed'
    if (!this.#deps.agents.isActive(proposal.tenant, proposal.principal.client))
      return 'agent_inactive'
    if (this.#deps.policy().compiled.fingerprint !== decision.policy_fingerprint)
      return 'policy_changed'
    const again = this.decide(proposal, tool)
    return again.effect === decision.effect &&
      again.tier === decision.tier &&
      again.rule_id === decision.rule_id
      ? undefined
      : 'decision_changed'
  }

  #requestApproval(stored: StoredAction): void {
    const { proposal } = stored.record
    const tool = this.#deps.tools.find(proposal.tenant, proposal.tool_id)
    if (tool === undefined) return
    const stillPending = (): boolean => {
      const state = this.#latest.get(proposal.action_id)?.record.state
      return !this.#stopping && (state === undefined || state.kind === 'pending_approval')
    }
    this.#deps.outbound.requestApproval(stored.record, tool.contract, stillPending)
  }

  /** Sends the grant to the executor, again and again until it is claimed, refused or lapsed. */
  async #dispatch(stored: StoredAction): Promise<void> {
    const { record } = stored
    const { tenant, action_id: id } = record.proposal
    if (record.state.kind !== 'dispatched') return
    const { jti, grant_exp } = record.state
    while (!this.#stopping && this.#deps.clock.now() < grant_exp) {
      const answer = await this.#deps.outbound.invoke(record)
      if (answer.kind === 'claimed') {
        await this.#deps.clock.sleep(CLAIM_SETTLE_MS)
        const state = this.#latest.get(id)?.record.state
        if (state?.kind !== 'dispatched') return
        await this.#drive(tenant, id, {
          event: { kind: 'executor_claimed', jti, result_by: answer.result_by },
        })
        return
      }
      if (answer.kind === 'refused') {
        await this.#drive(tenant, id, {
          event: { kind: 'executor_refused', jti, reason: answer.reason },
        })
        return
      }
      await this.#deps.clock.sleep(DISPATCH_RETRY_MS)
      const state = this.#latest.get(id)?.record.state
      if (state !== undefined && (state.kind !== 'dispatched' || state.jti !== jti)) return
    }
  }

  async #takeUp(tenant: TenantId, id: ActionId): Promise<void> {
    const stored = await this.#deps.store.load(tenant, id)
    if (stored === undefined) {
      // The entry was made and the action was not: the proposer never had an answer.
      await this.#deps.store.close(tenant, id)
      return
    }
    this.#remember(stored)
    if (!isFinal(stored.record.state))
      await this.#drive(tenant, id, { event: { kind: 'recovered' } })
  }

  /** Tells portals and waiters, sets the next alarm, and closes what has ended. */
  #remember(stored: StoredAction): void {
    const { record } = stored
    const { tenant, action_id: id } = record.proposal
    this.#latest.delete(id)
    this.#latest.set(id, stored)
    if (this.#latest.size > LATEST_MAX) {
      for (const [oldest, action] of this.#latest) {
        if (isFinal(action.record.state)) this.#latest.delete(oldest)
        if (this.#latest.size <= LATEST_MAX) break
      }
    }
    this.#alarm(stored)
    const told = this.#deps.outbound.tell(stored)
    if (isFinal(record.state)) {
      this.#background(
        told.then(() => this.#deps.store.close(tenant, id)),
        tenant,
        id,
      )
    }
    this.#waiters.changed(id, stored)
  }

  #alarm(stored: StoredAction): void {
    const { tenant, action_id: id } = stored.record.proposal
    this.#timers.get(id)?.()
    this.#timers.delete(id)
    const at = wakeAt(stored.record.state)
    if (at === null || this.#stopping) return
    const ms = Math.min(Math.max(at - this.#deps.clock.now(), 0) + 1, TIMER_MAX_MS)
    this.#timers.set(
      id,
      this.#deps.clock.setTimer(ms, () => {
        this.#timers.delete(id)
        this.#background(this.#drive(tenant, id, { event: { kind: 'tick' } }), tenant, id)
      }),
    )
  }

  /** Work that nobody awaits: a fault leaves the stored state, which is taken up again. */
  #background(work: Promise<unknown>, tenant: TenantId, id: ActionId): void {
    const guarded = work
      .catch((error: unknown) => {
        this.#deps.log.warn('action_stalled', { action: id, error: String(error) })
        if (this.#stopping) return
        this.#timers.get(id)?.()
        this.#timers.set(
          id,
          this.#deps.clock.setTimer(RECOVER_RETRY_MS, () => {
            this.#timers.delete(id)
            this.#background(this.#takeUp(tenant, id), tenant, id)
          }),
        )
      })
      .finally(() => this.#running.delete(guarded))
    this.#running.add(guarded)
  }

  async #auditProposed(proposal: Proposal): Promise<void> {
    await this.#deps.audit(proposal.tenant).append('proposed', {
      actor: { kind: 'agent', id: proposal.principal.subject },
      action_id: proposal.action_id,
      trace: proposal.trace,
      payload: { tool: proposal.tool_id, source: proposal.source, input_hash: proposal.input_hash },
    })
  }

  async #auditDecision(proposal: Proposal, decision: DecisionRecord): Promise<DecisionEvent> {
    const { event, stored } = await this.#deps.audit(proposal.tenant).append('evaluated', {
      actor: { kind: 'system', id: 'gateway' },
      action_id: proposal.action_id,
      trace: proposal.trace,
      payload: {
        decision_hash: decisionHash(this.#deps.sha256, decision),
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

  async #audit(effect: Effect & { readonly kind: 'audit' }, record: ActionRecord): Promise<void> {
    // The decision is recorded before it becomes the state, since the state names its event.
    if (effect.type === 'evaluated') return
    await this.#deps.audit(record.proposal.tenant).append(effect.type, {
      actor: actorOf(effect),
      action_id: record.proposal.action_id,
      trace: record.proposal.trace,
      payload: { ...effect.detail, from: effect.from, to: effect.to },
    })
  }
}

function actorOf(effect: Effect & { readonly kind: 'audit' }): {
  kind: 'human' | 'system'
  id: string
} {
  const person =
    effect.detail['approver'] ?? (effect.type === 'denied' ? effect.detail['by'] : undefined)
  return typeof person === 'string'
    ? { kind: 'human', id: person }
    : { kind: 'system', id: 'gateway' }
}

function resultEvent(result: ExecutionResult): ActionEvent {
  const jti: GrantId = result.jti
  const summary = { result_hash: result.result_hash, reason: result.reason }
  switch (result.outcome) {
    case 'succeeded':
      return { kind: 'result_succeeded', jti, result: summary }
    case 'failed':
      return { kind: 'result_failed', jti, result: summary }
    case 'refused':
      return { kind: 'executor_refused', jti, reason: result.reason ?? 'refused' }
    case 'unknown_outcome':
      return { kind: 'result_unknown', jti, reason: result.reason ?? 'unknown_outcome' }
  }
}
