/**
 * Runs tasks, at most `concurrency` at once, in the order of arrival; at most `backlog` wait. Tasks
 * must not throw: whoever makes one handles its errors.
 */
export class WorkPool {
  readonly #concurrency: number
  readonly #backlog: number
  readonly #waiting: (() => Promise<void>)[] = []
  readonly #idle: (() => void)[] = []
  #running = 0

  constructor(concurrency: number, backlog: number) {
    this.#concurrency = concurrency
    this.#backlog = backlog
  }

  /** False when the backlog is full: the task will not run. */
  offer(task: () => Promise<void>): boolean {
    if (this.#running < this.#concurrency) {
      this.#start(task)
      return true
    }
    if (this.#waiting.length >= this.#backlog) return false
    this.#waiting.push(task)
    return true
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    if (this.#running === 0 && this.#waiting.length === 0) return
    await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #start(task: () => Promise<void>): void {
    this.#running += 1
    void task().finally(() => {
      this.#running -= 1
      const next = this.#waiting.shift()
      if (next !== undefined) this.#start(next)
      else if (this.#running === 0) for (const done of this.#idle.splice(0)) done()
    })
  }
}
