import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Random } from '@trustgw/runtime'
import type { ChatName, PersonId } from '../people/person.ts'

export const LINK_CODE_TTL_MS: number = 3 * 60_000
/** Wrong codes that a chat may hear while a code is open; then that code is void. */
export const LINK_CODE_TRIES_COUNT = 3
/** Texts of one account that is not linked, in `ACCOUNT_WINDOW_MS`; then it gets no answer. */
export const ACCOUNT_TRIES_COUNT = 10
export const ACCOUNT_WINDOW_MS: number = 30 * 60_000
/** Accounts remembered; the one heard of first is forgotten first. */
export const ACCOUNTS_MAX_COUNT = 4_096
const CODES = 1_000_000
const CODE = /^(?:\/(?:start|link)\s+)?(\d{3})\s?(\d{3})$/

interface OpenCode {
  readonly chat: ChatName
  readonly person: PersonId
  readonly hash: Buffer
  readonly expiresAt: number
  wrong: number
}

export type LinkAttempt =
  | { readonly kind: 'matched'; readonly person: PersonId }
  | { readonly kind: 'wrong' }
  /** It was no code at all. */
  | { readonly kind: 'no_code' }
  /** This account tried too often. */
  | { readonly kind: 'silent' }

/**
 * Codes by which an account of a chat becomes a person's, in memory: a restart voids them and people ask
 * for another. Of a code a keyed hash is kept. One person has at most one open code a chat.
 */
export class LinkBook {
  readonly #random: Random
  readonly #key: Uint8Array
  readonly #codes = new Map<string, OpenCode>()
  readonly #tries = new Map<string, number[]>()

  constructor(random: Random) {
    this.#random = random
    this.#key = random.bytes(32)
  }

  /** A code of six digits that no other open one equals; an earlier one of the person is void. */
  open(chat: ChatName, person: PersonId, now: number): { code: string; expiresAt: number } {
    this.#forget(now)
    for (;;) {
      const code = sixDigits(this.#random)
      const hash = this.#hash(chat, code)
      const expiresAt = now + LINK_CODE_TTL_MS
      if ([...this.#codes.values()].some((open) => timingSafeEqual(open.hash, hash))) continue
      this.#codes.set(`${chat}:${person}`, { chat, person, hash, expiresAt, wrong: 0 })
      return { code, expiresAt }
    }
  }

  /** What an account that nobody is linked to wrote. A code matches once. */
  take(chat: ChatName, account: string, text: string, now: number): LinkAttempt {
    this.#forget(now)
    if (!this.#mayTry(`${chat}:${account}`, now)) return { kind: 'silent' }
    const found = CODE.exec(text.trim())
    if (found === null) return { kind: 'no_code' }
    const hash = this.#hash(chat, `${found[1]}${found[2]}`)
    const open = [...this.#codes].filter(([, code]) => code.chat === chat)
    // All are compared, so that the time says nothing of which one was close.
    const matched = open.filter(([, code]) => timingSafeEqual(code.hash, hash))
    for (const [key, { person }] of matched) {
      this.#codes.delete(key)
      return { kind: 'matched', person }
    }
    for (const [key, code] of open) {
      code.wrong += 1
      if (code.wrong >= LINK_CODE_TRIES_COUNT) this.#codes.delete(key)
    }
    return { kind: 'wrong' }
  }

  /** Accounts remembered. */
  get accounts(): number {
    return this.#tries.size
  }

  #mayTry(account: string, now: number): boolean {
    const tries = (this.#tries.get(account) ?? []).filter((at) => now - at < ACCOUNT_WINDOW_MS)
    const may = tries.length < ACCOUNT_TRIES_COUNT
    if (may) tries.push(now)
    this.#tries.set(account, tries)
    return may
  }

  #forget(now: number): void {
    for (const [key, { expiresAt }] of this.#codes) if (now >= expiresAt) this.#codes.delete(key)
    for (const key of this.#tries.keys()) {
      if (this.#tries.size < ACCOUNTS_MAX_COUNT) return
      this.#tries.delete(key)
    }
  }

  #hash(chat: ChatName, code: string): Buffer {
    return createHmac('sha256', this.#key).update(`${chat}:${code}`).digest()
  }
}

/** Every code is as likely as any other: what would make some likelier is drawn again. */
function sixDigits(random: Random): string {
  const even = 2 ** 32 - (2 ** 32 % CODES)
  for (;;) {
    const drawn = new DataView(new Uint8Array(random.bytes(4)).buffer).getUint32(0)
    if (drawn < even) return String(drawn % CODES).padStart(6, '0')
  }
}
