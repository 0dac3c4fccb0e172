import { type FreezeScope, parseTenantId } from '@trustgw/protocol'
import { type FreezeWish, freezeViews, signableFreeze } from '../logic/freezes.ts'
import { problemSentence } from '../logic/problems.ts'
import { sha256 } from '../ports/sha256.ts'
import { type DeskDeps, signStatement } from './ceremony.ts'

/** Freezes as the portal knows them, and how a person makes and ends one. */
export class FreezeDesk {
  readonly #deps: DeskDeps
  #asked = 0

  constructor(deps: DeskDeps) {
    this.#deps = deps
  }

  /** What was known stays when it cannot be fetched, and the page says so. */
  async load(): Promise<void> {
    const { ports, store, sessionLost } = this.#deps
    const before = store.get().freezes
    // Of two answers on their way the later question counts.
    const asked = ++this.#asked
    const answer = await ports.api.freezes()
    if (asked !== this.#asked) return
    if (!answer.ok) {
      if (answer.code === 'no_session') sessionLost()
      else store.update({ freezesProblem: problemSentence(answer.code, answer.title) })
      return
    }
    const tenant = store.get().session?.tenant ?? ''
    const freezes = freezeViews(answer.value.freezes, tenant, sha256)
    store.update({ freezes, freezesProblem: undefined })
    const count = freezes.length
    if (count > (before?.length ?? 0)) store.announce('Something was frozen')
    else if (before !== undefined && count < before.length) store.announce('A freeze is over')
  }

  /** Opens the dialog that freezes. */
  ask(scope: FreezeScope): void {
    this.#deps.store.update({ freezing: scope })
  }

  close(): void {
    this.#deps.store.update({ freezing: undefined })
  }

  /** Undefined when it is stored; else a sentence. */
  async sign(wish: FreezeWish): Promise<string | undefined> {
    const { ports, store, serverNow } = this.#deps
    const { api } = ports
    const session = store.get().session
    const tenant = parseTenantId(session?.tenant ?? '')
    if (session === undefined || !tenant.ok) return problemSentence('no_session', '')
    const problem = await signStatement(this.#deps, {
      begin: () => api.freezeChallenge(wish),
      judge: ({ statement }) =>
        signableFreeze(wish, statement, {
          tenant: tenant.value,
          person: session.person.id,
          now: serverNow(),
          sha256,
        }),
      send: (nonce, assertion) => api.freezeApply(nonce, assertion),
    })
    await this.load()
    return problem
  }
}
