import type { Clock } from '../clock/clock.ts'
import type { Logger } from '../log/logger.ts'
import type { RecordChange, RecordStore } from './record-store.ts'

/** Before a copy that could not be refreshed is read anew. */
const REFRESH_RETRY_MS = 500

export interface LiveCopyDeps {
  readonly store: RecordStore
  readonly clock: Clock
  readonly log: Logger
  /** What is copied, for the log. */
  readonly name: string
  readonly reload: (key: string) => Promise<void>
  readonly reloadAll: () => Promise<void>
}

/**
 * Keeps a copy of a bucket current: refreshes run one after another, so that an older answer never
 * overwrites a newer one, and one that fails is repeated until it succeeds, so that no revocation
 * is missed.
 */
export class LiveCopy {
  readonly #deps: LiveCopyDeps
  readonly #stop = new AbortController()
  #lane: Promise<void> = Promise.resolve()
  #watch: { stop(): Promise<void> } | undefined

  constructor(deps: LiveCopyDeps) {
    this.#deps = deps
  }

  /** Resolves when everything was read once; rejects with the store's fault. */
  async start(): Promise<void> {
    const first = this.#lane.then(() => this.#deps.reloadAll())
    this.#lane = first.catch(() => undefined)
    this.#watch = this.#deps.store.watch((change) => {
      this.#lane = this.#lane.then(() => this.#refresh(change))
    })
    await first
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#watch?.stop()
    await this.#lane
  }

  async #refresh(change: RecordChange): Promise<void> {
    const { reload, reloadAll, clock, log, name } = this.#deps
    const { signal } = this.#stop
    let next = change.kind === 'changed' ? () => reload(change.key) : reloadAll
    while (!signal.aborted) {
      try {
        await next()
        return
      } catch (error) {
        log.error('refresh_failed', { of: name, error: String(error) })
        next = reloadAll
        await clock.sleep(REFRESH_RETRY_MS, signal).catch(() => undefined)
      }
    }
  }
}
