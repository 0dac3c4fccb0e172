import type { Msg, NatsConnection, Status, Subscription } from '@nats-io/transport-node'
import type { Logger } from '../log/logger.ts'
import {
  type Bus,
  BusFault,
  type BusMessage,
  type BusStatus,
  type BusSubscription,
  RESPOND_BACKLOG,
  RESPOND_CONCURRENCY,
  type RequestHandler,
  type RequestOptions,
  type RespondOptions,
} from './bus.ts'
import { natsFault } from './nats-fault.ts'
import { parseRequester, REQUEST_INFO_HEADER } from './requester.ts'
import { WorkPool } from './work-pool.ts'

/** The bus over one NATS connection. */
export class NatsBus implements Bus {
  readonly #nc: NatsConnection
  readonly #logger: Logger
  readonly #listeners = new Set<(status: BusStatus) => void>()
  readonly #subscriptions = new Set<BusSubscription>()
  #status: BusStatus = 'connected'
  #draining: Promise<void> | undefined

  constructor(nc: NatsConnection, logger: Logger) {
    this.#nc = nc
    this.#logger = logger
    void this.#followStatus()
    void this.#followClose()
  }

  get status(): BusStatus {
    return this.#status
  }

  async request(subject: string, data: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    this.#checkSendable(subject, data)
    try {
      const answer = await this.#nc.request(subject, data, { timeout: options.timeoutMs })
      return answer.data
    } catch (error) {
      throw natsFault(error, subject)
    }
  }

  publish(subject: string, data: Uint8Array): void {
    this.#checkSendable(subject, data)
    try {
      this.#nc.publish(subject, data)
    } catch (error) {
      throw natsFault(error, subject)
    }
  }

  respond(subject: string, options: RespondOptions, handler: RequestHandler): BusSubscription {
    const pool = new WorkPool(options.concurrency ?? RESPOND_CONCURRENCY, RESPOND_BACKLOG)
    const onMessage = (message: Msg): void => {
      const taken = pool.offer(() => this.#answer(message, handler))
      if (!taken) this.#logger.warn('bus_request_dropped', { subject, backlog: RESPOND_BACKLOG })
    }
    return this.#subscribe(subject, { queue: options.queue, pool }, onMessage)
  }

  listen(subject: string, handler: (message: BusMessage) => void): BusSubscription {
    const pool = new WorkPool(1, 0)
    return this.#subscribe(subject, { queue: undefined, pool }, (message) => {
      try {
        handler({ subject: message.subject, data: message.data })
      } catch (error) {
        this.#logHandlerFailure(subject, error)
      }
    })
  }

  onStatus(handler: (status: BusStatus) => void): () => void {
    this.#listeners.add(handler)
    return () => this.#listeners.delete(handler)
  }

  async drain(): Promise<void> {
    this.#draining ??= this.#drainOnce()
    await this.#draining
  }

  async #drainOnce(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop()))
    if (this.#nc.isClosed()) return
    try {
      if (this.#status === 'connected') await this.#nc.drain()
      else await this.#nc.close()
    } catch (error) {
      this.#logger.debug('bus_drain_failed', { code: natsFault(error, 'drain').code })
      await this.#nc.close()
    }
  }

  #checkSendable(subject: string, data: Uint8Array): void {
    const limit = this.#nc.info?.max_payload
    if (limit !== undefined && data.length > limit) {
      throw new BusFault('bus_too_large', `${subject}: ${data.length} of at most ${limit} bytes`)
    }
  }

  #subscribe(
    subject: string,
    options: { readonly queue: string | undefined; readonly pool: WorkPool },
    onMessage: (message: Msg) => void,
  ): BusSubscription {
    const inner: Subscription = this.#nc.subscribe(subject, {
      ...(options.queue === undefined ? {} : { queue: options.queue }),
      callback: (error, message) => {
        if (error !== null) {
          const code = natsFault(error, subject).code
          this.#logger.error('bus_subscription_failed', { subject, code })
        } else {
          onMessage(message)
        }
      },
    })
    const subscription: BusSubscription = {
      stop: async () => {
        if (this.#subscriptions.delete(subscription)) await this.#endSubscription(inner)
        await options.pool.idle()
      },
    }
    this.#subscriptions.add(subscription)
    return subscription
  }

  /** Lets what the server has already sent arrive, so that no taken request is lost. */
  async #endSubscription(inner: Subscription): Promise<void> {
    if (inner.isClosed()) return
    try {
      if (this.#status === 'connected') await inner.drain()
      else inner.unsubscribe()
    } catch {
      inner.unsubscribe()
    }
  }

  async #answer(message: Msg, handler: RequestHandler): Promise<void> {
    const requester = parseRequester(message.headers?.get(REQUEST_INFO_HEADER) ?? '')
    const replyExpected = message.reply !== undefined && message.reply !== ''
    try {
      const answer = await handler({
        subject: message.subject,
        data: message.data,
        replyExpected,
        ...(requester === undefined ? {} : { requester }),
      })
      if (answer !== undefined && replyExpected) message.respond(answer)
    } catch (error) {
      this.#logHandlerFailure(message.subject, error)
    }
  }

  #logHandlerFailure(subject: string, error: unknown): void {
    const name = error instanceof Error ? error.name : typeof error
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
    this.#logger.error('bus_handler_failed', { subject, error: name, code })
  }

  async #followClose(): Promise<void> {
    await this.#nc.closed()
    this.#setStatus('closed')
  }

  async #followStatus(): Promise<void> {
    for await (const event of this.#nc.status()) this.#onEvent(event)
  }

  #onEvent(event: Status): void {
    if (event.type === 'disconnect') this.#setStatus('reconnecting')
    else if (event.type === 'reconnect') this.#setStatus('connected')
    else if (event.type === 'error') {
      this.#logger.warn('bus_error', { code: natsFault(event.error, '').code })
    }
  }

  #setStatus(status: BusStatus): void {
    if (this.#status === status || this.#status === 'closed') return
    this.#status = status
    this.#logger.info('bus_status', { status })
    for (const listener of this.#listeners) listener(status)
  }
}
