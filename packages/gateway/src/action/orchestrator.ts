import { type ActionEffect as Effect, isFinal } from '@trustgw/core'
import {
  type ActionId,
  type ExecutionResult,
  type Proposal,
  type TenantId,
} from '@trustgw/protocol'
import { Unsettled } from '../approvals/unsettled.ts'
import { Verdicts } from '../approvals/verdicts.ts'
import type { Decided } from '../decide/decided.ts'
import { Decider } from '../decide/decider.ts'
import { takeResult } from '../results/take-result.ts'
import type { ActionRecord } from './action-record.ts'
import { type Recalled, recalled, type StoredAction } from './action-store.ts'
import { AuditTrail } from './audit-trail.ts'
import { Caretaker } from './caretaker.ts'
import { Effects, type ToExecutor } from './effects.ts'
import { ExecutorTalk } from './executor-talk.ts'
import { KnownActions } from './known-actions.ts'
import { Locks } from './locks.ts'
import { MissingActions } from './missing-actions.ts'
import { News } from './news.ts'
import { opening, recorded } from './opening.ts'
import type { OrchestratorDeps } from './orchestrator-deps.ts'
import { type Planned, type Progress, recoveredFrom, type Work } from './planned.ts'
import { Preparation } from './preparation.ts'
import { Review } from './review.ts'
import { makeSuccessor } from './succession.ts'
import { takePlanned } from './take-step.ts'
import { Waiters } from './waiters.ts'

