import {
  base64urlDecode,
  type EnrolStatement,
  type JsonObject,
  POLICY_ADMIN_ROLE,
  type TenantId,
} from '@trustgw/protocol'
import { credentialFingerprint, newNonce } from '../crypto.ts'
import type { HostDeps } from '../deps.ts'
import { type Refused, refused } from '../http/problem.ts'
import type { Enrolment, EnrolmentFiles } from '../people/enrolment.ts'
import type { PeopleStore } from '../people/people-store.ts'
import { type PasskeyRecord, type PersonRecord, withEnrolment } from '../people/person.ts'
import type { RevokePins } from '../pins/revoke-pins.ts'
import { CEREMONY_TTL_MS, CeremonyBook } from './ceremony-book.ts'
import type { RegistrationResponse } from './passkey-response.ts'
import {
  challengeOf,
  checkRegistration,
  creationOptions,
  type Parties,
  pinnedOrigins,
} from './passkeys.ts'

interface LoginStep {
  readonly step: 'login'
  readonly token: string
  readonly enrolment: Enrolment
  readonly name: string
  readonly challenge: string
  readonly expiresAt: number
}

interface ApprovalStep extends Omit<LoginStep, 'step'> {
  readonly step: 'approval'
  readonly login: PasskeyRecord
}

export interface EnrolmentDeps {
  readonly tenant: TenantId
  readonly parties: Parties
  readonly files: EnrolmentFiles
  readonly people: PeopleStore
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
  readonly audit: HostDeps['audit']
  readonly log: HostDeps['log']
  readonly onEnrolled: HostDeps['onEnrolled']
  readonly revokePins: RevokePins
}

export interface EnrolledPerson {
  readonly ok: true
  readonly person: PersonRecord
  readonly fingerprint: string
  /** All former passkeys of the person are gone; sessions are NOT ended here. */
  readonly recovered: boolean
}

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

/**
 * Makes a person of an enrolment link: first a passkey for signing in, then one for approvals,
 * each under a typed statement of its own. Nothing is stored before both are proved; the token is
 * used up where the person is written, by compare-and-swap.
 */
export class EnrolmentDesk {
  readonly #deps: EnrolmentDeps
  readonly #open = new CeremonyBook<LoginStep | ApprovalStep>()

  constructor(deps: EnrolmentDeps) {
    this.#deps = deps
  }

