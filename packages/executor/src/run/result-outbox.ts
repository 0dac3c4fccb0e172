import {
  type ActionId,
  type ExecutionResult,
  executionResultJson,
  executionResultShape,
  type JwsSigner,
  type JwsVerifier,
  type Outcome,
  RESULT_MAX_BYTES,
  RESULT_TYP,
  readShape,
  type Sha256,
  signJws,
  storedKey,
  subject,
  type TenantId,
  utf8Encode,
  verifyJws,
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
  /** The result keys of this profile's executors. */
  readonly keyFor: (kid: string) => JwsVerifier | undefined
  readonly sha256: Sha256
  readonly clock: Clock
  readonly logger: Logger
}

/** How a run ended, as this process saw it. */
export interface SeenEnd {
  readonly outcome: Outcome
  /** Nothing of it can be under way any more, as far as it matters. */
  readonly isOver: boolean
}

interface Letter {
  readonly tenant: TenantId
  readonly action_id: ActionId
  /** Absent for one that an earlier process wrote. */
  readonly end?: SeenEnd
  readonly bytes: Uint8Array
}

/** The revision under which a result was laid down; `before`: there is one already. */
type Laid = number | 'before' | 'nowhere'

export const DELIVERY_PAUSE_MIN_MS = 200
export const DELIVERY_PAUSE_MAX_MS = 10_000
/** A result that another executor laid down is left to it for so long, should it start again. */
const ANOTHERS_KEPT_MS = 86_400_000
/** Results kept in memory, for a gateway that asks again. */
export const RECENT_RESULTS_MAX = 1_000

/**
 * Signs results and delivers each until the stream has it: first laid down in `executions`, then
 * published, then taken out again, once its end is on record too. What a crash leaves there is delivered
 * at the next start, and recorded.
 */
export class ResultOutbox {
  readonly #deps: OutboxDeps
  readonly #recent = new Map<ActionId, Letter>()
  /** Results that an earlier process laid down, and perhaps did not record. */
  readonly #left = new Map<ActionId, ExecutionResult>()
  /** Told whether the end of an action is on record. */
  readonly #unrecorded = new Map<ActionId, (isRecorded: boolean) => void>()
  readonly #open = new Set<Promise<unknown>>()
  readonly #stopping: AbortController = stopController()

  constructor(deps: OutboxDeps) {
    this.#deps = deps
  }

  /** Resolves when the result is safe: in `executions` or in the stream. `recorded` has to follow. */
  async send(result: ExecutionResult, isOver: boolean): Promise<void> {
    const { kid, sign } = this.#deps
    const payload = executionResultJson(result)
    const bytes = utf8Encode(signJws({ typ: RESULT_TYP, kid, payload }, sign))
    const { tenant_id: tenant, action_id, outcome } = result
    const letter = { tenant, action_id, end: { outcome, isOver }, bytes }
    this.#remember(letter)
    const key = this.#keyOf(letter)
    const laid = this.#layDown(key, bytes)
    const delivered = this.#deliver(letter)
    this.#track(this.#clearUp(key, laid, [delivered, this.#untilRecorded(action_id)]))
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
  endOf(action: ActionId): SeenEnd | undefined {
    return this.#recent.get(action)?.end
  }

  /** The end of an action is on record; where it is not, its result stays for the next start. */
  recorded(action: ActionId, isRecorded: boolean): void {
    this.#unrecorded.get(action)?.(isRecorded)
    this.#unrecorded.delete(action)
  }

  /** Delivers what an earlier process left. Results of `own` actions wait for their record. */
  async recover(tenants: readonly TenantId[], own: ReadonlySet<ActionId>): Promise<void> {
    for (const tenant of tenants) {
      for (const record of await this.#deps.executions.list(tenant)) {
        const action = actionOf(record.key)
        if (action === undefined) continue
        const result = this.#readOwn(record.value, action)
        const delivered = this.#deliver({ tenant, action_id: action, bytes: record.value })
        const steps = [delivered]
        if (result !== undefined && own.has(action)) {
          this.#left.set(action, result)
          steps.push(this.#untilRecorded(action))
        } else if (this.#mayBeAnothers(result)) steps.push(Promise.resolve(false))
        this.#track(this.#clearUp(record.key, Promise.resolve(record.revision), steps))
      }
    }
  }

  /** What an earlier process laid down as this action's result. */
  leftOf(action: ActionId): ExecutionResult | undefined {
    return this.#left.get(action)
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

  /** Takes a result out of `executions` when each of `steps` was done. */
  async #clearUp(
    key: string,
    laid: Promise<Laid>,
    steps: readonly Promise<boolean>[],
  ): Promise<void> {
    const [place, done] = await Promise.all([laid, Promise.all(steps)])
    if (!done.includes(false)) await this.#takeOut(key, place)
  }

  /** Of two results of an action, as after two questions about it, the later one is waited for. */
  #untilRecorded(action: ActionId): Promise<boolean> {
    this.recorded(action, false)
    return new Promise((resolve) => {
      this.#unrecorded.set(action, resolve)
    })
  }

  /** Another executor of the profile, which shares the bucket, may have its end to record by it. */
  #mayBeAnothers(result: ExecutionResult | undefined): boolean {
    const now = this.#deps.clock.now()
    return result !== undefined && now - result.finished_at < ANOTHERS_KEPT_MS
  }

  /** One that an executor of this profile signed; another one is as if there were none. */
  #readOwn(bytes: Uint8Array, action: ActionId): ExecutionResult | undefined {
    const { keyFor } = this.#deps
    const verified = verifyJws(bytes, { typ: RESULT_TYP, maxBytes: RESULT_MAX_BYTES, keyFor })
    const read = verified.ok ? readShape(executionResultShape, verified.value.payload) : verified
    return read.ok && read.value.action_id === action ? read.value : undefined
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
