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
  type Logger,
} from '@trustgw/runtime'
import { type AdmissionDeps, clearAction, type RefusedGrant } from './admit/admission.ts'
import { type ClearedAction, openClearedAction } from './admit/check-approvals.ts'
import { type ClaimDeps, claimAction, HeldClaims } from './admit/claim-action.ts'
import { type AdmissionReason, RETRYABLE_REASONS, type Refused, refused } from './admit/reasons.ts'
import type { ResultOutbox } from './run/result-outbox.ts'
import type { Runner } from './run/runner.ts'
import type { WalRemains } from './run/wal.ts'

export interface ExecutorDeps {
  readonly profile: Profile
  readonly tenants: readonly TenantId[]
  readonly bus: Bus
  /** `tenants` is replaced by the tenant of the subject on which a message came. */
  readonly admission: Omit<AdmissionDeps, 'tenants'>
  readonly claiming: ClaimDeps
  readonly runner: Runner
  readonly outbox: ResultOutbox
  readonly auditOf: (tenant: TenantId) => AuditWriter | undefined
  readonly remains: WalRemains
  readonly max_running: number
  readonly logger: Logger
}

/** Admissions that run at once on one subject; further ones wait. */
export const ADMIT_CONCURRENCY = 32
/** Before a claim that may be ours is tried again. */
const CARRY_PAUSE_MS = 300
const MS_PER_S = 1_000
/** Refusals that wait to be recorded; beyond, they are only logged. */
export const REFUSALS_RECORDED_MAX = 256

/** One executor process: takes granted actions, admits each at most once, runs it, tells its end. */
export class Executor {
  readonly #deps: ExecutorDeps
  readonly #held: HeldClaims
  readonly #claiming = new Map<ActionId, Promise<Refused | undefined>>()
  readonly #running = new Map<ActionId, Promise<void>>()
  readonly #stopping = new AbortController()
  #subscriptions: readonly BusSubscription[] = []
  #refusalsPending = 0

  constructor(deps: ExecutorDeps) {
    this.#deps = deps
    this.#held = new HeldClaims(deps.remains.held)
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
  }

  /** Takes no more, waits for what runs (at most `graceMs`). */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()))
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
    const cleared = await clearAction(bytes, { ...this.#deps.admission, tenants: [tenant] })
    if (!cleared.ok) return this.#refuse(tenant, cleared)
    const { action_id, token } = cleared.value
    if (this.#running.has(action_id) || this.#deps.outbox.repeat(action_id)) {
      this.#record(tenant, refused('grant_used', 'redelivered'), action_id)
      return { status: 'claimed' }
    }
    const underWay = this.#claiming.get(action_id)
    const claim = underWay ?? this.#claimAndRun(action_id, token)
    const problem = await claim
    if (problem === undefined) return { status: 'claimed' }
    const answer = this.#refuse(tenant, problem, action_id)
    if (await this.#isClaimed(problem, tenant, action_id)) return { status: 'claimed' }
    const isHalf = problem.reason === 'grant_used' && (await this.#isHalfClaimed(tenant, token))
    return isHalf ? { status: 'refused', reason: problem.reason, retryable: true } : answer
  }

  /**
   * The nonce is used for this very action, and nothing is in the journal: somebody died between the two
   * claims, or another executor is there now. The next grant finds it out; this one lapses.
   */
  async #isHalfClaimed(tenant: TenantId, token: ClearedAction): Promise<boolean> {
    const { nonces, sha256 } = this.#deps.claiming
    const { jti, action_id } = openClearedAction(token).claims
    try {
      return (await nonces.read(`${tenant}.${storedKey(sha256, jti)}`))?.note === action_id
    } catch (error) {
      if (error instanceof BusFault) return true
      throw error
    }
  }

  /** Whether the action is another claim's, whose result will come: then it is not refused. */
  async #isClaimed(problem: Refused, tenant: TenantId, action: ActionId): Promise<boolean> {
    if (problem.reason === 'action_claimed') return true
    if (problem.reason !== 'grant_used') return false
    const { journal, sha256 } = this.#deps.claiming
    try {
      return (await journal.read(`${tenant}.${storedKey(sha256, action)}`)) !== undefined
    } catch (error) {
      if (error instanceof BusFault) return true
      throw error
    }
  }

  #claimAndRun(action: ActionId, token: ClearedAction): Promise<Refused | undefined> {
    const work = this.#claim(action, token).finally(() => this.#claiming.delete(action))
    this.#claiming.set(action, work)
    return work
  }

  async #claim(action: ActionId, token: ClearedAction): Promise<Refused | undefined> {
    const admitted = await claimAction(token, this.#deps.claiming, this.#held)
    if (!admitted.ok) {
      const { exp } = openClearedAction(token).claims
      if (this.#held.get(action) !== undefined) void this.#carryThrough(action, token, exp)
      return admitted
    }
    this.#track(action, this.#deps.runner.run(admitted.value))
    return undefined
  }

  /**
   * What is claimed here no other executor can take up, and the grant may come to another one next time:
   * so the claim is tried again here while the grant lasts. `exp` is in Unix seconds.
   */
  async #carryThrough(action: ActionId, token: ClearedAction, exp: number): Promise<void> {
    const { clock } = this.#deps.claiming
    const { signal } = this.#stopping
    await clock.sleep(CARRY_PAUSE_MS, signal).catch(() => undefined)
    const isUnderWay = this.#claiming.has(action) || this.#held.get(action) === undefined
    if (signal.aborted || isUnderWay || clock.now() >= exp * MS_PER_S) return
    await this.#claimAndRun(action, token).catch((error: unknown) => {
      const name = error instanceof Error ? error.name : 'unknown'
      this.#deps.logger.error('claim_failed', { action_id: action, error: name })
    })
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

  #refuse(tenant: TenantId, refusal: RefusedGrant, action?: ActionId): InvokeAnswer {
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

function answerOf(refusal: Refused): InvokeAnswer {
  const retryable = isRetryable(refusal.reason)
  return { status: 'refused', reason: refusal.reason, retryable }
}

function isRetryable(reason: AdmissionReason): boolean {
  return RETRYABLE_REASONS.includes(reason)
}
