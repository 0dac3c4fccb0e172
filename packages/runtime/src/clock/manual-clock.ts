import type { Clock } from './clock.ts'

interface Alarm {
  readonly at: number
  readonly ring: () => void
}

/** A clock that stands still until it is told to go on: for tests and the simulator. */
export class ManualClock implements Clock {
  readonly #alarms = new Set<Alarm>()
  #now: number

  constructor(now: number) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  uptime(): number {
    return this.#now
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const cancel = this.setTimer(ms, resolve)
      signal?.addEventListener('abort', () => {
        cancel()
        const reason: unknown = signal.reason
        reject(reason instanceof Error ? reason : new Error('aborted'))
      })
    })
  }

  setTimer(ms: number, callback: () => void): () => void {
    const alarm = { at: this.#now + ms, ring: callback }
    this.#alarms.add(alarm)
    return () => this.#alarms.delete(alarm)
  }

  /** Moves time on and rings what is due, in order of time. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = [...this.#alarms].filter((alarm) => alarm.at <= end).sort((a, b) => a.at - b.at)
      const next = due[0]
      if (next === undefined) break
      this.#alarms.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.ring()
    }
    this.#now = end
  }
}
