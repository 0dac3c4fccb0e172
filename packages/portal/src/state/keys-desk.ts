import { problemSentence } from '../logic/problems.ts'
import type { DeskDeps } from './ceremony.ts'

/** Keys of the installation, as the host believes them. */
export class KeysDesk {
  readonly #deps: DeskDeps

  constructor(deps: DeskDeps) {
    this.#deps = deps
  }

  /** What was known stays when it cannot be fetched, with a sentence that says so. */
  async load(): Promise<void> {
    const { ports, sessionLost, store } = this.#deps
    const answer = await ports.api.keys()
    if (answer.ok) store.update({ keys: answer.value, keysProblem: undefined })
    else if (answer.code === 'no_session') sessionLost()
    else store.update({ keysProblem: problemSentence(answer.code, answer.title) })
  }
}
