import { base64urlEncode, type Principal, principalText } from '@trustgw/protocol'
import type { Clock, Random } from '@trustgw/runtime'

/** A session that nobody used for this long is over. */
export const SESSION_IDLE_MS = 1_800_000
export const SESSIONS_PER_PRINCIPAL = 64
export const SESSIONS_MAX = 1_024
const SESSION_ID_BYTES = 32

/** What a session holds; `close` ends its streams. */
export interface SessionEnd {
  close(): Promise<void>
}

interface Entry<T> {
  readonly id: string
  readonly owner: string
  readonly place: string
  readonly session: T
  used: number
}

/**
 * Sessions of the older era: ids are unguessable and bound to the principal and the endpoint; idle
 * ones expire. A principal that opens too many loses its own idlest one, never somebody else's.
 */
export class McpSessions<T extends SessionEnd> {
  readonly #clock: Clock
  readonly #random: Random
  readonly #idleMs: number
  readonly #entries = new Map<string, Entry<T>>()

  constructor(clock: Clock, random: Random, idleMs: number = SESSION_IDLE_MS) {
    this.#clock = clock
    this.#random = random
    this.#idleMs = idleMs
  }

  get size(): number {
    return this.#entries.size
  }

  newId(): string {
    return base64urlEncode(this.#random.bytes(SESSION_ID_BYTES))
  }

  /** False: every place is taken by others. */
  hasRoom(principal: Principal): boolean {
    this.#expire()
    return this.#entries.size < SESSIONS_MAX || this.#ownedBy(principalText(principal)).length > 0
  }

  add(id: string, session: T, owner: { principal: Principal; place: string }): void {
    const text = principalText(owner.principal)
    const owned = this.#ownedBy(text)
    const full = this.#entries.size >= SESSIONS_MAX || owned.length >= SESSIONS_PER_PRINCIPAL
    const idlest = owned.toSorted((a, b) => a.used - b.used)[0]
    if (full && idlest !== undefined) this.#end(idlest)
    const entry = { id, owner: text, place: owner.place, session, used: this.#clock.now() }
    this.#entries.set(id, entry)
  }

  /** Undefined alike for an unknown id, an expired one, another principal's and another endpoint's. */
  find(id: string, principal: Principal, place: string): T | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    const now = this.#clock.now()
    if (now - entry.used > this.#idleMs) {
      this.#end(entry)
      return undefined
    }
    if (entry.owner !== principalText(principal) || entry.place !== place) return undefined
    entry.used = now
    return entry.session
  }

  remove(id: string): void {
    this.#entries.delete(id)
  }

  async closeAll(): Promise<void> {
    const sessions = [...this.#entries.values()].map(({ session }) => session)
    this.#entries.clear()
    await Promise.all(sessions.map((session) => session.close()))
  }

  #ownedBy(owner: string): readonly Entry<T>[] {
    return [...this.#entries.values()].filter((entry) => entry.owner === owner)
  }

  #expire(): void {
    const now = this.#clock.now()
    for (const entry of this.#entries.values()) {
      if (now - entry.used > this.#idleMs) this.#end(entry)
    }
  }

  #end(entry: Entry<T>): void {
    this.#entries.delete(entry.id)
    // Ending a session's streams cannot fail in a way that matters to anyone.
    void entry.session.close().catch(() => undefined)
  }
}
