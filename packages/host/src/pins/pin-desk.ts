/** Where an admin says whose passkey executors may trust: begin, then sign with the approval passkey. */
import {
  base64urlDecode,
  canonicalize,
  type JsonObject,
  type PinStatement,
  POLICY_ADMIN_ROLE,
  pinKey,
  pinNoticeJson,
  statementHash,
  statementJson,
  utf8Encode,
} from '@trustgw/protocol'
import { BusFault, sha256 } from '@trustgw/runtime'
import { CEREMONY_TTL_MS, CeremonyBook } from '../ceremony/ceremony-book.ts'
import type { AssertionResponse } from '../ceremony/passkey-response.ts'
import { signedBy } from '../ceremony/passkeys.ts'
import { credentialFingerprint, newNonce } from '../crypto.ts'
import type { HostDeps } from '../deps.ts'
import type { PortalNews } from '../freezes/tell-portals.ts'
import { type Refused, refused } from '../http/problem.ts'
import type { PeopleStore } from '../people/people-store.ts'
import type { PasskeyRecord, PersonRecord } from '../people/person.ts'
import type { Session } from '../session/session-desk.ts'
import { type KnownPinsDeps, knownPins, type PinState } from './known-pins.ts'

export interface PinDeskDeps extends KnownPinsDeps {
  /** Where what is pinned may sign. */
  readonly origins: readonly string[]
  readonly people: PeopleStore
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
  readonly audit: HostDeps['audit']
  readonly tell: PortalNews
}

/** Whose passkey it is, and what the admin compared. */
export interface PinWish {
  readonly person: string
  readonly credential_id: string
  readonly fingerprint: string
}

interface Open {
  readonly statement: PinStatement
  readonly sid: string
}

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

/**
 * The host carries what an admin's passkey signed and pins nothing itself: each executor checks the
 * passkey against the pins that it has (spec/protocol.md §4 "Trust roots").
 */
export class PinDesk {
  readonly #deps: PinDeskDeps
  readonly #open = new CeremonyBook<Open>()

  constructor(deps: PinDeskDeps) {
    this.#deps = deps
  }

  /** Everybody, with the keys of their approval passkeys: whoever looks makes the fingerprint itself. */
  async list(): Promise<JsonObject> {
    const people = await this.#deps.people.list()
    const pins = await knownPins(people, this.#deps)
    return {
      people: people.map(({ person, name, roles, approval }) => ({
        id: person,
        name,
        roles: [...roles],
        passkeys: approval.map((passkey) => passkeyJson(passkey, pins.get(passkey.id))),
      })),
    }
  }

  async begin(session: Session, wish: PinWish): Promise<Answer> {
    const blocked = mayPin(session.person)
    if (blocked !== undefined) return blocked
    const found = await this.#find(wish)
    if ('ok' in found) return found
    const { tenant, origins, party, clock, random } = this.#deps
    const at = clock.now()
    const nonce = newNonce(random)
    const statement: PinStatement = {
      typ: 'trustgw/pin/1',
      tenant,
      person: found.person.person,
      roles: found.person.roles,
      credential_id: found.passkey.id,
      public_key: found.passkey.public_key,
      rp_id: found.passkey.rp_id,
      origins,
      admin: session.person.person,
      at,
      nonce,
    }
    const expires_at = at + CEREMONY_TTL_MS
    this.#open.open(nonce, { statement, sid: session.sid }, expires_at)
    return {
      ok: true,
      json: {
        statement: statementJson(statement),
        nonce,
        expires_at,
        rp_id: party.rpId,
        credential_ids: session.person.approval.map(({ id }) => id),
      },
    }
  }

  /** Stores the pin; `BusFault` where it could not be. */
  async finish(session: Session, nonce: string, given: AssertionResponse): Promise<Answer> {
    const { clock, party, pins, audit, tell } = this.#deps
    const open = this.#open.take(nonce, clock.now())
    if (open === undefined || open.sid !== session.sid) return refused('ceremony_unknown')
    const { statement } = open
    if (statement.admin !== session.person.person) return refused('ceremony_unknown')
    const blocked = mayPin(session.person)
    if (blocked !== undefined) return blocked
    const { person, credential_id, public_key } = statement
    const fingerprint = fingerprintOf(public_key)
    const event = {
      actor: { kind: 'human', id: statement.admin },
      payload: { person, credential_id, fingerprint },
    } as const
    const assertion = await signedBy(party, statement, session.person, given)
    if (assertion === undefined) {
      const payload = { ...event.payload, reason: 'signature_refused' }
      await audit.append('pin_refused', { ...event, payload })
      return refused('signature_refused')
    }
    // Before anything is written: without a record of who pinned it there is no pin.
    await audit.append('pin_given', event)
    const value = utf8Encode(canonicalize(pinNoticeJson({ v: 1, statement, assertion })))
    const key = pinKey(statement.tenant, statementHash(sha256, statement))
    const stored = await pins.create(key, value)
    if (!stored.ok) throw new BusFault('store_refused', 'the place of a pin is taken')
    tell('people')
    return { ok: true, json: { person, fingerprint } }
  }

  async #find(
    wish: PinWish,
  ): Promise<{ readonly person: PersonRecord; readonly passkey: PasskeyRecord } | Refused> {
    const people = await this.#deps.people.list()
    const person = people.find((one) => one.person === wish.person)
    const passkey = person?.approval.find(({ id }) => id === wish.credential_id)
    if (person === undefined || passkey === undefined) return refused('unknown_credential')
    if (fingerprintOf(passkey.public_key) !== wish.fingerprint)
      return refused('fingerprint_differs')
    const pin = (await knownPins(people, this.#deps)).get(passkey.id)
    if (pin === undefined) return { person, passkey }
    return refused(pin.kind === 'revoked' ? 'pin_revoked' : 'pin_exists')
  }
}

function mayPin({ roles, approval }: PersonRecord): Refused | undefined {
  if (!roles.includes(POLICY_ADMIN_ROLE)) return refused('role_missing')
  return approval.length === 0 ? refused('no_approval_credential') : undefined
}

function fingerprintOf(publicKey: string): string {
  return credentialFingerprint(base64urlDecode(publicKey) ?? new Uint8Array())
}

function passkeyJson(
  { id, public_key, rp_id, created_at }: PasskeyRecord,
  pin: PinState | undefined,
): JsonObject {
  return {
    credential_id: id,
    public_key,
    rp_id,
    created_at,
    pin: pin === undefined ? null : { ...pin },
  }
}
