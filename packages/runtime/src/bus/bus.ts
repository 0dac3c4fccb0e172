/**
 * The message port between planes (spec/protocol.md §6). Nothing sent here is durable: what must
 * survive goes through `StoredPublisher`.
 */

/** Why the bus did not do what was asked. Stable: callers branch on it. */
export type BusFaultCode =
  /** No answer in time. The request may or may not have been handled: ambiguous. */
  | 'bus_timeout'
  /** Nobody listens on the subject. The request was not handled. */
  | 'bus_no_responders'
  /** The server refuses this subject to this identity. The message was not delivered. */
  | 'bus_permission'
  /** The connection is closed for good or is being drained. */
  | 'bus_closed'
  /** The message is larger than the server accepts. It was not sent. */
  | 'bus_too_large'
  /** The connection is down or the client failed otherwise: ambiguous. */
  | 'bus_unreachable'
  /** A stored publish was sent and its outcome is unknown after every retry. */
  | 'store_ambiguous'
  /** A stored publish found no stream or no server in the time given. */
  | 'store_unreachable'
  /** The store refused for a reason that is neither a conflict nor an ambiguity. */
  | 'store_refused'
  /** A stored answer is not what was asked for or cannot be read. */
  | 'store_malformed'

/** A fault of bus or store; the message never holds payload bytes. */
export class BusFault extends Error {
  readonly code: BusFaultCode
  constructor(code: BusFaultCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options)
    this.name = 'BusFault'
    this.code = code
  }
}

/** Who sent a request, as stated by the server itself, never by the sender. */
export interface Requester {
  /** The public key of the requester's account; for a leaf, the account it is bound to. */
  readonly account: string
  /** The public nkey of the requester's user; absent where the import does not share it. */
  readonly user?: string
  /** The name in the requester's user JWT; a label, not an identity. */
  readonly name?: string
}

export interface BusMessage {
  readonly subject: string
  readonly data: Uint8Array
}

export interface BusRequest extends BusMessage {
  /** False when an answer would go nowhere: such a message is never a proposal (spec/protocol.md §6). */
  readonly replyExpected: boolean
  /**
   * From the exact header `Nats-Request-Info`. Trustworthy only across an account boundary: inside
   * one account a client can forge it, so compare `account` with the one that is expected.
   */
  readonly requester?: Requester
}

export interface RequestOptions {
  readonly timeoutMs: number
}

export interface RespondOptions {
  /** Members of one queue share the requests: each goes to one of them. */
  readonly queue?: string
  /** How many handlers run at once; further requests wait in memory. Default `RESPOND_CONCURRENCY`. */
  readonly concurrency?: number
}

export interface BusSubscription {
  /** Takes no new message; resolves when the running handlers are done. */
  stop(): Promise<void>
}

export type BusStatus = 'connected' | 'reconnecting' | 'closed'

/** A handler returns the answer, or `undefined` to answer nothing. */
export type RequestHandler = (request: BusRequest) => Promise<Uint8Array | undefined>

export interface Bus {
  /** The current state; while it is not `connected`, requests wait until they time out or fail. */
  readonly status: BusStatus

  /**
   * Asks one responder. Throws `BusFault`: `bus_no_responders`, `bus_permission` and
   * `bus_too_large` mean not delivered; `bus_timeout`, `bus_unreachable` mean unknown, so a request
   * with an effect needs an id by which a repeat is recognised.
   */
  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<Uint8Array>

  /**
   * Sends and forgets: no delivery is promised, not even to the server. Throws `BusFault`
   * `bus_closed` or `bus_too_large`; a refusal by permission is only logged.
   */
  publish(subject: string, data: Uint8Array): void

  /**
   * Answers requests. At most `concurrency` handlers run at once and `RESPOND_BACKLOG` requests
   * wait; beyond that a request is dropped (its sender times out). A handler that throws is logged
   * and its request is answered with nothing. Survives reconnects.
   */
  respond(subject: string, options: RespondOptions, handler: RequestHandler): BusSubscription

  /** Receives messages while connected; what is sent during a disconnect is missed. */
  listen(subject: string, handler: (message: BusMessage) => void): BusSubscription

  /** Tells every change of `status`; after `reconnecting → connected`, catch up what was missed. */
  onStatus(handler: (status: BusStatus) => void): () => void

  /** Stops all subscriptions, lets running handlers answer, flushes and closes. Idempotent. */
  drain(): Promise<void>
}

/** Handlers of one `respond` that run at once, unless told otherwise. */
export const RESPOND_CONCURRENCY = 64
/** Requests of one `respond` that wait for a free handler. */
export const RESPOND_BACKLOG = 1024
