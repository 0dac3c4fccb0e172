import {
  base64urlDecode,
  type JsonObject,
  type LoginStatement,
  type TenantId,
  utf8Decode,
} from '@trustgw/protocol'
import { newNonce } from '../crypto.ts'
import type { HostDeps } from '../deps.ts'
import { type Refused, refused } from '../http/problem.ts'
import type { PeopleStore } from '../people/people-store.ts'
import { type PersonId, type PersonRecord, userHandle } from '../people/person.ts'
import { CEREMONY_TTL_MS, CeremonyBook } from './ceremony-book.ts'
import type { AssertionResponse } from './passkey-response.ts'
import { challengeOf, checkAssertion, type RelyingParty, requestOptions } from './passkeys.ts'

/** Above this many sign-in passkeys the authenticator chooses from what it holds. */
export const LOGIN_CREDENTIALS_LISTED_MAX_COUNT = 64

export interface LoginDeps {
  readonly tenant: TenantId
  readonly party: RelyingParty
  readonly people: PeopleStore
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
  readonly audit: HostDeps['audit']
}

export type LoginOutcome = { readonly ok: true; readonly person: PersonRecord } | Refused

/** Signs people in by a passkey over `trustgw/login/1`; approval passkeys are refused. */
export class LoginDesk {
  readonly #deps: LoginDeps
  readonly #open = new CeremonyBook<string>()

  constructor(deps: LoginDeps) {
    this.#deps = deps
  }

  /**
   * Lists the sign-in passkeys of the tenant while they are few, so that a browser does not offer
   * those for approvals. Their ids are thereby known to whoever reaches the portal; they open
   * nothing.
   */
  async begin(): Promise<JsonObject> {
    const { clock, random, party, tenant, people } = this.#deps
    const listed = (await people.list()).flatMap(({ login }) => login.map(({ id }) => id))
    const expiresAt = clock.now() + CEREMONY_TTL_MS
    const statement: LoginStatement = {
      typ: 'trustgw/login/1',
      tenant,
      origin: party.origin,
      rp_id: party.rpId,
      nonce: newNonce(random),
      expires_at: expiresAt,
    }
    const challenge = challengeOf(statement)
    const ceremony = newNonce(random)
    this.#open.open(ceremony, challenge, expiresAt)
    const ids = listed.length > LOGIN_CREDENTIALS_LISTED_MAX_COUNT ? [] : listed
    return {
      ceremony,
      options: requestOptions(party, challenge, ids),
      statement: { ...statement },
    }
  }

  /** `by`: only this person will do, who is signed in already and proves it again. */
  async finish(ceremony: string, given: AssertionResponse, by?: PersonId): Promise<LoginOutcome> {
    const challenge = this.#open.take(ceremony, this.#deps.clock.now())
    if (challenge === undefined) return refused('ceremony_unknown')
    const proved = await this.#check(challenge, given)
    const isOther = proved.ok && by !== undefined && proved.person.person !== by
    const outcome = isOther ? refused('login_refused') : proved
    const good = by === undefined ? 'signed_in' : 'stepped_up'
    await this.#deps.audit.append(outcome.ok ? good : 'sign_in_refused', {
      actor: outcome.ok
        ? { kind: 'human', id: outcome.person.person }
        : { kind: 'system', id: 'host' },
      payload: outcome.ok ? {} : { code: outcome.reason },
    })
    return outcome
  }

  async #check(challenge: string, given: AssertionResponse): Promise<LoginOutcome> {
    const { people, party } = this.#deps
    const person = (await people.list()).find(
      ({ login, approval }) =>
        login.some(({ id }) => id === given.id) || approval.some(({ id }) => id === given.id),
    )
    if (person === undefined) return refused('login_refused')
    const passkey = person.login.find(({ id }) => id === given.id)
    if (passkey === undefined) return refused('wrong_credential')
    if (!handleFits(given, person)) return refused('login_refused')
    const holds = await checkAssertion(party, challenge, passkey, given)
    if (!holds) return refused('login_refused')
    await this.#noteUse(person.person, passkey.id)
    return { ok: true, person }
  }

  /** A note, no proof: where somebody writes the person at the same time, it is left out. */
  async #noteUse(person: PersonId, id: string): Promise<void> {
    const { people, clock } = this.#deps
    const known = await people.find(person)
    if (known === undefined) return
    const login = known.record.login.map((one) =>
      one.id === id ? { ...one, used_at: clock.now() } : one,
    )
    await people.save({ ...known.record, login }, known.revision)
  }
}

/** An authenticator that names a user must name this person, for signing in. */
function handleFits(given: AssertionResponse, person: PersonRecord): boolean {
  const { userHandle: handle } = given.response
  if (handle === undefined || handle === null) return true
  const bytes = base64urlDecode(handle)
  const text = bytes === undefined ? undefined : utf8Decode(bytes)
  return text?.ok === true && text.value === userHandle('login', person.person)
}
