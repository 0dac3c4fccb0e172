import {
  canonicalize,
  type Id,
  integerShape,
  makeId,
  objectShape,
  oneOfShape,
  parsedShape,
  parseId,
  parseJsonObject,
  readShape,
  type Shape,
  signJws,
  storedKey,
  stringShape,
  type TenantId,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import { type RecordStore, sha256 } from '@trustgw/runtime'
import type { HostDeps, HostKey } from '../deps.ts'
import type { PeopleStore } from '../people/people-store.ts'
import { type PersonId, type PersonRecord, personIdField, timeField } from '../people/person.ts'

/** How long a session token holds without use. */
export const SESSION_TTL_MS: number = 15 * 60_000
/** How long a session lasts whatever is done. */
export const SESSION_MAX_MS: number = 12 * 60 * 60_000
/** A token of this age is replaced when it is used. */
export const SESSION_RENEW_AFTER_MS = 60_000
/** How often ended sessions are removed. */
export const SESSION_SWEEP_MS: number = 60 * 60_000

const SESSION_TYP = 'session+jwt'
const SESSION_ISS = 'trustgw/host'
const SESSION_AUD = 'trustgw/portal'
const SESSION_TOKEN_MAX_BYTES = 2_048
const SESSION_RECORD_MAX_BYTES = 2_048
const ID_RANDOM_BYTES = 16

type SessionId = Id<'session'>

const sessionIdField: Shape<SessionId> = parsedShape(
  stringShape({ max: 40, characters: 'token' }),
  'session_id',
  (text) => parseId('session', text),
)
const generationField: Shape<number> = integerShape({ min: 1, max: 1_000_000 })

/** Times in milliseconds, unlike those of RFC 7519: no other token reads these claims. */
interface SessionClaims {
  readonly iss: typeof SESSION_ISS
  readonly aud: typeof SESSION_AUD
  readonly tenant: string
  readonly sub: PersonId
  readonly sid: SessionId
  readonly generation: number
  readonly issued_at: number
  readonly expires_at: number
}

const claimsShape: Shape<SessionClaims> = objectShape({
  iss: oneOfShape(SESSION_ISS),
  aud: oneOfShape(SESSION_AUD),
  tenant: stringShape({ min: 1, max: 31, characters: 'token' }),
  sub: personIdField,
  sid: sessionIdField,
  generation: generationField,
  issued_at: timeField,
  expires_at: timeField,
})

/** What lies in the bucket `sessions` while a session is not signed out. */
interface SessionRecord {
  readonly v: 1
  readonly sid: SessionId
  readonly person: PersonId
  readonly generation: number
  readonly ends_at: number
}

const recordShape: Shape<SessionRecord> = objectShape({
  v: oneOfShape(1),
  sid: sessionIdField,
  person: personIdField,
  generation: generationField,
  ends_at: timeField,
})

/** A checked session: the person is as stored now, not as it was at sign-in. */
export interface Session {
  readonly sid: string
  readonly person: PersonRecord
  readonly expiresAt: number
  /** A token that replaces the cookie's, where it was time for one. */
  readonly renewed: string | undefined
}

export interface SessionDeps {
  readonly tenant: TenantId
  readonly records: RecordStore
  readonly people: PeopleStore
  readonly key: HostKey
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
  readonly log: HostDeps['log']
}

/**
 * Sessions of people: a signed token in a cookie, and a record whose absence revokes it at once.
 * A token is replaced as it is used; the record's generation and the one before it are accepted,
 * so that an answer lost on its way signs nobody out, while an older copy is worth nothing.
 */
export class SessionDesk {
  readonly #deps: SessionDeps

  constructor(deps: SessionDeps) {
    this.#deps = deps
  }

  async start(
    person: PersonRecord,
  ): Promise<{ readonly token: string; readonly expiresAt: number }> {
    const now = this.#deps.clock.now()
    const sid = makeId('session', this.#deps.random.bytes(ID_RANDOM_BYTES))
    const record: SessionRecord = {
      v: 1,
      sid,
      person: person.person,
      generation: 1,
      ends_at: now + SESSION_MAX_MS,
    }
    const created = await this.#deps.records.create(this.#keyOf(sid), encode(record))
    if (!created.ok) throw new TypeError('a session id was drawn twice')
    return { token: this.#token(record, now), expiresAt: now + SESSION_TTL_MS }
  }

  /** The session of a cookie, or `undefined`: forged, expired, signed out, person gone. */
  async check(token: string | undefined): Promise<Session | undefined> {
    const now = this.#deps.clock.now()
    const claims = this.#read(token, now)
    if (claims === undefined) return undefined
    const stored = await this.#deps.records.get(this.#keyOf(claims.sid))
    const record = stored === undefined ? undefined : decode(stored.value)
    if (stored === undefined || record === undefined) return undefined
    // No token outlives the record's end, so the end needs no look of its own.
    if (!matches(record, claims)) return undefined
    const known = await this.#deps.people.find(claims.sub)
    if (known === undefined) return undefined
    const session = { sid: claims.sid, person: known.record }
    if (now - claims.issued_at < SESSION_RENEW_AFTER_MS) {
      return { ...session, expiresAt: claims.expires_at, renewed: undefined }
    }
    const renewed = await this.#renew(record, claims, stored.revision)
    const expiresAt = Math.min(now + SESSION_TTL_MS, record.ends_at)
    return { ...session, expiresAt, renewed }
  }

  /** Ends a session at once and names its person; `undefined` where none was. */
  async end(token: string | undefined): Promise<PersonId | undefined> {
    const claims = this.#read(token, this.#deps.clock.now())
    if (claims === undefined) return undefined
    const key = this.#keyOf(claims.sid)
    for (;;) {
      const stored = await this.#deps.records.get(key)
      if (stored === undefined) return undefined
      const removed = await this.#deps.records.remove(key, stored.revision)
      if (removed.ok) return claims.sub
    }
  }

  /** Removes the records of sessions that are over. */
  async sweep(): Promise<void> {
    const now = this.#deps.clock.now()
    for (const stored of await this.#deps.records.list(this.#deps.tenant)) {
      const record = decode(stored.value)
      if (record === undefined || now >= record.ends_at) {
        await this.#deps.records.remove(stored.key, stored.revision)
      }
    }
  }

  async #renew(record: SessionRecord, claims: SessionClaims, revision: number): Promise<string> {
    const now = this.#deps.clock.now()
    if (claims.generation < record.generation) return this.#token(record, now)
    const next = { ...record, generation: record.generation + 1 }
    const replaced = await this.#deps.records.replace(
      this.#keyOf(record.sid),
      encode(next),
      revision,
    )
    // Somebody renewed or signed out at the same time: this token stays as it is.
    return this.#token(replaced.ok ? next : record, now)
  }

  #token(record: SessionRecord, now: number): string {
    const claims: SessionClaims = {
      iss: SESSION_ISS,
      aud: SESSION_AUD,
      tenant: this.#deps.tenant,
      sub: record.person,
      sid: record.sid,
      generation: record.generation,
      issued_at: now,
      expires_at: Math.min(now + SESSION_TTL_MS, record.ends_at),
    }
    const { kid, sign } = this.#deps.key
    return signJws({ typ: SESSION_TYP, kid, payload: { ...claims } }, sign)
  }

  #read(token: string | undefined, now: number): SessionClaims | undefined {
    if (token === undefined) return undefined
    const { key, tenant } = this.#deps
    const verified = verifyJws(token, {
      typ: SESSION_TYP,
      maxBytes: SESSION_TOKEN_MAX_BYTES,
      keyFor: (kid) => (kid === key.kid ? key.verify : undefined),
    })
    if (!verified.ok) return undefined
    const claims = readShape(claimsShape, verified.value.payload)
    if (!claims.ok || claims.value.tenant !== tenant) return undefined
    return now < claims.value.expires_at ? claims.value : undefined
  }

  #keyOf(sid: SessionId): string {
    return `${this.#deps.tenant}.${storedKey(sha256, 'session', sid)}`
  }
}

function matches(record: SessionRecord, claims: SessionClaims): boolean {
  const current =
    claims.generation === record.generation || claims.generation === record.generation - 1
  return current && record.sid === claims.sid && record.person === claims.sub
}

function encode(record: SessionRecord): Uint8Array {
  return utf8Encode(canonicalize({ ...record }))
}

function decode(value: Uint8Array): SessionRecord | undefined {
  const parsed = parseJsonObject(value, { maxBytes: SESSION_RECORD_MAX_BYTES })
  if (!parsed.ok) return undefined
  const read = readShape(recordShape, parsed.value)
  return read.ok ? read.value : undefined
}
