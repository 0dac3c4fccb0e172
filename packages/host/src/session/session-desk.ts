import { type JsonObject, makeId, storedKey, type TenantId } from '@trustgw/protocol'
import { type RecordStore, type StoredRecord, sha256 } from '@trustgw/runtime'
import type { HostDeps, HostKey } from '../deps.ts'
import type { PeopleStore } from '../people/people-store.ts'
import type { PersonId, PersonRecord } from '../people/person.ts'
import {
  decodeSession,
  encodeSession,
  type SessionId,
  type SessionKind,
  type SessionRecord,
} from './session-record.ts'
import { readSessionToken, type SessionToken, signSessionToken } from './session-token.ts'

/** How long a session token holds without use. */
export const SESSION_TTL_MS: number = 15 * 60_000
/** How long the session of a terminal lasts. Its token is never replaced. */
export const TERMINAL_SESSION_MS: number = 8 * 60 * 60_000
/** How long a session lasts whatever is done. */
export const SESSION_MAX_MS: number = 12 * 60 * 60_000
/** A token of this age is replaced when it is used. */
export const SESSION_RENEW_AFTER_MS = 60_000
/**
 * How long a replaced token is still taken once its successor came back: for calls that were under way.
 * Before that it is taken as long as it holds, since the answer with its successor may have been lost.
 */
export const SESSION_GRACE_MS = 30_000
/** How long the use of a passkey counts as recent. */
export const STEP_UP_MS: number = 5 * 60_000
/** How often ended sessions are removed. */
export const SESSION_SWEEP_MS: number = 60 * 60_000

const ID_RANDOM_BYTES = 16

/** spec/protocol.md §8: 5 while a passkey was used lately, otherwise 3. */
type AuthLevel = 3 | 5

/** A checked session: the person is as stored now, not as it was at sign-in. */
export interface Session {
  readonly kind: SessionKind
  readonly sid: SessionId
  readonly person: PersonRecord
  readonly expiresAt: number
  readonly authLevel: AuthLevel
  /** When a passkey was last used for this session. */
  readonly authTime: number
  /** A token that replaces the cookie's, where it was time for one. */
  readonly renewed: string | undefined
}

export interface SessionDeps {
  readonly tenant: TenantId
  readonly records: RecordStore
  readonly people: PeopleStore
  readonly key: HostKey
  readonly audit: HostDeps['audit']
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
}

/** What a new session is answered with. */
export interface StartedSession {
  readonly token: string
  readonly expiresAt: number
  readonly authLevel: AuthLevel
  readonly authTime: number
  /** Sessions of this person that an older token ended since the last sign-in. */
  readonly replayed: number
}

const LASTS_MS: Readonly<Record<SessionKind, number>> = {
  portal: SESSION_MAX_MS,
  terminal: TERMINAL_SESSION_MS,
}

interface Opened extends Found {
  readonly token: SessionToken
  readonly person: PersonRecord
}

interface Found {
  readonly record: SessionRecord
  readonly stored: StoredRecord
}

/**
 * Sessions of people: a signed token in a cookie, and a record whose absence revokes it at once.
 * A token is replaced as it is used, and its predecessor is taken for a short while, so that an
 * answer lost on its way signs nobody out. One that comes back later is a copy: since nobody can
 * tell whose, the session ends for both holders (spec/protocol.md §8).
 */
export class SessionDesk {
  readonly #deps: SessionDeps

  constructor(deps: SessionDeps) {
    this.#deps = deps
  }

