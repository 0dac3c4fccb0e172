import { parseTenantId } from '@trustgw/protocol'
import {
  fingerprintOf,
  type ListedPasskey,
  type ListedPerson,
  signablePin,
} from '../logic/pinning.ts'
import { problemSentence } from '../logic/problems.ts'
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
