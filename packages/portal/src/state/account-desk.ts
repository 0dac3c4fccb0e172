import { problemSentence } from '../logic/problems.ts'
import type { LinkCode, OwnChannel, OwnPasskey, WaitingTerminal } from '../ports/account-shapes.ts'
import type { Answer, TerminalVerdict } from '../ports/api.ts'
import type { DeskDeps } from './ceremony.ts'

/** The person's own passkeys and sessions. Its calls give undefined when done, else a sentence. */
export class AccountDesk {
  readonly #deps: DeskDeps

  constructor(deps: DeskDeps) {
    this.#deps = deps
  }

  async load(): Promise<void> {
    const { ports, store } = this.#deps
    const [passkeys, sessions, channels] = await Promise.all([
      ports.api.passkeys(),
      ports.api.sessions(),
      ports.api.channels(),
    ])
    if (passkeys.ok && sessions.ok && channels.ok) {
      const account = { ...passkeys.value, ...sessions.value, ...channels.value }
      store.update({ account, accountProblem: undefined })
    } else {
      const problems = [passkeys, sessions, channels].map((answer) => this.#problem(answer))
      store.update({ accountProblem: problems.find((one) => one !== undefined) })
    }
  }

  async add(purpose: OwnPasskey['purpose'], name: string): Promise<string | undefined> {
    const { api, passkeys } = this.#deps.ports
    const begun = await api.passkeyBegin(purpose)
    if (!begun.ok) return this.#problem(begun)
    const { ceremony, options } = begun.value
    const made = await passkeys.create(options)
    if (!made.ok) return this.#problem(made)
    return this.#done(await api.passkeyFinish({ ceremony, name, response: made.value }), 'Added')
  }

  async rename(id: string, name: string): Promise<string | undefined> {
    return this.#done(await this.#deps.ports.api.passkeyRename(id, name), 'Renamed')
  }

  async remove(id: string): Promise<string | undefined> {
    return this.#done(await this.#deps.ports.api.passkeyRemove(id), 'Removed')
  }

  async endSession(sid: string): Promise<string | undefined> {
    return this.#done(await this.#deps.ports.api.endSession(sid), 'Signed out there')
  }

  /** Everywhere, this session too. */
  async endAll(): Promise<string | undefined> {
    const answer = await this.#deps.ports.api.endSessions(false)
    if (answer.ok) this.#deps.sessionLost()
    return this.#problem(answer)
  }

  /** A code to send to the chat, or a sentence. */
  async linkCode(channel: OwnChannel['channel']): Promise<LinkCode | string> {
    const answer = await this.#deps.ports.api.channelLink(channel)
    return answer.ok ? answer.value : (this.#problem(answer) ?? answer.title)
  }

  async unlink(channel: OwnChannel['channel']): Promise<string | undefined> {
    return this.#done(await this.#deps.ports.api.channelUnlink(channel), 'Unlinked')
  }

  /** The terminal that shows this code, or a sentence. */
  async lookAtTerminal(code: string): Promise<WaitingTerminal | string> {
    const answer = await this.#deps.ports.api.terminalLook(code)
    return answer.ok ? answer.value : (this.#problem(answer) ?? answer.title)
  }

  async decideOnTerminal(code: string, verdict: TerminalVerdict): Promise<string | undefined> {
    return this.#problem(await this.#deps.ports.api.terminalDecide(code, verdict))
  }

  async #done(answer: Answer<unknown>, said: string): Promise<string | undefined> {
    if (answer.ok) this.#deps.store.announce(said)
    await this.load()
    return this.#problem(answer)
  }

  #problem(answer: Answer<unknown>): string | undefined {
    if (answer.ok) return undefined
    if (answer.code === 'no_session') this.#deps.sessionLost()
    return problemSentence(answer.code, answer.title)
  }
}
