/** Why the bus could not be set up or run. Stable: callers and the command line branch on it. */
export type NatsErrorCode =
  /** No nats-server is installed where it is looked for. */
  | 'binary_missing'
  /** The nats-server that was found is older than we need. */
  | 'binary_too_old'
  /** Another process listens on a port that the server was told to use. */
  | 'port_in_use'
  /** The server ended before it was ready. */
  | 'server_exited'
  /** The server did not say in time that it is ready. */
  | 'server_not_ready'
  /** A setting of the bus is not one that we run with. */
  | 'config_refused'
  /** A key, token or credentials text is not well-formed or not authentic. */
  | 'key_malformed'
  /** Keys of an account, tenant or profile are not in the folder. */
  | 'key_missing'
  /** A stream or consumer exists with another configuration than ours. */
  | 'stream_mismatch'
  /** The server did not take an account. */
  | 'account_refused'

/** A fault of the bus installation. The message is for a person and never holds a secret. */
export class NatsError extends Error {
  readonly code: NatsErrorCode
  constructor(code: NatsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'NatsError'
    this.code = code
  }
}
