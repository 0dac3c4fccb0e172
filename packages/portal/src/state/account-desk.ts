import { problemSentence } from '../logic/words.ts'
import type { OwnSession } from '../ports/account-shapes.ts'
import type { Answer } from '../ports/api.ts'
import type { DeskDeps } from './ceremony.ts'

/** Where a person is signed in, and how that ends. What is refused comes back as a sentence. */
export class AccountDesk {
  readonly #deps: DeskDeps
  readonly #signedOut: () => void

  constructor(deps: DeskDeps, signedOut: () => void) {
    this.#deps = deps
    this.#signedOut = signedOut
  }

  /** The person's own open sessions, or a sentence. */
  async sessions(): Promise<readonly OwnSession[] | string> {
    const answer = await this.#deps.ports.api.sessions()
    return answer.ok ? answer.value.sessions : this.#sentenceOf(answer)
  }

  async end({ sid }: OwnSession): Promise<string | undefined> {
    const answer = await this.#deps.ports.api.endSession(sid)
    return this.#told(answer, 'Signed out there')
  }

  async endOthers(): Promise<string | undefined> {
    const answer = await this.#deps.ports.api.endSessions(true)
    return this.#told(answer, 'Signed out everywhere else')
  }

  async endAll(): Promise<string | undefined> {
    const answer = await this.#deps.ports.api.endSessions(false)
    if (!answer.ok) return this.#sentenceOf(answer)
    this.#signedOut()
    return undefined
  }

  /** Of another person, by an admin; asks for the sign-in passkey again where that is too long ago. */
  async endOf(person: string): Promise<string | undefined> {
    const { api } = this.#deps.ports
    let answer = await api.endSessionsOf(person)
    if (!answer.ok && answer.code === 'step_up_required') {
      const refused = await this.#stepUp()
      if (refused !== undefined) return refused
      answer = await api.endSessionsOf(person)
    }
    return this.#told(answer, `${person} is signed out everywhere`)
  }

  async #stepUp(): Promise<string | undefined> {
    const { api, passkeys } = this.#deps.ports
    const begun = await api.stepUpBegin()
    if (!begun.ok) return this.#sentenceOf(begun)
    const signed = await passkeys.sign(begun.value.options)
    if (!signed.ok) return this.#sentenceOf(signed)
    const finished = await api.stepUpFinish(begun.value.ceremony, signed.value)
    return finished.ok ? undefined : this.#sentenceOf(finished)
  }

  #told(answer: Answer<unknown>, words: string): string | undefined {
    if (!answer.ok) return this.#sentenceOf(answer)
    this.#deps.store.announce(words)
    return undefined
  }

  #sentenceOf({ code, title }: { readonly code: string; readonly title: string }): string {
    if (code === 'no_session') this.#deps.sessionLost()
    return problemSentence(code, title)
  }
}
