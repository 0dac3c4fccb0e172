/** Why the log does not start, or stopped. Stable. */
export type LogFaultCode =
  /** What lies on disk is not what this log wrote and signed, or not of this stream. */
  | 'log_inconsistent'
  /** The log's own signing key is not among the public keys. */
  | 'log_key_unknown'
  /** Entries or checkpoints could not be written; nothing more is acknowledged. */
  | 'log_unwritable'

/** The message names files and lines, never content. */
export class LogFault extends Error {
  readonly code: LogFaultCode
  constructor(code: LogFaultCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options)
    this.name = 'LogFault'
    this.code = code
  }
}
