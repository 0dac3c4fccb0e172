export type ExecutorFaultCode =
  | 'connectors_refused'
  | 'credentials_refused'
  | 'floors_refused'
  /** A policy bundle that this executor pinned cannot be read any more. */
  | 'policy_pin_refused'
  /** The freezes that this executor kept cannot be read any more. */
  | 'freezes_refused'
  | 'agents_refused'
  /** The stream of nonces, of the journal or of freezes would let an entry vanish or be replaced. */
  | 'stream_not_insert_only'

/** Why an executor does not start; `lines` are for a person. */
export class ExecutorFault extends Error {
  readonly code: ExecutorFaultCode
  readonly lines: readonly string[]
  constructor(code: ExecutorFaultCode, lines: readonly string[]) {
    super(`${code}: ${lines.join('; ')}`)
    this.name = 'ExecutorFault'
    this.code = code
    this.lines = lines
  }
}
