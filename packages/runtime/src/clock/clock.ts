/** Time as an argument: the shells take this port, the simulator gives another. */
export interface Clock {
  /** Milliseconds since the epoch. May jump when the machine's clock is set. */
  now(): number
  /** Milliseconds since some moment of this process. Never jumps, whoever sets the machine's clock. */
  uptime(): number
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Runs `callback` once after `ms`; the returned function cancels it. Does not keep a process alive. */
  setTimer(ms: number, callback: () => void): () => void
}
