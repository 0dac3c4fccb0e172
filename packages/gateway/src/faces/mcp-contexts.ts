import { base64urlEncode, type Principal, principalText } from '@trustgw/protocol'
import type { Clock, Random } from '@trustgw/runtime'

/** How long a context handle is good for. */
export const CONTEXT_TTL_MS = 3_600_000
const CONTEXTS_PER_PRINCIPAL = 32
const CONTEXTS_MAX = 16_384
const HANDLE_BYTES = 24

export interface McpContext {
  readonly handle: string
  readonly bundle: string
  readonly expires_at: number
}

interface Entry extends McpContext {
  readonly owner: string
}

/**
 * The contexts that agents switched to: handles are unguessable, belong to one principal, expire,
 * and are bounded in number; the oldest goes first (spec/protocol.md §8).
 */
export class McpContexts {
  readonly #clock: Clock
  readonly #random: Random
  readonly #entries = new Map<string, Entry>()
  readonly #owned = new Map<string, Set<string>>()

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  open(principal: Principal, bundle: string): McpContext {
    const owner = principalText(principal)
    this.#makeRoom(owner)
    const handle = `ctx_${base64urlEncode(this.#random.bytes(HANDLE_BYTES))}`
    const entry = { handle, bundle, owner, expires_at: this.#clock.now() + CONTEXT_TTL_MS }
    this.#entries.set(handle, entry)
    const owned = this.#owned.get(owner) ?? new Set<string>()
    this.#owned.set(owner, owned.add(handle))
    return entry
  }

  /** Undefined alike for an unknown handle, an expired one, and one of another principal. */
  find(principal: Principal, handle: string): McpContext | undefined {
    const entry = this.#entries.get(handle)
    if (entry === undefined) return undefined
    if (entry.expires_at <= this.#clock.now()) {
      this.#drop(entry)
      return undefined
    }
    return entry.owner === principalText(principal) ? entry : undefined
  }

  #makeRoom(owner: string): void {
    const owned = this.#owned.get(owner)
    if (owned !== undefined && owned.size >= CONTEXTS_PER_PRINCIPAL) this.#dropFirst(owned)
    if (this.#entries.size >= CONTEXTS_MAX) this.#dropFirst(this.#entries)
  }

  #dropFirst(handles: Set<string> | Map<string, Entry>): void {
    const [oldest] = handles.keys()
    const entry = oldest === undefined ? undefined : this.#entries.get(oldest)
    if (entry !== undefined) this.#drop(entry)
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry.handle)
    const owned = this.#owned.get(entry.owner)
    owned?.delete(entry.handle)
    if (owned?.size === 0) this.#owned.delete(entry.owner)
  }
}
