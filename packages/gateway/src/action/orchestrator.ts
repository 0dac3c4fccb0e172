import { type ActionEffect as Effect, isFinal } from '@trustgw/core'
import {
  type ActionId,
  type ApprovalDecision,
  type ApprovalDecisionAnswer,
  type ExecutionResult,
  type JwsExpectation,
  type Proposal,
  type Sha256,
  type TenantId,
} from '@trustgw/protocol'
import {
  type AuditWriter,
  type Clock,
  type Logger,
  type Random,
  type RecordStore,
} from '@trustgw/runtime'
import type { AgentDirectory } from '../agents/agent-directory.ts'
import { type Heard, heardBefore, verdictPlan } from '../approvals/verdict.ts'
import type { Decided } from '../decide/decided.ts'
import { Decider } from '../decide/decider.ts'
import type { PolicyInForce } from '../decide/evaluator.ts'
import type { GrantIssuer } from '../grant/grant-issuer.ts'
import type { ToolDirectory } from '../registry/tool-directory.ts'
import { resultBelongs, resultPlan } from '../results/result-plan.ts'
import type { ActionRecord } from './action-record.ts'
import {
  type ActionStore,
  ActionTooLargeFault,
  type Recalled,
  recalled,
  type StoredAction,
} from './action-store.ts'
import { AuditTrail } from './audit-trail.ts'
import { Caretaker } from './caretaker.ts'
import { Dispatcher } from './dispatcher.ts'
import { Effects } from './effects.ts'
import { KnownActions } from './known-actions.ts'
import { Locks } from './locks.ts'
import { News } from './news.ts'
import { opening, recorded } from './opening.ts'
import type { Outbound } from './outbound.ts'
import type { Planned, Progress, Work } from './planned.ts'
import { Review } from './review.ts'
import { takePlanned } from './take-step.ts'
import { Waiters } from './waiters.ts'

/** Steps that one event may lead to before it is taken as a defect. */
const TURNS_MAX = 64
/** Longer than a write is tried: an action whose entry was made before it is there by then. */
const ENTRY_ALONE_MS = 30_000

export interface OrchestratorDeps {
  readonly store: ActionStore
  readonly tools: ToolDirectory
  readonly agents: AgentDirectory
  readonly issuer: GrantIssuer
  readonly outbound: Outbound
  readonly audit: (tenant: TenantId) => AuditWriter
  readonly policy: (tenant: TenantId) => PolicyInForce | undefined
  /** The bucket `limits`. */
  readonly limits: RecordStore
  readonly hostKeyFor: JwsExpectation['keyFor']
  /** Other gateways store actions, too. */
  readonly shared: boolean
  readonly sha256: Sha256
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/**
 * Carries actions through their life: an event is given to `step`, the new state is stored by
 * compare-and-swap, then its effects are carried out (spec/protocol.md §5). Taking up after a crash
 * is the same loop over the stored states.
 */
export class Orchestrator {
  /** Decides on proposals before anything of them is stored. */
  readonly decider: Decider
  readonly #deps: OrchestratorDeps
  readonly #locks = new Locks()
  readonly #known = new KnownActions()
  /** Perhaps stored, and its proposer was told that it was not. */
  readonly #unwanted = new Set<ActionId>()
  /** Open entries that were seen without their action. */
  readonly #alone = new Set<ActionId>()
  readonly #waiters: Waiters
  readonly #news: News
  readonly #trail: AuditTrail
  readonly #review: Review
  readonly #dispatcher: Dispatcher
  readonly #care: Caretaker
  readonly #effects: Effects

