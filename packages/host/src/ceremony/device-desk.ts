import type { JsonObject, TenantId } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { newNonce } from '../crypto.ts'
import type { HostDeps } from '../deps.ts'
import { type Refused, refused } from '../http/problem.ts'
import type { PeopleStore } from '../people/people-store.ts'
import { type Session, type SessionDesk, TERMINAL_SESSION_MS } from '../session/session-desk.ts'
import { DEVICE_INTERVAL_MS, DEVICE_TTL_MS, DeviceBook } from './device-book.ts'

/** RFC 8628 §6.1: consonants only, so that no word and no look-alike comes up; 34 bits. */
const ALPHABET = 'BCDFGHJKLMNPQRSTVWXZ'
const USER_CODE_CHARS = 8
const USER_CODE_DRAWS_MAX = 4
const MS_PER_S = 1_000

interface DeviceDeskDeps {
  readonly tenant: TenantId
  readonly origin: string
  readonly people: PeopleStore
  readonly sessions: SessionDesk
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
  readonly audit: HostDeps['audit']
}

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

/** Lets terminals in: the shape of RFC 8628, with people who compare (spec/protocol.md §8). */
export class DeviceDesk {
  readonly #deps: DeviceDeskDeps
  readonly #book = new DeviceBook()

  constructor(deps: DeviceDeskDeps) {
    this.#deps = deps
  }

  /** For a terminal that nobody knows yet. Attempts are NOT limited here. */
  begin(device: string): Answer {
    const { clock, origin, random } = this.#deps
    const askedAt = clock.now()
    const expiresAt = askedAt + DEVICE_TTL_MS
    const deviceCode = newNonce(random)
    for (let drawn = 0; drawn < USER_CODE_DRAWS_MAX; drawn += 1) {
      const userCode = this.#userCode()
      const waiting = { userCode, device, askedAt, expiresAt }
      if (!this.#book.open(sha256(deviceCode), waiting, askedAt)) continue
      return {
        ok: true,
        json: {
          device_code: deviceCode,
          user_code: shown(userCode),
          verification_uri: `${origin}/device`,
          expires_in: DEVICE_TTL_MS / MS_PER_S,
          interval: DEVICE_INTERVAL_MS / MS_PER_S,
        },
      }
    }
    return refused('too_many_attempts')
  }

  look({ person }: Session, userCode: string): Answer {
    const looked = this.#book.look(plain(userCode), person.person, this.#deps.clock.now())
    if (!looked.ok) return refused(looked.reason)
    const { device, askedAt, expiresAt } = looked.value
    return {
      ok: true,
      json: {
        user_code: shown(looked.value.userCode),
        device,
        asked_at: askedAt,
        expires_at: expiresAt,
      },
    }
  }

  /** Whether a passkey was used lately is NOT checked here. */
  async decide(
    { person }: Session,
    userCode: string,
    verdict: 'allow' | 'refuse',
  ): Promise<Answer> {
    const { audit, clock } = this.#deps
    const code = plain(userCode)
    const looked = this.#book.look(code, person.person, clock.now())
    if (!looked.ok) return refused(looked.reason)
    await audit.append(verdict === 'allow' ? 'terminal_allowed' : 'terminal_refused', {
      actor: { kind: 'human', id: person.person },
    })
    const decided = this.#book.decide(code, person.person, verdict, clock.now())
    return decided.ok ? { ok: true, json: {} } : refused(decided.reason)
  }

  /** What the terminal gets: its token, once; before that, whether to ask again. */
  async token(deviceCode: string): Promise<Answer> {
    const { clock, people, sessions, tenant } = this.#deps
    const polled = this.#book.poll(sha256(deviceCode), clock.now())
    if (!polled.ok) return refused(polled.reason)
    const known = await people.find(polled.value.person)
    if (known === undefined) return refused('access_denied')
    return {
      ok: true,
      json: {
        access_token: await sessions.startTerminal(known.record, polled.value.device),
        token_type: 'Bearer',
        expires_in: TERMINAL_SESSION_MS / MS_PER_S,
        person: known.record.person,
        tenant,
      },
    }
  }

  #userCode(): string {
    let code = ''
    while (code.length < USER_CODE_CHARS) {
      for (const byte of this.#deps.random.bytes(USER_CODE_CHARS)) {
        // 240 is twelve alphabets: no letter comes more often than another.
        if (byte < 240 && code.length < USER_CODE_CHARS)
          code += ALPHABET[byte % ALPHABET.length] ?? ''
      }
    }
    return code
  }
}

/** However it was typed: case, dash and spaces do not matter. */
function plain(userCode: string): string {
  return userCode.toUpperCase().replaceAll(/[^A-Z]/g, '')
}

function shown(userCode: string): string {
  return `${userCode.slice(0, USER_CODE_CHARS / 2)}-${userCode.slice(USER_CODE_CHARS / 2)}`
}
