/**
 * What an allowed call must wait for, one after the other, between the request and its answer:
 * counted from the code, and checked by watching the bus during a call. Writes that are under way
 * at the same time count once. The floor does exactly these, and nothing else.
 */
export const CRITICAL_PATH = {
  http_round_trips: 1,
  bus_round_trips: 1,
  stdio_calls: 1,
  /** Gateway: decision recorded, action created with its grant, grant recorded, result stored. */
  gateway_stored_writes: 4,
  /** Gateway: none, what it saw last is tried first; compare-and-swap tells when it is old. */
  gateway_reads: 0,
  /** Executor: nonce, journal, `started` recorded, result. */
  executor_stored_writes: 4,
  /** Executor: the decision's event. */
  executor_reads: 1,
  /** Executor: its own entry, on disk before it claims. */
  executor_synced_lines: 1,
  /** Gateway: `proposed`, `evaluated`, `grant_issued`, and the grant. */
  gateway_signatures: 4,
  /** Gateway: the result. */
  gateway_verifications: 1,
  /** Executor: `started` and the result. */
  executor_signatures: 2,
  /** Executor: the grant and the decision's event. */
  executor_verifications: 2,
} as const