  constructor(deps: OrchestratorDeps) {
    const { clock, log } = deps
    this.#deps = deps
    this.#waiters = new Waiters(clock)
    this.#news = new News((stored) => deps.outbound.tell(stored), clock)
    this.#trail = new AuditTrail(deps.audit, deps.sha256)
    const recall = (tenant: TenantId, id: ActionId): Promise<Recalled> =>
      recalled(this.current(tenant, id))
    this.decider = new Decider({ ...deps, recall })
    this.#review = new Review({ ...deps, trail: this.#trail, decider: this.decider })
    this.#care = new Caretaker({
      clock,
      log,
      tick: (tenant, id) => this.#drive(tenant, id, { event: { kind: 'tick' } }),
      takeUp: (tenant, id) => this.#takeUp(tenant, id),
    })
    this.#dispatcher = new Dispatcher({
      clock,
      invoke: (record) => deps.outbound.invoke(record),
      state: (id) => this.#known.state(id),
      stopping: () => this.#care.stopping,
    })
    this.#effects = new Effects({
      ...deps,
      trail: this.#trail,
      review: this.#review,
      known: (id) => this.#known.get(id)?.record,
      stopping: () => this.#care.stopping,
      dispatch: (stored) => {
        const { tenant, action_id: id } = stored.record.proposal
        this.#care.background(this.#dispatch(stored), tenant, id)
      },
    })
  }

  /**
   * Takes up every action that is open and not carried on by this process already. Resolves when all of
   * them are known here.
   */
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
        const seen = this.#lookAt(tenant, id)
        const takenUp = seen.then((stored) =>
          stored !== undefined && this.#known.isOwn(stored) ? undefined : this.#takeUp(tenant, id),
        )
        this.#care.background(takenUp, tenant, id)
        await seen.catch(() => undefined)
      }
    }
    return count
  }

  /** Another gateway may have changed it; what waits for people is known at each. */
  heard(tenant: TenantId, id: ActionId, news: { revision: number; state: string }): void {
    const known = this.#known.get(id)
    const isOld = known !== undefined && known.revision >= news.revision
    if (isOld || (known === undefined && news.state !== 'pending_approval')) return
    this.#care.background(this.#lookAt(tenant, id, false), tenant, id)
  }

  /** Lets what runs come to rest; nothing new is begun. */
  stop(): Promise<void> {
    return this.#care.stop()
  }

  /** The action as it is stored. Its end is final, so that is remembered. */
  async current(tenant: TenantId, id: ActionId): Promise<StoredAction | undefined> {
    const known = this.#recall(tenant, id)
    if (known !== undefined && isFinal(known.record.state)) return known
    return this.#deps.store.load(tenant, id)
  }

  /** The later of a stored form and what this process saw since. */
  latest(stored: StoredAction): StoredAction {
    const known = this.#known.get(stored.record.proposal.action_id)
    return known !== undefined && known.revision > stored.revision ? known : stored
  }

  /** The next change; after `ms` the stored form, in case another process changed it. */
  async next(
    tenant: TenantId,
    id: ActionId,
    wait: { ms: number; signal?: AbortSignal },
  ): Promise<StoredAction | undefined> {
    return (await this.#waiters.next(id, wait.ms, wait.signal)) ?? this.#deps.store.load(tenant, id)
  }

  /** A place among its principal's actions that wait for people; false: none is free. */
  reserve(proposal: Proposal): boolean {
    return this.#known.reserve(proposal)
  }

  /** Gives the place back, unless the action came to wait there. */
  release(proposal: Proposal): void {
    this.#known.release(proposal)
  }

  /**
   * Accepts a proposal: its decision is recorded, then the action is stored, then carried on.
   * Undefined when the action is there already (the same id, from an earlier try). Throws only
   * while nothing is stored: what is stored is accepted, and taken up again when it fails.
   */
  async accept(
    proposal: Proposal,
    decided: Decided,
    tool: ActionRecord['tool'],
  ): Promise<StoredAction | undefined> {
    const { tenant, action_id: id } = proposal
    const parts = { trail: this.#trail, decider: this.decider, review: this.#review }
    const record = await recorded(proposal, decided, { ...this.#deps, ...parts, tool })
    const opened = opening(record, { ...this.#deps, ...parts })
    return this.#locks.run(id, async () => {
      const created = await this.#create(opened.record)
      if (created === undefined) {
        await this.decider.giveBack(decided.counted)
        return undefined
      }
      this.#known.noteOwn(created)
      this.#remember(created)
      try {
        return await this.#settle(created, { effects: opened.effects, fresh: true })
      } catch (error) {
        this.#deps.log.warn('action_stalled', { action: id, error: String(error) })
        this.#care.later(tenant, id)
        return this.latest(created)
      }
    })
  }

  cancel(tenant: TenantId, id: ActionId, by: string): Promise<StoredAction | undefined> {
    return this.#drive(tenant, id, { event: { kind: 'cancel_requested', by } })
  }

  /** One person's verdict, from the host. Accepted means stored. */
  async decided(decision: ApprovalDecision): Promise<ApprovalDecisionAnswer> {
    const { sha256 } = this.#deps
    const { tenant, action_id: id } = decision
    const before = await this.#deps.store.load(tenant, id)
    if (before === undefined) return { status: 'refused', code: 'unknown_action' }
    if (heardBefore(before.record, decision, sha256))
      return { status: 'accepted', state: before.record.state.kind }
    const heard: Heard = { refusal: 'not_pending', counted: false }
    const after = await this.#drive(tenant, id, verdictPlan(decision, heard, this.#deps))
    if (after !== undefined && heardBefore(after.record, decision, sha256))
      return { status: 'accepted', state: after.record.state.kind }
    // Counted and not there any more: something had changed, and the approval is void.
    return { status: 'refused', code: heard.counted ? 'decision_changed' : heard.refusal }
  }

  /** A result whose signature and profile were checked. Stored when this resolves. */
  async resulted(result: ExecutionResult): Promise<void> {
    const { tenant_id: tenant, action_id: id } = result
    const fits = (record: ActionRecord): boolean => resultBelongs(record, result, this.#deps.sha256)
    const known = this.#recall(tenant, id)
    // What this process saw may be old: only what is stored refuses a result.
    const seen = known !== undefined && fits(known.record)
    const stored = seen ? known : await this.#deps.store.load(tenant, id)
    if (stored === undefined || !fits(stored.record)) {
      this.#deps.log.warn('result_refused', { action: id, jti: result.jti })
      return
    }
    try {
      await this.#drive(tenant, id, { ...resultPlan(result, true), fits })
    } catch (error) {
      if (!(error instanceof ActionTooLargeFault)) throw error
      await this.#drive(tenant, id, { ...resultPlan(result, false), fits })
    }
  }

  /** What this process last saw of an action; another one may have changed it since. */
  #recall(tenant: TenantId, id: ActionId): StoredAction | undefined {
    const known = this.#known.get(id)
    return known?.record.proposal.tenant === tenant ? known : undefined
  }

  /** Gives an event to what this process last saw; compare-and-swap finds out what is newer. */
  #drive(tenant: TenantId, id: ActionId, planned: Planned): Promise<StoredAction | undefined> {
    return this.#locks.run(id, async () => {
      const known = this.#recall(tenant, id)
      const stored = known ?? (await this.#lookAt(tenant, id))
      if (stored === undefined) return undefined
      try {
        return await this.#settle(stored, { queue: [planned], fresh: known === undefined })
      } catch (error) {
        this.#care.later(tenant, id)
        throw error
      }
    })
  }

  /** Brings an action to rest: what is planned, and what follows from it. */
  async #settle(start: StoredAction, work: Work): Promise<StoredAction> {
    const { action_id: id } = start.record.proposal
    // Whether the state that it rests in was stored here, so that its effects were carried out here.
    let at: Progress = { stored: start, fresh: work.fresh, own: work.effects !== undefined }
    const first = await this.#effects.carryOut(work.effects ?? [], start)
    const queue = [...(work.queue ?? []), ...first]
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      const planned = queue.shift()
      if (planned === undefined) {
        if (at.own && isFinal(at.stored.record.state)) this.#close(at.stored.record)
        return at.stored
      }
      const { effects, ...next } = await this.#give(planned, at)
      at = next
      if (effects === undefined) queue.unshift(planned)
      else queue.push(...(await this.#effects.carryOut(effects, at.stored)))
    }
    throw new Error(`action ${id} does not come to rest`)
  }

  /** Gives one event to an action; without effects it is to be given to what is stored now. */
  async #give(planned: Planned, at: Progress): Promise<Progress & { effects?: readonly Effect[] }> {
    const { record, effects } = takePlanned(at.stored.record, planned, this.#deps)
    const changed = record !== at.stored.record
    const replaced = changed ? await this.#deps.store.replace(at.stored, record) : undefined
    if (replaced !== undefined) {
      this.#known.noteOwn(replaced)
      this.#remember(replaced)
      await planned.done?.(true)
      return { stored: replaced, fresh: true, own: true, effects }
    }
    if (changed || !at.fresh) {
      // Somebody else was faster, or may have been.
      return { stored: await this.#reload(at.stored), fresh: true, own: false }
    }
    await planned.done?.(false)
    return { ...at, effects }
  }

  async #dispatch(stored: StoredAction): Promise<void> {
    const { tenant, action_id: id } = stored.record.proposal
    const event = await this.#dispatcher.run(stored)
    if (event !== undefined) await this.#drive(tenant, id, { event })
  }

  async #create(record: ActionRecord): Promise<StoredAction | undefined> {
    const { tenant, action_id: id, client_key } = record.proposal
    try {
      return await this.#deps.store.create(record)
    } catch (error) {
      // It may be stored all the same, and the proposer is told that nothing was accepted: with a
      // key the repeat finds the action, without one nothing may come of it.
      if (client_key === null) this.#unwanted.add(id)
      this.#care.later(tenant, id)
      throw error
    }
  }

  async #takeUp(tenant: TenantId, id: ActionId): Promise<void> {
    const stored = await this.#lookAt(tenant, id)
    if (stored === undefined) {
      // Another gateway may be about to store it; else the proposer never had an answer.
      if (!this.#deps.shared || this.#alone.delete(id))
        return await this.#deps.store.close(tenant, id)
      this.#alone.add(id)
      return this.#care.later(tenant, id, ENTRY_ALONE_MS)
    }
    await this.#trail.again(stored.record)
    if (isFinal(stored.record.state)) this.#close(stored.record)
    else if (this.#unwanted.has(id)) await this.cancel(tenant, id, 'gateway')
    else await this.#drive(tenant, id, { event: { kind: 'recovered' } })
    this.#unwanted.delete(id)
  }

  async #reload(stored: StoredAction): Promise<StoredAction> {
    const { tenant, action_id } = stored.record.proposal
    const loaded = await this.#lookAt(tenant, action_id)
    if (loaded === undefined) throw new Error(`action ${action_id} is gone`)
    return loaded
  }

  /** Loads an action; what another process made of it is news here too. */
  async #lookAt(tenant: TenantId, id: ActionId, isNews = true): Promise<StoredAction | undefined> {
    const stored = await this.#deps.store.load(tenant, id)
    if (stored !== undefined && this.#known.get(id)?.revision !== stored.revision)
      this.#remember(stored, isNews)
    return stored
  }

  /** Tells portals and waiters, and sets the next alarm. */
  #remember(stored: StoredAction, isNews = true): void {
    if (!this.#known.note(stored)) return
    const { tenant, action_id: id } = stored.record.proposal
    this.#care.alarm(stored)
    this.#waiters.changed(id, stored)
    if (isNews) this.#care.background(this.#news.tell(stored), tenant, id)
  }

  /**
   * Only when its end is on record and told, and it is settled where it counts, so that a crash before
   * that is noticed.
   */
  #close(record: ActionRecord): void {
    const { tenant, action_id: id } = record.proposal
    const ended = Promise.all([this.#news.told(id), this.decider.settle(record)])
    const closed = ended.then(() => this.#deps.store.close(tenant, id))
    this.#care.background(closed, tenant, id)
  }
}
