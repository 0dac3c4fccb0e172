import {
  base64urlDecode,
  type EnrolStatement,
  type JsonObject,
  type Result,
  type TenantId,
} from '@trustgw/protocol'
import { credentialFingerprint, newNonce } from '../crypto.ts'
import type { HostDeps } from '../deps.ts'
import { type ProblemCode, type Refused, refused } from '../http/problem.ts'
import type { PeopleStore } from '../people/people-store.ts'
import {
  PASSKEYS_MAX_COUNT,
  type PasskeyPurpose,
  type PasskeyRecord,
  type PersonRecord,
} from '../people/person.ts'
import type { RevokePins } from '../pins/revoke-pins.ts'
import type { Session } from '../session/session-desk.ts'
import { CEREMONY_TTL_MS, CeremonyBook } from './ceremony-book.ts'
import type { RegistrationResponse } from './passkey-response.ts'
import {
  challengeOf,
  checkRegistration,
  creationOptions,
  type Parties,
  type RelyingParty,
} from './passkeys.ts'

const PURPOSES = ['login', 'approval'] as const

interface Begun {
  readonly sid: Session['sid']
  readonly purpose: PasskeyPurpose
  readonly challenge: string
}

export interface NewPasskey {
  readonly ceremony: string
  readonly name: string
  readonly response: RegistrationResponse
}

interface PasskeyDeskDeps {
  readonly tenant: TenantId
  readonly parties: Parties
  readonly people: PeopleStore
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
  readonly audit: HostDeps['audit']
  readonly revokePins: RevokePins
}

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

interface Change {
  readonly event: 'passkey_added' | 'passkey_renamed' | 'passkey_removed'
  readonly purpose: PasskeyPurpose
  readonly next: readonly PasskeyRecord[]
}

type Judge = (record: PersonRecord) => Result<Change, ProblemCode>

/**
 * A person's own passkeys. Whether a passkey was used lately is NOT checked here. A new one for
 * approvals counts only once an admin has pinned it (spec/protocol.md §5).
 */
export class PasskeyDesk {
  readonly #deps: PasskeyDeskDeps
  readonly #open = new CeremonyBook<Begun>()

  constructor(deps: PasskeyDeskDeps) {
    this.#deps = deps
  }

  list({ person }: Session): JsonObject {
    return {
      passkeys: PURPOSES.flatMap((purpose) =>
        person[purpose].map(({ id, name, created_at, used_at }) => ({
          id,
          purpose,
          name: name ?? null,
          created_at,
          used_at: used_at ?? null,
        })),
      ),
    }
  }

  begin({ person, sid }: Session, purpose: PasskeyPurpose): Answer {
    if (person[purpose].length >= PASSKEYS_MAX_COUNT) return refused('too_many_passkeys')
    const { tenant, clock, random } = this.#deps
    const expiresAt = clock.now() + CEREMONY_TTL_MS
    const statement: EnrolStatement = {
      typ: 'trustgw/enrol/1',
      tenant,
      person: person.person,
      purpose,
      nonce: newNonce(random),
      expires_at: expiresAt,
    }
    const challenge = challengeOf(statement)
    const ceremony = newNonce(random)
    this.#open.open(ceremony, { sid, purpose, challenge }, expiresAt)
    const options = creationOptions(this.#partyOf(purpose), {
      challenge,
      purpose,
      person: person.person,
      name: person.name,
      exclude: person[purpose].map(({ id }) => id),
    })
    return { ok: true, json: { ceremony, options } }
  }

  async finish(session: Session, { ceremony, name, response }: NewPasskey): Promise<Answer> {
    const { people, clock } = this.#deps
    const now = clock.now()
    const open = this.#open.take(ceremony, now)
    if (open?.sid !== session.sid) return refused('ceremony_unknown')
    const made = await checkRegistration(this.#partyOf(open.purpose), open.challenge, response)
    if (made === undefined || (await people.hasPasskey([made.id]))) {
      return refused('registration_refused')
    }
    const { purpose } = open
    const changed = await this.#change(session, made, (record) => {
      const all = [...record.login, ...record.approval]
      // One key for both would make a sign-in good for an approval.
      if (all.some(({ id, public_key }) => id === made.id || public_key === made.public_key)) {
        return { ok: false, reason: 'registration_refused' }
      }
      if (record[purpose].length >= PASSKEYS_MAX_COUNT) {
        return { ok: false, reason: 'too_many_passkeys' }
      }
      const next = [...record[purpose], { ...made, created_at: now, name }]
      return { ok: true, value: { event: 'passkey_added', purpose, next } }
    })
    if (!changed.ok) return changed
    return { ok: true, json: { id: made.id, fingerprint: fingerprintOf(made.public_key) } }
  }

  #partyOf(purpose: PasskeyPurpose): RelyingParty {
    const { parties } = this.#deps
    return purpose === 'login' ? parties.login : parties.portal
  }

  async rename(session: Session, id: string, name: string): Promise<Answer> {
    const changed = await this.#change(session, { id }, (record) => {
      const purpose = purposeOf(record, id)
      if (purpose === undefined) return { ok: false, reason: 'unknown_credential' }
      const next = record[purpose].map((one) => (one.id === id ? { ...one, name } : one))
      return { ok: true, value: { event: 'passkey_renamed', purpose, next } }
    })
    return changed.ok ? { ok: true, json: {} } : changed
  }

  /**
   * Never the last one for signing in: that would lock the person out. Executors are told to believe
   * one for approvals no more.
   */
  async remove(
    session: Session,
    id: string,
  ): Promise<{ readonly ok: true; readonly purpose: PasskeyPurpose } | Refused> {
    return await this.#change(session, { id }, (record) => {
      const purpose = purposeOf(record, id)
      if (purpose === undefined) return { ok: false, reason: 'unknown_credential' }
      const next = record[purpose].filter((one) => one.id !== id)
      if (purpose === 'login' && next.length === 0) return { ok: false, reason: 'last_passkey' }
      return { ok: true, value: { event: 'passkey_removed', purpose, next } }
    })
  }

  /** Judged on what is stored now, on record before it holds, written by compare-and-swap. */
  async #change(
    { person: { person } }: Session,
    { id }: Pick<PasskeyRecord, 'id'>,
    judge: Judge,
  ): Promise<{ readonly ok: true; readonly purpose: PasskeyPurpose } | Refused> {
    const { people, audit, clock, revokePins } = this.#deps
    for (let isRecorded = false; ; isRecorded = true) {
      const known = await people.find(person)
      if (known === undefined) return refused('no_session')
      const judged = judge(known.record)
      if (!judged.ok) return refused(judged.reason)
      const { event, purpose, next } = judged.value
      if (!isRecorded) {
        await audit.append(event, {
          actor: { kind: 'human', id: person },
          payload: { person, purpose, credential: id },
        })
      }
      if (event === 'passkey_removed' && purpose === 'approval') {
        await revokePins(
          known.record.approval.filter((one) => one.id === id),
          event,
        )
      }
      const record = { ...known.record, [purpose]: next, updated_at: clock.now() }
      if (await people.save(record, known.revision)) return { ok: true, purpose }
    }
  }
}

function purposeOf(record: PersonRecord, id: string): PasskeyPurpose | undefined {
  return PURPOSES.find((purpose) => record[purpose].some((one) => one.id === id))
}

function fingerprintOf(publicKey: string): string {
  return credentialFingerprint(base64urlDecode(publicKey) ?? new Uint8Array())
}
