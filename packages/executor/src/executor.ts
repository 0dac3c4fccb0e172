import {
  type ActionId,
  canonicalize,
  type InvokeAnswer,
  type Profile,
  storedKey,
  subject,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import {
  type AuditWriter,
  type Bus,
  BusFault,
  type BusSubscription,
  FileFault,
  type Logger,
  stopController,
} from '@trustgw/runtime'
import {
  type AdmissionDeps,
  type Cleared,
  clearAction,
  type RefusedGrant,
} from './admit/admission.ts'
import { type ClearedAction, openClearedAction } from './admit/check-approvals.ts'
import { checkPrecondition, type PreconditionDeps } from './admit/check-precondition.ts'
import { type ClaimDeps, claimAction, HeldClaims } from './admit/claim-action.ts'
import { type AdmissionReason, RETRYABLE_REASONS, type Refused, refused } from './admit/reasons.ts'
import { refuseUnmet } from './admit/refuse-unmet.ts'
import { ClaimDesk, type Known } from './run/claim-desk.ts'
import { isNeverRun, readNote } from './run/journal-note.ts'
import type { ResultOutbox } from './run/result-outbox.ts'
import type { Runner } from './run/runner.ts'
import type { Passage, ToolGate } from './run/tool-gate.ts'
import type { WalRemains } from './run/wal.ts'

export interface ExecutorDeps {
  readonly profile: Profile
  readonly tenants: readonly TenantId[]
  readonly bus: Bus
  /** `tenants` is replaced by the tenant of the subject on which a message came. */
  readonly admission: Omit<AdmissionDeps, 'tenants'>
  /** `gate` is this executor's. */
  readonly reading: Omit<PreconditionDeps, 'gate'>
  readonly claiming: ClaimDeps
  readonly runner: Runner
  readonly outbox: ResultOutbox
  readonly auditOf: (tenant: TenantId) => AuditWriter | undefined
  readonly remains: WalRemains
  readonly max_running: number
  readonly gate: ToolGate
  /** The longest that a call of this tool may take. */
  readonly longestRunMs: (tool: string) => number
  readonly logger: Logger
}

/** Admissions that run at once on one subject; further ones wait. */
export const ADMIT_CONCURRENCY = 32
/** Before a claim that may be ours is tried again. */
const CARRY_PAUSE_MS = 300
const MS_PER_S = 1_000
/** Refusals that wait to be recorded; beyond, they are only logged. */
export const REFUSALS_RECORDED_MAX = 256

/** Nothing was claimed, and it comes again soon: the tool, or the read before it, cannot be used now. */
const TURNED_AWAY: readonly AdmissionReason[] = [
  'tool_busy',
  'tool_unavailable',
  'precondition_unreadable',
]

/** A granted action as it came. */
interface Delivery {
  /** Of the subject. */
  readonly tenant: TenantId
  readonly bytes: Uint8Array
}

/** One executor process: takes granted actions, admits each at most once, runs it, tells its end. */
export class Executor {
  readonly #deps: ExecutorDeps
  readonly #held: HeldClaims
  readonly #claiming = new Map<ActionId, Promise<Refused | undefined>>()
  /** Whose claims are about to be tried again. */
  readonly #carried = new Set<ActionId>()
  readonly #running = new Map<ActionId, Promise<void>>()
  readonly #stopping: AbortController = stopController()
  readonly #desk: ClaimDesk
  #subscriptions: readonly BusSubscription[] = []
  #refusalsPending = 0

  constructor(deps: ExecutorDeps) {
    this.#deps = deps
    this.#held = new HeldClaims(deps.remains.held)
    const { journal, clock, random, sha256 } = deps.claiming
    this.#desk = new ClaimDesk({
      ...deps,
      ...{ journal, clock, random, sha256 },
      known: (action) => this.#known(action),
      giveUp: (action) => this.#giveUp(action),
    })
    for (const entry of deps.remains.entered) {
      this.#track(entry.action_id, deps.runner.recover(entry, this.#stopping.signal))
    }
  }

  /** Begins to take actions. */
  listen(): void {
    const { profile, tenants, bus } = this.#deps
    this.#subscriptions = tenants.map((tenant) =>
      bus.respond(
        subject('exec_invoke', { tenant, profile }),
        { queue: profile, concurrency: ADMIT_CONCURRENCY },
        async (request) =>
          utf8Encode(canonicalize({ ...(await this.invoke(tenant, request.data)) })),
      ),
    )
    this.#desk.listen()
  }

  /** Takes no more, waits for what runs (at most `graceMs`). */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort()
    await Promise.all([...this.#subscriptions.map((one) => one.stop()), this.#desk.stop()])
    const running = Promise.allSettled(this.#running.values())
    const { clock } = this.#deps.admission
    const timer = new AbortController()
    await Promise.race([running, clock.sleep(graceMs, timer.signal).catch(() => undefined)])
    timer.abort()
  }

  /** Waits for everything that still runs, once the connectors are stopped. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values())
  }

  /**
   * Answers one granted action: `claimed` also for one that was claimed before, here or by another
   * executor: its tool is not entered again, the audit says why, and its result is published once
   * more when this process has it.
   */
  async invoke(tenant: TenantId, bytes: Uint8Array): Promise<InvokeAnswer> {
    if (this.#stopping.signal.aborted) return answerOf(refused('executor_stopping'))
    if (this.#running.size + this.#claiming.size >= this.#deps.max_running) {
      return answerOf(refused('executor_busy'))
    }
    const delivery = { tenant, bytes }
    const cleared = await this.#clear(delivery)
    if (!cleared.ok) return await this.#notCleared(tenant, cleared)
    const { action_id } = cleared.value
    if (this.#running.has(action_id) || this.#deps.outbox.repeat(action_id)) {
      this.#record(tenant, refused('grant_used', 'redelivered'), action_id)
      return { status: 'claimed' }
    }
    const underWay = this.#claiming.get(action_id)
    const entrance = underWay ?? this.#enter(cleared.value, delivery)
    const problem = await entrance
    if (problem === undefined) return { status: 'claimed' }
    // It comes again in a moment, perhaps many times: no event for each.
    if (TURNED_AWAY.includes(problem.reason)) return answerOf(problem)
    return await this.#notEntered(tenant, cleared.value, problem)
  }

  #clear({ tenant, bytes }: Delivery): ReturnType<typeof clearAction> {
    return clearAction(bytes, { ...this.#deps.admission, tenants: [tenant] })
  }

  /**
   * Who is refused for good takes the action as one that never ran. An earlier delivery may have claimed
   * it since, and what held then may not hold any more: so the claim has the last word.
   */
  async #notCleared(tenant: TenantId, refusal: RefusedGrant): Promise<InvokeAnswer> {
    const answer = this.#refuse(tenant, refusal)
    const { claims } = refusal
    if (answer.retryable || claims?.tenant_id !== tenant) return answer
    const { action_id: action } = claims
    if (this.#running.has(action) || this.#deps.outbox.repeat(action)) return { status: 'claimed' }
    const isOpen = this.#claiming.has(action) || this.#held.get(action) !== undefined
    const claimed = isOpen ? 'unread' : await this.#journalSays(tenant, action)
    if (claimed === 'run') return { status: 'claimed' }
    return claimed === 'unread' ? { ...answer, retryable: true } : answer
  }

  /** What a grant is told that entered nothing: another claim on its action may run it. */
  async #notEntered(
    tenant: TenantId,
    { action_id, token }: Cleared,
    problem: Refused,
  ): Promise<InvokeAnswer> {
    const answer = this.#refuse(tenant, problem, action_id)
    const claimed = await this.#claimedFor(problem, tenant, action_id)
    if (claimed === 'run') return { status: 'claimed' }
    if (problem.reason !== 'grant_used' || claimed === 'never') return answer
    return (await this.#isUnderWay(token)) ? { ...answer, retryable: true } : answer
  }

  #known(action: ActionId): Known {
    if (this.#running.has(action) || this.#claiming.has(action)) return 'running'
    if (this.#held.get(action) !== undefined) return 'held'
    const end = this.#deps.outbox.endOf(action)
    if (end?.outcome === 'unknown_outcome') return end.isOver ? 'ended_unseen' : 'nothing'
    return end !== undefined && this.#deps.outbox.repeat(action) ? 'told' : 'nothing'
  }

  /** Nothing is entered any more under a claim that was held; undefined when it cannot be given up now. */
  async #giveUp(action: ActionId): Promise<string | undefined> {
    const entry = this.#held.get(action)
    if (entry === undefined || this.#claiming.has(action)) return undefined
    this.#held.drop(action)
    try {
      await this.#deps.claiming.wal.ended(action)
      return entry.attempt
    } catch (error) {
      if (!(error instanceof FileFault)) throw error
      this.#held.put(entry)
      return undefined
    }
  }

  /** What another claim on the action is for; one that runs it has a result coming. */
  async #claimedFor(
    problem: Refused,
    tenant: TenantId,
    action: ActionId,
  ): Promise<'run' | 'never' | 'nothing'> {
    if (problem.reason === 'action_claimed') return 'run'
    if (problem.reason !== 'grant_used') return 'nothing'
    const said = await this.#journalSays(tenant, action)
    return said === 'unread' ? 'run' : said
  }

  async #journalSays(
    tenant: TenantId,
    action: ActionId,
  ): Promise<'run' | 'never' | 'nothing' | 'unread'> {
    const { journal, sha256 } = this.#deps.claiming
    try {
      const entry = await journal.read(`${tenant}.${storedKey(sha256, action)}`)
      if (entry === undefined) return 'nothing'
      return isNeverRun(readNote(entry.note)) ? 'never' : 'run'
    } catch (error) {
      if (error instanceof BusFault) return 'unread'
      throw error
    }
  }

  /** Whether the nonce was used for this very action, which somebody may be about to claim. */
  async #isUnderWay(token: ClearedAction): Promise<boolean> {
    const { nonces, sha256 } = this.#deps.claiming
    const { tenant_id, jti, action_id } = openClearedAction(token).claims
    try {
      const entry = await nonces.read(`${tenant_id}.${storedKey(sha256, jti)}`)
      return entry?.note === action_id
    } catch (error) {
      if (error instanceof BusFault) return true
      throw error
    }
  }

  /** Before anything is claimed: whoever is turned away may come again. */
  async #enter(cleared: Cleared, delivery: Delivery): Promise<Refused | undefined> {
    const { action_id: action, tool } = cleared
    const entrance = this.#deps.gate.enter(tool)
    if (!entrance.ok) {
      if (this.#held.get(action) !== undefined) void this.#carryThrough(cleared, delivery)
      return refused(entrance.reason)
    }
    const work = this.#claim(cleared, entrance.leave).finally(() => this.#claiming.delete(action))
    this.#claiming.set(action, work)
    const problem = await work
    if (this.#held.get(action) !== undefined) void this.#carryThrough(cleared, delivery)
    return problem
  }

  async #claim(cleared: Cleared, leave: (passage: Passage) => void): Promise<Refused | undefined> {
    const { action_id: action, token } = cleared
    const leaveUnentered = (error: unknown): never => {
      leave('not_entered')
      throw error
    }
    const { reading, claiming, gate } = this.#deps
    const admitted = await checkPrecondition(token, { ...reading, gate })
      .then((standing) =>
        standing.ok
          ? claimAction(standing.value, claiming, this.#held)
          : refuseUnmet(token, standing, { deps: claiming, held: this.#held }),
      )
      .catch(leaveUnentered)
    if (!admitted.ok) {
      leave('not_entered')
      return admitted
    }
    this.#track(action, this.#deps.runner.run(admitted.value).then(leave, leaveUnentered))
    return undefined
  }

  /**
   * What is claimed here no other executor can take up, and the grant may come to another one next time:
   * so the claim is tried again here while the grant lasts, as if the grant came again: what was said
   * against it meanwhile holds.
   */
  async #carryThrough(before: Cleared, delivery: Delivery): Promise<void> {
    const { clock } = this.#deps.claiming
    const { action_id: action, token } = before
    const { signal } = this.#stopping
    if (this.#carried.has(action)) return
    this.#carried.add(action)
    await clock.sleep(CARRY_PAUSE_MS, signal).catch(() => undefined)
    this.#carried.delete(action)
    const lapsed = clock.now() >= openClearedAction(token).claims.exp * MS_PER_S
    if (this.#isSettled(action) || lapsed) return
    try {
      const cleared = await this.#clear(delivery)
      if (this.#isSettled(action)) return
      if (cleared.ok) await this.#enter(cleared.value, delivery)
      else if (isRetryable(cleared.reason)) void this.#carryThrough(before, delivery)
    } catch (error) {
      const name = error instanceof Error ? error.name : 'unknown'
      this.#deps.logger.error('claim_failed', { action_id: action, error: name })
    }
  }

  /** Nothing is held of it, or somebody tries already. */
  #isSettled(action: ActionId): boolean {
    const isHeld = this.#held.get(action) !== undefined
    return this.#stopping.signal.aborted || this.#claiming.has(action) || !isHeld
  }

  #track(action: ActionId, work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        const name = error instanceof Error ? error.name : 'unknown'
        this.#deps.logger.error('run_failed', { action_id: action, error: name })
      })
      .finally(() => this.#running.delete(action))
    this.#running.set(action, tracked)
  }

  #refuse(tenant: TenantId, refusal: RefusedGrant, action?: ActionId): RefusedAnswer {
    this.#record(tenant, refusal, action ?? refusal.claims?.action_id)
    return answerOf(refusal)
  }

  /** In the background: a refusal needs no permission, and a flood of them must not fill the memory. */
  #record(tenant: TenantId, refusal: Refused, action: ActionId | undefined): void {
    const { logger, auditOf, profile } = this.#deps
    const { reason, detail } = refusal
    logger.warn('admission_refused', { reason, detail, action_id: action })
    const audit = auditOf(tenant)
    if (audit === undefined || this.#refusalsPending >= REFUSALS_RECORDED_MAX) return
    this.#refusalsPending += 1
    void audit
      .append('admission_refused', {
        actor: { kind: 'system', id: `exec-${profile}` },
        ...(action === undefined ? {} : { action_id: action }),
        payload: { reason, detail: detail ?? null },
      })
      .catch(() => logger.warn('refusal_not_recorded', { reason }))
      .finally(() => {
        this.#refusalsPending -= 1
      })
  }
}

type RefusedAnswer = InvokeAnswer & { readonly status: 'refused' }

function answerOf(refusal: Refused): RefusedAnswer {
  const retryable = isRetryable(refusal.reason)
  return { status: 'refused', reason: refusal.reason, retryable }
}

function isRetryable(reason: AdmissionReason): boolean {
  return RETRYABLE_REASONS.includes(reason)
}
