import { parseTenantId } from '@trustgw/protocol'
import { type AgentDraft, newKey, signableAgent } from '../logic/agents.ts'
import { problemSentence } from '../logic/problems.ts'
import { sha256 } from '../ports/sha256.ts'
import { type DeskDeps, signStatement } from './ceremony.ts'

const randomBytes = (count: number): Uint8Array => crypto.getRandomValues(new Uint8Array(count))

/** Agents and their keys, and how an admin registers one. */
export class AgentsDesk {
  readonly #deps: DeskDeps

  constructor(deps: DeskDeps) {
    this.#deps = deps
  }

  async load(): Promise<void> {
    const { ports, store, sessionLost } = this.#deps
    const answer = await ports.api.agents()
    if (answer.ok) store.update({ agents: answer.value.agents, agentsProblem: undefined })
    else if (answer.code === 'no_session') sessionLost()
    else store.update({ agentsProblem: problemSentence(answer.code, answer.title) })
  }

  /** `shown` gets the new key, once; no other copy of it exists. A sentence where nothing was made. */
  async register(draft: AgentDraft, shown: (key: string) => void): Promise<string | undefined> {
    const { ports, store, serverNow } = this.#deps
    const { api } = ports
    const session = store.get().session
    const tenant = parseTenantId(session?.tenant ?? '')
    if (session === undefined || !tenant.ok) return problemSentence('no_session', '')
    const key = newKey(tenant.value, randomBytes, sha256)
    const { key_id, secret_hash } = key
    const problem = await signStatement(this.#deps, {
      begin: () => api.agentChallenge({ ...draft, key_id, secret_hash }),
      judge: ({ statement }) =>
        signableAgent({ draft, key }, statement, {
          tenant: tenant.value,
          admin: session.person.id,
          now: serverNow(),
          sha256,
        }),
      send: (nonce, assertion) => api.agentApply(nonce, assertion),
    })
    if (problem === undefined) {
      shown(key.text)
      store.announce('Registered')
    }
    await this.load()
    return problem
  }
}
