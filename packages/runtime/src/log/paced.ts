import type { Clock } from '../clock/clock.ts'

/** Between two tellings of one source. */
export const PACED_EVERY_MS = 5_000

export interface PacedDeps<T> {
  readonly clock: Clock
  /** `count` of them happened since the last telling; this is the newest. */
  readonly tell: (newest: T, count: number) => void
}

interface Source<T> {
  newest: T
  /** How many wait to be told. */
  count: number
  cancel: () => void
}

/**
 * Tells what somebody else can make happen any number of times: the first at once, then the newest of
 * each source at most every five seconds. Sources are few: one is remembered for each name.
 */
export class Paced<T> {
  readonly #deps: PacedDeps<T>
  readonly #sources = new Map<string, Source<T>>()

  constructor(deps: PacedDeps<T>) {
    this.#deps = deps
  }

  add(name: string, newest: T): void {
    const known = this.#sources.get(name)
    if (known === undefined) {
      const source = { newest, count: 1, cancel: () => undefined }
      this.#sources.set(name, source)
      this.#pause(name, source)
      this.#tell(source)
    } else {
      known.newest = newest
      known.count += 1
    }
  }

  /** Tells what waits now, since something follows that comes after it. */
  flush(): void {
    for (const source of this.#sources.values()) this.#tell(source)
  }

  /** Tells what waits; nothing is to be added any more. */
  stop(): void {
    for (const { cancel } of this.#sources.values()) cancel()
    this.flush()
  }

  #tell(source: Source<T>): void {
    const { newest, count } = source
    source.count = 0
    if (count > 0) this.#deps.tell(newest, count)
  }

  #pause(name: string, source: Source<T>): void {
    source.cancel = this.#deps.clock.setTimer(PACED_EVERY_MS, () => {
      if (source.count === 0) {
        this.#sources.delete(name)
        return
      }
      this.#pause(name, source)
      this.#tell(source)
    })
  }
}
