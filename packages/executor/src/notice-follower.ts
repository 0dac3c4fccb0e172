import type { TenantId } from '@trustgw/protocol'
import { type Clock, LiveCopy, type Logger, Paced, type RecordStore } from '@trustgw/runtime'

interface NoticeFollowerDeps {
  readonly records: RecordStore
  /** Of the bucket, in the log. */
  readonly name: string
  readonly clock: Clock
  readonly logger: Logger
  /** Between two looks at what waits for something else. */
  readonly retryMs: number
  /** Looks at all that lies there; whether some of it has to be looked at again. */
  readonly read: () => Promise<boolean>
  /** A refusal, and how many there were of it. */
  readonly tellRefused: (tenant: TenantId, reason: string, count: number) => void
}

/**
 * Follows a bucket of signed notices of which some wait for others: one reading at a time, at each change
 * and again later while something waits. Refusals are told no more often than `Paced` lets them.
 */
export class NoticeFollower {
  readonly #deps: NoticeFollowerDeps
  readonly #copy: LiveCopy
  readonly #refusals: Paced<{ readonly tenant: TenantId; readonly reason: string }>
  #cancelRetry: (() => void) | undefined
  #isStopped = false
  #lane: Promise<void> = Promise.resolve()

  constructor(deps: NoticeFollowerDeps) {
    const { records, name, clock, logger, tellRefused } = deps
    this.#deps = deps
    this.#refusals = new Paced({
      clock,
      tell: ({ tenant, reason }, count) => tellRefused(tenant, reason, count),
    })
    this.#copy = new LiveCopy({
      store: records,
      clock,
      log: logger,
      name,
      reload: () => this.#readAll(),
      reloadAll: () => this.#readAll(),
    })
  }

  /** Takes up what the bus has and follows it. Rejects with the store's fault. */
  start(): Promise<void> {
    return this.#copy.start()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelRetry?.()
    await this.#copy.stop()
    await this.#lane
    this.#refusals.stop()
  }

  refused(tenant: TenantId, reason: string): void {
    this.#refusals.add(tenant, { tenant, reason })
  }

  /** One reading at a time, whoever asked for it. */
  #readAll(): Promise<void> {
    const turn = this.#lane.then(() => this.#read())
    this.#lane = turn.catch(() => undefined)
    return turn
  }

  async #read(): Promise<void> {
    this.#cancelRetry?.()
    const waits = await this.#deps.read()
    if (waits && !this.#isStopped) this.#retryLater()
  }

  #retryLater(): void {
    const { clock, logger, name, retryMs } = this.#deps
    this.#cancelRetry = clock.setTimer(retryMs, () => {
      void this.#readAll().catch(() => {
        logger.warn('notices_not_read', { bucket: name })
        if (!this.#isStopped) this.#retryLater()
      })
    })
  }
}