  async start({ person }: PersonRecord, device: string): Promise<StartedSession> {
    const now = this.#deps.clock.now()
    const replayed = await this.#forgetReplayed(person)
    const record = await this.#create('portal', person, device, now)
    const expiresAt = now + SESSION_TTL_MS
    return { token: this.#token(record, now), expiresAt, authLevel: 5, authTime: now, replayed }
  }

  /** A session for a terminal that a person let in; its token holds as long as the session. */
  async startTerminal({ person }: PersonRecord, device: string): Promise<string> {
    const now = this.#deps.clock.now()
    return this.#token(await this.#create('terminal', person, device, now), now)
  }

  /** The session of a bearer, or `undefined`: a cookie's token, forged, expired, ended, person gone. */
  async checkTerminal(text: string): Promise<Session | undefined> {
    const now = this.#deps.clock.now()
    const found = await this.#opened('terminal', text, now)
    if (found === undefined) return undefined
    const { record, token, person } = found
    const isUsed = now - record.renewed_at >= SESSION_RENEW_AFTER_MS
    // A note, no proof: where the session is written at the same time, it is left out.
    if (isUsed) await this.#replace(found, { ...record, renewed_at: now })
    return {
      kind: 'terminal',
      sid: token.sid,
      person,
      authLevel: 3,
      authTime: record.auth_time,
      expiresAt: token.expiresAt,
      renewed: undefined,
    }
  }

  /** The session of a cookie, or `undefined`: forged, expired, ended, person gone. */
  async check(text: string | undefined): Promise<Session | undefined> {
    const now = this.#deps.clock.now()
    const found = await this.#opened('portal', text, now)
    if (found === undefined) return undefined
    const { record, token, person } = found
    const session = {
      kind: 'portal',
      sid: token.sid,
      person,
      authLevel: authLevel(record, now),
      authTime: record.auth_time,
    } as const
    const renewed = await this.#renew(found, token, now)
    if (renewed === undefined) return { ...session, expiresAt: token.expiresAt, renewed }
    return { ...session, expiresAt: Math.min(now + SESSION_TTL_MS, record.ends_at), renewed }
  }

  /** Whose session this is, as stored now; undefined: it is over, or another's. It renews nothing. */
  async personOf(person: PersonId, sid: SessionId): Promise<PersonRecord | undefined> {
    const found = await this.#find(sid)
    if (found?.record.person !== person || found.record.state !== 'open') return undefined
    if (this.#deps.clock.now() >= lastMomentOf(found.record)) return undefined
    return await this.#holder(found.record)
  }

  /** Ends a session at once and names its person; `undefined` where none was. */
  async end(text: string | undefined): Promise<PersonId | undefined> {
    const token = readSessionToken(this.#deps, 'portal', text, this.#deps.clock.now())
    if (token === undefined) return undefined
    return (await this.endOne(token.person, token.sid)) ? token.person : undefined
  }

  /** Ends one session of a person. False: the person has no such session. */
  async endOne(person: PersonId, sid: SessionId): Promise<boolean> {
    for (;;) {
      const found = await this.#find(sid)
      if (found?.record.person !== person || found.record.state !== 'open') return false
      const removed = await this.#deps.records.remove(found.stored.key, found.stored.revision)
      if (removed.ok) return true
    }
  }

  /** Ends every session of a person, but one where it is named; tells how many there were. */
  async endAll(person: PersonId, except?: SessionId): Promise<number> {
    let ended = 0
    for (const { sid } of await this.#open(person)) {
      if (sid !== except && (await this.endOne(person, sid))) ended += 1
    }
    return ended
  }

  /** Sessions of a person that somebody may be using. */
  async count(person: PersonId): Promise<number> {
    return (await this.#open(person)).length
  }

  /** Somebody's own sessions, newest first. */
  async list({ sid: own, person }: Session): Promise<readonly JsonObject[]> {
    const records = await this.#open(person.person)
    return [...records]
      .sort((a, b) => b.created_at - a.created_at)
      .map(({ sid, kind, created_at, renewed_at, ends_at, device }) => ({
        sid,
        kind,
        created_at,
        used_at: renewed_at,
        ends_at,
        device,
        current: sid === own,
      }))
  }

  /** A passkey was used for this session now. False: the session ended meanwhile. */
  async stepUp({ sid }: Session): Promise<boolean> {
    for (;;) {
      const found = await this.#find(sid)
      if (found?.record.state !== 'open') return false
      const next = { ...found.record, auth_time: this.#deps.clock.now() }
      if (await this.#replace(found, next)) return true
    }
  }

  /** Removes the records of sessions that are over. */
  async sweep(): Promise<void> {
    const now = this.#deps.clock.now()
    for (const stored of await this.#deps.records.list(this.#deps.tenant)) {
      const record = decodeSession(stored.value)
      if (record === undefined || now >= record.ends_at) {
        await this.#deps.records.remove(stored.key, stored.revision)
      }
    }
  }

  async #create(
    kind: SessionKind,
    person: PersonId,
    device: string,
    now: number,
  ): Promise<SessionRecord> {
    const record: SessionRecord = {
      v: 1,
      sid: makeId('session', this.#deps.random.bytes(ID_RANDOM_BYTES)),
      kind,
      person,
      state: 'open',
      generation: 1,
      created_at: now,
      renewed_at: now,
      taken_at: now,
      auth_time: now,
      ends_at: now + LASTS_MS[kind],
      device,
    }
    const created = await this.#deps.records.create(this.#keyOf(record.sid), encodeSession(record))
    if (!created.ok) throw new TypeError('a session id was drawn twice')
    return record
  }

  /** What a token of this kind stands for, while its record and its person are there. */
  async #opened(
    kind: SessionKind,
    text: string | undefined,
    now: number,
  ): Promise<Opened | undefined> {
    const token = readSessionToken(this.#deps, kind, text, now)
    const found = token === undefined ? undefined : await this.#find(token.sid)
    if (token === undefined || found === undefined) return undefined
    const { record } = found
    // No token outlives the record's end, so the end needs no look of its own.
    const isItsOwn = record.kind === kind && record.person === token.person
    if (record.state !== 'open' || !isItsOwn) return undefined
    if (isReplay(record, token, now)) {
      await this.#endReplayed(found)
      return undefined
    }
    const person = await this.#holder(record)
    return person === undefined ? undefined : { ...found, token, person }
  }

  /** Whose session it is, as stored now; undefined: gone, or recovered since it began. */
  async #holder(record: SessionRecord): Promise<PersonRecord | undefined> {
    const person = (await this.#deps.people.find(record.person))?.record
    return record.created_at < (person?.recovered_at ?? 0) ? undefined : person
  }

  /** A token in place of an old one; none while it is young, or where another call was faster. */
  async #renew(found: Found, token: SessionToken, now: number): Promise<string | undefined> {
    const { record } = found
    if (token.generation < record.generation) return this.#token(record, now)
    if (now - token.issuedAt < SESSION_RENEW_AFTER_MS) {
      // Another call may be faster; then the next one notes it.
      if (record.taken_at === null) await this.#replace(found, { ...record, taken_at: now })
      return undefined
    }
    const generation = record.generation + 1
    const next = { ...record, generation, renewed_at: now, taken_at: null }
    return (await this.#replace(found, next)) ? this.#token(next, now) : undefined
  }

  async #endReplayed(found: Found): Promise<void> {
    let latest: Found | undefined = found
    while (latest?.record.state === 'open') {
      if (await this.#replace(latest, { ...latest.record, state: 'replayed' })) {
        await this.#deps.audit.append('session_replayed', {
          actor: { kind: 'system', id: 'host' },
          payload: { person: latest.record.person, session: latest.record.sid },
        })
        return
      }
      latest = await this.#find(found.record.sid)
    }
  }

  async #forgetReplayed(person: PersonId): Promise<number> {
    let count = 0
    for (const { record, stored } of await this.#all(person)) {
      if (record.state !== 'replayed') continue
      const removed = await this.#deps.records.remove(stored.key, stored.revision)
      if (removed.ok) count += 1
    }
    return count
  }

  async #open(person: PersonId): Promise<readonly SessionRecord[]> {
    const now = this.#deps.clock.now()
    return (await this.#all(person))
      .map(({ record }) => record)
      .filter((record) => record.state === 'open' && now < lastMomentOf(record))
  }

  async #all(person: PersonId): Promise<readonly Found[]> {
    const all = await this.#deps.records.list(this.#deps.tenant)
    return all.flatMap((stored) => {
      const record = decodeSession(stored.value)
      return record?.person === person ? [{ record, stored }] : []
    })
  }

  async #find(sid: SessionId): Promise<Found | undefined> {
    const stored = await this.#deps.records.get(this.#keyOf(sid))
    const record = stored === undefined ? undefined : decodeSession(stored.value)
    if (stored === undefined || record?.sid !== sid) return undefined
    return { record, stored }
  }