/** Steps that one event may lead to before it is taken as a defect. */
const TURNS_MAX = 64

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
  /** What this process saw of actions. */
  readonly known: KnownActions = new KnownActions()
  /** Perhaps stored, and its proposer was told that it was not. */
  readonly #unwanted = new Set<ActionId>()
  readonly #missing = new MissingActions()
  readonly #waiters: Waiters
  readonly #news: News
  readonly #trail: AuditTrail
  readonly #review: Review
  readonly #care: Caretaker
  readonly #talk: ExecutorTalk
  readonly #unsettled: Unsettled
  readonly #effects: Effects
  readonly #preparation: Preparation
  /** What people say of actions. */
  readonly verdicts: Verdicts

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
      // Only from the state that it was held in: another gateway that held it too may be further.
      resume: async (tenant, id) => {
        const known = this.#recall(tenant, id)
        return known && (await this.#carryOn(known))
      },
      takeUp: (tenant, id) => this.#takeUp(tenant, id),
    })
    this.#talk = new ExecutorTalk({
      ...deps,
      invoke: (record) => deps.outbound.invoke(record),
      onWaiting: ({ proposal }) => this.known.waits(proposal),
      state: (id) => this.known.state(id),
      stopping: this.#care.signal,
    })
    this.#unsettled = new Unsettled(deps)
    this.#effects = new Effects({
      ...deps,
      trail: this.#trail,
      review: this.#review,
      known: this.known,
      stopping: () => this.#care.stopping,
      unsettled: this.#unsettled,
      toExecutor: (what, stored) => {
        this.#follow(stored, this.#toExecutor(what, stored))
      },
      hold: (stored, deadline) => this.#care.hold(stored, deadline),
      prepare: (stored) => this.#follow(stored, this.#preparation.run(stored)),
    })
    this.#preparation = new Preparation({
      ...deps,
      trail: this.#trail,
      decider: this.decider,
      stopping: () => this.#care.stopping,
      current: (tenant, id) => this.current(tenant, id),
      accept: (proposal, decided, of) => this.accept(proposal, decided, of),
      latest: (stored) => this.latest(stored),
      next: (tenant, id, wait) => this.next(tenant, id, wait),
    })
    this.verdicts = new Verdicts({
      ...deps,
      load: (tenant, id) => deps.store.load(tenant, id),
      drive: (tenant, id, planned) => this.#drive(tenant, id, planned),
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
      const ids = (await this.#deps.store.listOpen(tenant)).flatMap((text) => read(text) ?? [])
      await this.#care.takeUpAll(tenant, ids, async (id) => {
        const stored = await this.#lookAt(tenant, id)
        return stored !== undefined && this.known.isOwn(stored) ? 'in_hand' : 'open'
      })
      count += ids.length
    }
    return count
  }

  /** Another gateway may have changed it; what waits for people is known at each. */
  heard(tenant: TenantId, id: ActionId, news: { revision: number; state: string }): void {
    const known = this.known.get(id)
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
    const known = this.known.get(stored.record.proposal.action_id)
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

  /**
   * Accepts a proposal: its decision is recorded, then the action is stored, then carried on.
   * Undefined when the action is there already (the same id, from an earlier try). Throws only
   * while nothing is stored: what is stored is accepted, and taken up again when it fails.
   */
  async accept(
    proposal: Proposal,
    decided: Decided,
    of: { readonly tool: ActionRecord['tool']; readonly reads_for: ActionId | null },
  ): Promise<StoredAction | undefined> {
    const { tenant, action_id: id } = proposal
    const parts = { trail: this.#trail, decider: this.decider, review: this.#review }
    const record = await recorded(proposal, decided, { ...this.#deps, ...parts, ...of })
    const opened = opening(record, { ...this.#deps, ...parts })
    return this.#locks.run(id, async () => {
      const created = await this.#create(opened.record)
      if (created === undefined) {
        await this.decider.giveBack(decided.counted)
        this.#care.later(tenant, id) // Its entry may be ours, and it may have ended.
        return undefined
      }
      this.known.noteOwn(created)
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

  /** Tools, agents or freezes are others: what is held is looked at again, what is void ends. */
  lookAgain(): void {
    this.#care.thaw()
    for (const { record } of this.known.stoppable()) {
      const { tenant, action_id: id } = record.proposal
      const planned = this.#review.voided(record)
      if (planned !== undefined) this.#care.background(this.#drive(tenant, id, planned), tenant, id)
    }
  }

  cancel(tenant: TenantId, id: ActionId, by: string): Promise<StoredAction | undefined> {
    return this.#drive(tenant, id, { event: { kind: 'cancel_requested', by } })
  }

  /** A result whose signature and profile were checked. Stored when this resolves. */
  resulted(result: ExecutionResult): Promise<void> {
    return takeResult(result, {
      ...this.#deps,
      known: (tenant, id) => this.#recall(tenant, id),
      drive: (tenant, id, planned) => this.#drive(tenant, id, planned),
    })
  }

  /** What this process last saw of an action; another one may have changed it since. */
  #recall(tenant: TenantId, id: ActionId): StoredAction | undefined {
    const known = this.known.get(id)
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
      this.known.noteOwn(replaced)
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

  /** Gives an action what comes of work on it that nobody awaits. */
  #follow({ record }: StoredAction, work: Promise<Planned | undefined>): void {
    const { tenant, action_id: id } = record.proposal
    const driven = work.then((planned) =>
      planned === undefined ? undefined : this.#drive(tenant, id, planned),
    )
    this.#care.background(driven, tenant, id)
  }

  async #toExecutor(what: ToExecutor, stored: StoredAction): Promise<Planned | undefined> {
    const event = await this.#talk.ask(what, stored)
    return event === undefined ? undefined : { event }
  }

  async #create(record: ActionRecord): Promise<StoredAction | undefined> {
    const { tenant, action_id: id, client_key } = record.proposal
    try {
      return await this.#deps.store.create(record)
    } catch (error) {
      // It may be stored all the same, and the proposer is told that nothing was accepted: with a
      // key the repeat finds the action, without one nothing may come of it.
      if (client_key === null && record.reads_for === null) this.#unwanted.add(id)
      this.#care.later(tenant, id)
      throw error
    }
  }

  async #takeUp(tenant: TenantId, id: ActionId): Promise<void> {
    const stored = await this.#lookAt(tenant, id)
    if (stored === undefined) return await this.#missed(tenant, id)
    this.#missing.found(id)
    await this.#trail.again(stored.record)
    if (isFinal(stored.record.state)) this.#close(stored.record)
    else if (this.#unwanted.has(id)) await this.cancel(tenant, id, 'gateway')
    else if (!(await this.#carryOn(stored))) this.#care.later(tenant, id)
    this.#unwanted.delete(id)
  }

  async #missed(tenant: TenantId, id: ActionId): Promise<void> {
    if (this.#missing.isGivenUp(id)) await this.#deps.store.close(tenant, id)
    else this.#care.later(tenant, id)
  }

  /** False when it is in another state by now, which may not be on record yet. */
  async #carryOn({ record }: StoredAction): Promise<boolean> {
    const { tenant, action_id: id } = record.proposal
    const { planned, isMet } = recoveredFrom(record)
    await this.#drive(tenant, id, planned)
    return isMet()
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
    if (stored !== undefined && this.known.get(id)?.revision !== stored.revision)
      this.#remember(stored, isNews)
    return stored
  }

  /** Tells portals and waiters, and sets the next alarm. */
  #remember(stored: StoredAction, isNews = true): void {
    if (!this.known.note(stored)) return
    const { tenant, action_id: id } = stored.record.proposal
    this.#care.alarm(stored)
    this.#waiters.changed(id, stored)
    if (isNews) this.#care.background(this.#news.tell(stored), tenant, id)
  }

  async #succeed(stale: ActionRecord): Promise<void> {
    const { superseded_by: id, proposal } = stale
    if (id === null) return
    const created = await makeSuccessor(stale, { ...this.#deps, trail: this.#trail })
    if (created === undefined) return this.#care.later(proposal.tenant, id) // As in `accept`.
    this.known.noteOwn(created)
    this.#remember(created)
    this.#care.background(this.#takeUp(proposal.tenant, id), proposal.tenant, id)
  }

  /**
   * Only when its end is on record and told, and it is settled where it counts, so that a crash before
   * that is noticed.
   */
  #close(record: ActionRecord): void {
    const { tenant, action_id: id } = record.proposal
    const ended = Promise.all([
      this.#news.told(id),
      this.decider.settle(record),
      ...(record.state.kind.startsWith('reconciled') ? [this.#unsettled.settled(record)] : []),
    ])
    // What a stale one took is given back by then: it and its successor are not counted together.
    const closed = ended
      .then(() => this.#succeed(record))
      .then(() => this.#deps.store.close(tenant, id))
    this.#care.background(closed, tenant, id)
  }
}
