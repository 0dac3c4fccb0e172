import {
  type ActionId,
  type ExecutionResult,
  executionResultJson,
  type JwsSigner,
  type Outcome,
  RESULT_TYP,
  type Sha256,
  signJws,
  storedKey,
  subject,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import {
  BusFault,
  type Clock,
  type Logger,
  type RecordStore,
  type StoredPublisher,
  stopController,
} from '@trustgw/runtime'
import { actionOf } from './stored-action.ts'

export interface OutboxDeps {
  /** Stream RESULTS. */
  readonly results: StoredPublisher
  /** Bucket `executions` of the profile: results that are not known to be stored yet. */
  readonly executions: RecordStore
  readonly kid: string
  readonly sign: JwsSigner
  readonly sha256: Sha256
  readonly clock: Clock
  readonly logger: Logger
}

interface Letter {
  readonly tenant: TenantId
  readonly action_id: ActionId
  /** Absent for one that an earlier process wrote. */
  readonly outcome?: Outcome
  readonly bytes: Uint8Array
}

/** The revision under which a result was laid down; `before`: there is one already. */
type Laid = number | 'before' | 'nowhere'

export const DELIVERY_PAUSE_MIN_MS = 200
export const DELIVERY_PAUSE_MAX_MS = 10_000
/** Results kept in memory, for a gateway that asks again. */
export const RECENT_RESULTS_MAX = 1_000

/**
 * Signs results and delivers each until the stream has it: first laid down in `executions`, then
 * published, then taken out again. What a crash leaves there is delivered at the next start.
 */
export class ResultOutbox {
  readonly #deps: OutboxDeps
  readonly #recent = new Map<ActionId, Letter>()
  readonly #open = new Set<Promise<unknown>>()
  readonly #stopping: AbortController = stopController()

  constructor(deps: OutboxDeps) {
    this.#deps = deps
  }

  /** Resolves when the result is safe: in `executions` or in the stream. */
  async send(result: ExecutionResult): Promise<void> {
    const { kid, sign } = this.#deps
    const payload = executionResultJson(result)
    const bytes = utf8Encode(signJws({ typ: RESULT_TYP, kid, payload }, sign))
    const { tenant_id: tenant, action_id, outcome } = result
    const letter = { tenant, action_id, outcome, bytes }
    this.#remember(letter)
    const key = this.#keyOf(letter)
    const laid = this.#layDown(key, bytes)
    const delivered = this.#deliver(letter)
    this.#track(this.#clearUp(key, laid, delivered))
    const safe = laid.then((place) => place !== 'nowhere')
    if (!(await Promise.race([safe, delivered]))) await delivered
  }

  /** Publishes a finished action's result once more. False when it is not known here. */
  repeat(action: ActionId): boolean {
    const letter = this.#recent.get(action)
    if (letter === undefined) return false
    this.#track(this.#deliver(letter))
    return true
  }

  /** How an action ended that ran in this process lately. */
  outcomeOf(action: ActionId): Outcome | undefined {
    return this.#recent.get(action)?.outcome
  }

  /** Delivers what an earlier process left; answers the keys of its actions. */
  async recover(tenants: readonly TenantId[]): Promise<ReadonlySet<string>> {
    const keys = new Set<string>()
    for (const tenant of tenants) {
      for (const record of await this.#deps.executions.list(tenant)) {
        keys.add(record.key)
        const action = actionOf(record.key)
        if (action === undefined) continue
        const letter = { tenant, action_id: action, bytes: record.value }
        const laid = Promise.resolve(record.revision)
        this.#track(this.#clearUp(record.key, laid, this.#deliver(letter)))
      }
    }
    return keys
  }

  keyOfAction(tenant: TenantId, action: ActionId): string {
    return this.#keyOf({ tenant, action_id: action })
  }

  /** Waits for deliveries under way, at most so long; the rest is in `executions`. */
  async close(graceMs: number): Promise<void> {
    const rest = Promise.allSettled(this.#open)
    const cancel = this.#deps.clock.setTimer(graceMs, () => this.#stopping.abort())
    await rest
    cancel()
  }

  #track(work: Promise<unknown>): void {
    const tracked = work
      .catch(() => this.#deps.logger.warn('result_delivery_failed'))
      .finally(() => this.#open.delete(tracked))
    this.#open.add(tracked)
  }

  /** Takes a result out of `executions` when it is delivered. */
  async #clearUp(key: string, laid: Promise<Laid>, delivered: Promise<boolean>): Promise<void> {
    const [place, done] = await Promise.all([laid, delivered])
    if (done) await this.#takeOut(key, place)
  }

  #keyOf(letter: Pick<Letter, 'tenant' | 'action_id'>): string {
    return `${letter.tenant}.${storedKey(this.#deps.sha256, letter.action_id)}`
  }

  async #layDown(key: string, bytes: Uint8Array): Promise<Laid> {
    try {
      const created = await this.#deps.executions.create(key, bytes)
      return created.ok ? created.revision : 'before'
    } catch (error) {
      if (!(error instanceof BusFault)) throw error
      this.#deps.logger.warn('result_not_laid_down', { code: error.code })
      return 'nowhere'
    }
  }

  async #takeOut(key: string, place: Laid): Promise<void> {
    const { executions } = this.#deps
    if (typeof place === 'number' && (await executions.remove(key, place)).ok) return
    const record = await executions.get(key)
    if (record !== undefined) await executions.remove(key, record.revision)
  }

  /** False when this process stops before the stream had it. */
  async #deliver(letter: Letter): Promise<boolean> {
    const { results, clock, sha256, logger } = this.#deps
    const target = subject('exec_result_local', { tenant: letter.tenant, action: letter.action_id })
    const msgId = `result-${sha256(letter.bytes)}`
    let pause = DELIVERY_PAUSE_MIN_MS
    while (!this.#stopping.signal.aborted) {
      try {
        await results.publishStored(target, letter.bytes, { msgId })
        return true
      } catch (error) {
        if (!(error instanceof BusFault)) throw error
        logger.warn('result_not_stored', { code: error.code, action_id: letter.action_id })
      }
      await clock.sleep(pause, this.#stopping.signal).catch(() => undefined)
      pause = Math.min(pause * 2, DELIVERY_PAUSE_MAX_MS)
    }
    return false
  }

  #remember(letter: Letter): void {
    this.#recent.set(letter.action_id, letter)
    if (this.#recent.size <= RECENT_RESULTS_MAX) return
    const oldest = this.#recent.keys().next()
    if (oldest.done !== true) this.#recent.delete(oldest.value)
  }
}