  async #replace({ stored }: Found, next: SessionRecord): Promise<boolean> {
    const value = encodeSession(next)
    return (await this.#deps.records.replace(stored.key, value, stored.revision)).ok
  }

  #token({ kind, person, sid, generation, ends_at }: SessionRecord, now: number): string {
    const expiresAt = kind === 'terminal' ? ends_at : Math.min(now + SESSION_TTL_MS, ends_at)
    return signSessionToken(this.#deps, { kind, person, sid, generation, issuedAt: now, expiresAt })
  }

  #keyOf(sid: SessionId): string {
    return `${this.#deps.tenant}.${storedKey(sha256, 'session', sid)}`
  }
}

function authLevel({ auth_time }: SessionRecord, now: number): AuthLevel {
  return now - auth_time < STEP_UP_MS ? 5 : 3
}

/** Until when some token of a session may hold. */
function lastMomentOf({ kind, renewed_at, ends_at }: SessionRecord): number {
  const unused = renewed_at + SESSION_GRACE_MS + SESSION_TTL_MS
  return kind === 'terminal' ? ends_at : Math.min(ends_at, unused)
}

function isReplay(record: SessionRecord, { generation }: SessionToken, now: number): boolean {
  if (generation === record.generation) return false
  const isPrevious = generation === record.generation - 1
  const isTaken = record.taken_at !== null && now - record.taken_at > SESSION_GRACE_MS
  return !isPrevious || isTaken
}
