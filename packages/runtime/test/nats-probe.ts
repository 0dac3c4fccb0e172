import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Msg,
  type NatsConnection,
  PermissionViolationError,
  type Subscription,
} from '@nats-io/transport-node'

const WAIT_MS = 3_000
const QUIET_MS = 150
const SETTLE_MS = 20
const POLL_MS = 1

/** What the server refused on one connection, in order: `publish subject` or `subscription subject`. */
export class Refusals {
  readonly seen: string[] = []
  readonly #nc: NatsConnection

  constructor(nc: NatsConnection) {
    this.#nc = nc
    void this.#watch()
  }

  async #watch(): Promise<void> {
    for await (const status of this.#nc.status()) {
      if (status.type !== 'error' || !(status.error instanceof PermissionViolationError)) continue
      this.seen.push(`${status.error.operation} ${status.error.subject}`)
    }
  }

  /** Fails unless the server itself refuses the publish, whatever the reply subject. */
  async publish(subject: string, reply?: string): Promise<void> {
    this.#nc.publish(subject, 'x', reply === undefined ? {} : { reply })
    // The server's own domain is an alias, which it resolves before it looks at permissions.
    await this.#expect(`publish ${subject.replace('$JS.core.API', '$JS.API')}`)
  }

  async subscribe(subject: string, queue?: string): Promise<void> {
    const options = { callback: () => undefined, ...(queue !== undefined && { queue }) }
    this.#nc.subscribe(subject, options)
    await this.#expect(`subscription ${subject}`)
  }

  /** Fails when the server refused anything that was not expected. */
  async none(): Promise<void> {
    await this.#nc.flush()
    await sleep(SETTLE_MS)
    assert.deepEqual(this.seen, [])
  }

  async #expect(what: string): Promise<void> {
    await this.#nc.flush()
    assert.ok(await until(() => this.seen.includes(what)), `the server let through: ${what}`)
    this.seen.splice(this.seen.indexOf(what), 1)
  }
}

export async function until(done: () => boolean): Promise<boolean> {
  const deadline = performance.now() + WAIT_MS
  while (!done()) {
    if (performance.now() > deadline) return false
    await sleep(POLL_MS)
  }
  return true
}

/** Messages that arrive at a subscription. */
export class Heard {
  readonly messages: Msg[] = []
  readonly subscription: Subscription

  constructor(nc: NatsConnection, subject: string, queue?: string) {
    this.subscription = nc.subscribe(subject, {
      ...(queue !== undefined && { queue }),
      callback: (error, message) => {
        if (error === null) this.messages.push(message)
      },
    })
  }

  async one(): Promise<Msg> {
    await until(() => this.messages.length > 0)
    const [first] = this.messages
    assert.ok(first, `nothing arrived on ${this.subscription.getSubject()}`)
    return first
  }

  /** Fails when anything arrives within a moment. */
  async nothing(): Promise<void> {
    await sleep(QUIET_MS)
    assert.deepEqual(
      this.messages.map((message) => message.subject),
      [],
    )
  }
}

/** Answers every request with `answer` until the connection closes. */
export function answering(
  nc: NatsConnection,
  subject: string,
  queue: string,
  answer: string,
): Msg[] {
  const requests: Msg[] = []
  nc.subscribe(subject, {
    queue,
    callback: (error, message) => {
      if (error !== null) return
      requests.push(message)
      message.respond(answer)
    },
  })
  return requests
}
