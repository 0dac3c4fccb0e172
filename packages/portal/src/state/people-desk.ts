import { parseTenantId } from '@trustgw/protocol'
import {
  fingerprintOf,
  type ListedPasskey,
  type ListedPerson,
  signablePin,
} from '../logic/pinning.ts'
import { problemSentence } from '../logic/problems.ts'
import type { Answer } from '../ports/api.ts'
import type { LinkGiven, PersonDetail } from '../ports/people-shapes.ts'
import { sha256 } from '../ports/sha256.ts'
import { type DeskDeps, signStatement } from './ceremony.ts'

/** People and their approval passkeys, and how an admin has one pinned. */
export class PeopleDesk {
  readonly #deps: DeskDeps

  constructor(deps: DeskDeps) {
    this.#deps = deps
  }

  async load(): Promise<void> {
    const { ports, store, sessionLost } = this.#deps
    const answer = await ports.api.people()
    if (answer.ok) store.update({ people: answer.value.people, peopleProblem: undefined })
    else if (answer.code === 'no_session') sessionLost()
    else store.update({ peopleProblem: problemSentence(answer.code, answer.title) })
  }

  /** What only some may see of a person; a sentence where one may not, or nobody is there. */
  async show(id: string): Promise<PersonDetail | string> {
    return this.#valueOf(await this.#deps.ports.api.person(id))
  }

  /** A link for somebody new, which is kept nowhere; else a sentence. */
  async invite(id: string, roles: readonly string[]): Promise<LinkGiven | string> {
    return this.#valueOf(await this.#deps.ports.api.invite(id, roles))
  }

  /** The same for who lost every passkey. */
  async recover(id: string): Promise<LinkGiven | string> {
    return this.#valueOf(await this.#deps.ports.api.recover(id))
  }

  async setRoles(id: string, roles: readonly string[]): Promise<string | undefined> {
    return this.#said(await this.#deps.ports.api.setRoles(id, roles), 'Roles changed')
  }

  async remove(id: string): Promise<string | undefined> {
    return this.#said(await this.#deps.ports.api.removePerson(id), 'Removed')
  }

  async endSessions(id: string): Promise<string | undefined> {
    return this.#said(await this.#deps.ports.api.endSessionsOf(id), 'Signed out everywhere')
  }

  #valueOf<T>(answer: Answer<T>): T | string {
    if (answer.ok) return answer.value
    if (answer.code === 'no_session') this.#deps.sessionLost()
    return problemSentence(answer.code, answer.title)
  }

  #said(answer: Answer<unknown>, words: string): string | undefined {
    if (answer.ok) this.#deps.store.announce(words)
    const outcome = this.#valueOf(answer)
    return answer.ok ? undefined : String(outcome)
  }

  /** Undefined when it is stored; else a sentence. */
  async pin(person: ListedPerson, passkey: ListedPasskey): Promise<string | undefined> {
    const { ports, store, serverNow } = this.#deps
    const { api } = ports
    const session = store.get().session
    const tenant = parseTenantId(session?.tenant ?? '')
    const fingerprint = fingerprintOf(passkey, sha256)
    if (session === undefined || !tenant.ok) return problemSentence('no_session', '')
    if (fingerprint === undefined) return problemSentence('fingerprint_differs', '')
    const { credential_id } = passkey
    const problem = await signStatement(this.#deps, {
      begin: () => api.pinChallenge({ person: person.id, credential_id, fingerprint }),
      judge: ({ statement }) =>
        signablePin({ person, passkey }, statement, {
          tenant: tenant.value,
          admin: session.person.id,
          origin: location.origin,
          now: serverNow(),
          sha256,
        }),
      send: (nonce, assertion) => api.pinApply(nonce, assertion),
    })
    if (problem === undefined) store.announce('Pinned')
    await this.load()
    return problem
  }
}