  async begin(token: string, name: string): Promise<Answer> {
    const now = this.#deps.clock.now()
    const enrolment = await this.#unused(token, now)
    if (enrolment === undefined) return await this.#refuseToken()
    const ceremony = newNonce(this.#deps.random)
    const expiresAt = now + CEREMONY_TTL_MS
    const challenge = this.#challenge(enrolment, 'login', expiresAt)
    this.#open.open(
      ceremony,
      { step: 'login', token, enrolment, name, challenge, expiresAt },
      expiresAt,
    )
    const { person } = enrolment
    const exclude = await this.#held(enrolment, 'login')
    const request = { challenge, purpose: 'login', person, name, exclude } as const
    return {
      ok: true,
      json: {
        ceremony,
        person: { id: enrolment.person, name, roles: [...enrolment.roles] },
        login_options: creationOptions(this.#deps.parties.login, request),
      },
    }
  }

  async login(ceremony: string, response: RegistrationResponse): Promise<Answer> {
    const now = this.#deps.clock.now()
    const open = this.#open.take(ceremony, now)
    if (open?.step !== 'login') return refused('ceremony_unknown')
    const made = await checkRegistration(this.#deps.parties.login, open.challenge, response)
    if (made === undefined) return refused('registration_refused')
    const challenge = this.#challenge(open.enrolment, 'approval', open.expiresAt)
    const login = { ...made, created_at: now }
    this.#open.open(ceremony, { ...open, step: 'approval', challenge, login }, open.expiresAt)
    const { person } = open.enrolment
    const exclude = await this.#held(open.enrolment, 'approval')
    const request = { challenge, purpose: 'approval', person, name: open.name, exclude } as const
    return {
      ok: true,
      json: { approval_options: creationOptions(this.#deps.parties.portal, request) },
    }
  }

  async finish(
    ceremony: string,
    response: RegistrationResponse,
  ): Promise<EnrolledPerson | Refused> {
    const now = this.#deps.clock.now()
    const open = this.#open.take(ceremony, now)
    if (open?.step !== 'approval') return refused('ceremony_unknown')
    const made = await checkRegistration(this.#deps.parties.portal, open.challenge, response)
    if (made === undefined) return refused('registration_refused')
    if (made.id === open.login.id || made.public_key === open.login.public_key) {
      return refused('registration_refused', 'the two passkeys must differ')
    }
    // The link may have been taken back while the person was at it.
    const enrolment = await this.#unused(open.token, now)
    if (enrolment === undefined) return await this.#refuseToken()
    const approval = { ...made, created_at: now }
    const fingerprint = credentialFingerprint(
      base64urlDecode(approval.public_key) ?? new Uint8Array(),
    )
    const person = await this.#store(enrolment, open, { approval, fingerprint })
    if (person === undefined) return await this.#refuseToken()
    await this.#deps.files.remove(enrolment.id)
    this.#announce(person, approval, fingerprint)
    return { ok: true, person, fingerprint, recovered: enrolment.kind === 'recovery' }
  }

  /** An admin's link holds while its giver is an admin, and makes a person or recovers one, not both. */
  async #unused(token: string, now: number): Promise<Enrolment | undefined> {
    const enrolment = await this.#deps.files.find(token, now)
    if (enrolment === undefined) return undefined
    const { people } = this.#deps
    const known = (await people.findEver(enrolment.person))?.record
    if (known?.enrolments.includes(enrolment.id) === true) return undefined
    if (enrolment.by === undefined) return enrolment
    const admin = await people.find(enrolment.by)
    if (admin?.record.roles.includes(POLICY_ADMIN_ROLE) !== true) return undefined
    if (known?.person === enrolment.by || !fits(enrolment, known)) return undefined
    // The roles of this moment, not those when the link was given.
    return known === undefined ? enrolment : { ...enrolment, roles: known.roles }
  }

  /** Passkeys that stay beside the new one, so that a device which holds one makes no second. */
  async #held(
    { person, kind }: Enrolment,
    purpose: 'login' | 'approval',
  ): Promise<readonly string[]> {
    if (kind === 'recovery') return []
    return (await this.#deps.people.find(person))?.record[purpose].map(({ id }) => id) ?? []
  }

  async #store(
    enrolment: Enrolment,
    open: ApprovalStep,
    made: { readonly approval: PasskeyRecord; readonly fingerprint: string },
  ): Promise<PersonRecord | undefined> {
    const { tenant, people, clock, audit } = this.#deps
    const { approval, fingerprint } = made
    if (await people.hasPasskey([open.login.id, approval.id])) return undefined
    const known = await people.findEver(enrolment.person)
    if (!fits(enrolment, known?.record)) return undefined
    const replaces = enrolment.kind === 'recovery'
    const next = withEnrolment({ tenant, person: enrolment.person }, known?.record, {
      enrolment: enrolment.id,
      name: open.name,
      roles: enrolment.roles,
      login: open.login,
      approval,
      now: clock.now(),
      replaces,
    })
    if (!next.ok) return undefined
    // On record before it holds; an enrolment that then loses a race is followed by its refusal.
    await audit.append('person_enrolled', {
      actor: { kind: 'human', id: enrolment.person },
      payload: { enrolment: enrolment.id, roles: enrolment.roles.join(' '), fingerprint },
    })
    if (replaces) await this.#deps.revokePins(known?.record.approval ?? [], 'person_recovered')
    return (await people.save(next.value, known?.revision)) ? next.value : undefined
  }

  /** Tells the supervisor. A fault there is not the person's: she is enrolled. */
  #announce(person: PersonRecord, approval: PasskeyRecord, fingerprint: string): void {
    const { tenant, parties, log } = this.#deps
    try {
      this.#deps.onEnrolled({
        kind: 'enrolled',
        tenant,
        person: person.person,
        name: person.name,
        roles: person.roles,
        credential_id: approval.id,
        public_key: approval.public_key,
        rp_id: approval.rp_id,
        origins: pinnedOrigins(parties),
        fingerprint,
      })
    } catch {
      log.error('enrolled_not_announced', { person: person.person })
    }
  }

  async #refuseToken(): Promise<Refused> {
    await this.#deps.audit.append('enrolment_refused', {
      actor: { kind: 'system', id: 'host' },
      payload: { code: 'enrolment_refused' },
    })
    return refused('enrolment_refused')
  }

  #challenge(enrolment: Enrolment, purpose: 'login' | 'approval', expiresAt: number): string {
    const statement: EnrolStatement = {
      typ: 'trustgw/enrol/1',
      tenant: this.#deps.tenant,
      person: enrolment.person,
      purpose,
      nonce: newNonce(this.#deps.random),
      expires_at: expiresAt,
    }
    return challengeOf(statement)
  }
}

/** An invitation makes somebody new, a recovery brings back who is here, the operator's link does either. */
function fits({ kind }: Enrolment, known: PersonRecord | undefined): boolean {
  if (kind === undefined) return true
  return kind === 'invitation'
    ? known === undefined
    : known !== undefined && known.removed_at === undefined
}
