import { ok, type Result, refuse } from '@trustgw/protocol'
import type { PersonId } from '../people/person.ts'

/** How long a person has to let a terminal in. */
export const DEVICE_TTL_MS: number = 10 * 60_000
/** How long a terminal waits from one question to the next; each early one adds as much again. */
export const DEVICE_INTERVAL_MS = 2_000
/** Terminals that may wait at once; one more is refused, so that a flood drops nobody who waits. */
export const DEVICES_MAX_COUNT = 256
/** Wrong user codes that one person may enter in {@link DEVICE_TTL_MS}. */
export const USER_CODE_MISSES_MAX_COUNT = 5

/** What a person is told of a terminal before letting it in. */
export interface WaitingDevice {
  /** As typed and as the terminal shows it, without its dash. */
  readonly userCode: string
  readonly device: string
  readonly askedAt: number
  readonly expiresAt: number
}

interface Entry extends WaitingDevice {
  readonly verdict: 'waiting' | 'refused' | { readonly person: PersonId }
  readonly polledAt: number | undefined
  readonly intervalMs: number
}

interface Misses {
  readonly count: number
  readonly until: number
}

export type CodeRefusal = 'unknown_code' | 'too_many_attempts'
/** Codes of RFC 8628 §3.5. */
export type PollRefusal = 'authorization_pending' | 'slow_down' | 'access_denied' | 'expired_token'

/**
 * Terminals that ask to be let in (RFC 8628), in memory: a restart ends them and people begin
 * again. A device code is known here by its hash alone. Each is let in at most once.
 */
export class DeviceBook {
  /** By the hash of the device code. */
  readonly #entries = new Map<string, Entry>()
  readonly #misses = new Map<PersonId, Misses>()

  /** False: too many wait, or the user code is one that stands already. */
  open(deviceHash: string, waiting: WaitingDevice, now: number): boolean {
    this.#forget(now)
    const isFull = this.#entries.size >= DEVICES_MAX_COUNT
    if (isFull || this.#waitingBy(waiting.userCode) !== undefined) return false
    const start = {
      verdict: 'waiting',
      polledAt: undefined,
      intervalMs: DEVICE_INTERVAL_MS,
    } as const
    this.#entries.set(deviceHash, { ...waiting, ...start })
    return true
  }

  /** The terminal with this user code, for `person`, whose wrong codes are counted. */
  look(userCode: string, person: PersonId, now: number): Result<WaitingDevice, CodeRefusal> {
    this.#forget(now)
    const count = this.#misses.get(person)?.count ?? 0
    if (count >= USER_CODE_MISSES_MAX_COUNT) return refuse('too_many_attempts')
    const found = this.#waitingBy(userCode)
    if (found !== undefined) return ok(found[1])
    const until = this.#misses.get(person)?.until ?? now + DEVICE_TTL_MS
    this.#misses.set(person, { count: count + 1, until })
    return refuse('unknown_code')
  }

  /** Lets it in as `person`, or refuses it; once. */
  decide(
    userCode: string,
    person: PersonId,
    verdict: 'allow' | 'refuse',
    now: number,
  ): Result<WaitingDevice, CodeRefusal> {
    const looked = this.look(userCode, person, now)
    const found = this.#waitingBy(userCode)
    if (!looked.ok || found === undefined) return looked
    const [hash, entry] = found
    this.#entries.set(hash, { ...entry, verdict: verdict === 'allow' ? { person } : 'refused' })
    return looked
  }

  /** The person as whom the terminal is let in: once, and the entry is gone. */
  poll(
    deviceHash: string,
    now: number,
  ): Result<{ readonly person: PersonId; readonly device: string }, PollRefusal> {
    this.#forget(now)
    const entry = this.#entries.get(deviceHash)
    if (entry === undefined) return refuse('expired_token')
    if (entry.polledAt !== undefined && now - entry.polledAt < entry.intervalMs) {
      const intervalMs = entry.intervalMs + DEVICE_INTERVAL_MS
      this.#entries.set(deviceHash, { ...entry, polledAt: now, intervalMs })
      return refuse('slow_down')
    }
    this.#entries.set(deviceHash, { ...entry, polledAt: now })
    if (entry.verdict === 'waiting') return refuse('authorization_pending')
    this.#entries.delete(deviceHash)
    if (entry.verdict === 'refused') return refuse('access_denied')
    return ok({ person: entry.verdict.person, device: entry.device })
  }

  #waitingBy(userCode: string): readonly [string, Entry] | undefined {
    for (const found of this.#entries) {
      if (found[1].verdict === 'waiting' && found[1].userCode === userCode) return found
    }
    return undefined
  }

  #forget(now: number): void {
    for (const [hash, { expiresAt }] of this.#entries) {
      if (now >= expiresAt) this.#entries.delete(hash)
    }
    for (const [person, { until }] of this.#misses) {
      if (now >= until) this.#misses.delete(person)
    }
  }
}
