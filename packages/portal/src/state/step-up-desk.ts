import { problemSentence } from '../logic/problems.ts'
import type { DeskDeps } from './ceremony.ts'

/** One dialog for the sign-in passkey, however many calls wait for it. */
export class StepUpDesk {
  readonly #deps: DeskDeps
  readonly #waiting: ((given: boolean) => void)[] = []

  constructor(deps: DeskDeps) {
    this.#deps = deps
  }

  /** Opens the dialog; true once the passkey was given, false when the person closed it. */
  readonly ask = (): Promise<boolean> =>
    new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#deps.store.update({ steppingUp: true })
    })

  /** Undefined when it was given; else a sentence. */
  async prove(): Promise<string | undefined> {
    const { api, passkeys } = this.#deps.ports
    const begun = await api.stepUpBegin()
    if (!begun.ok) return this.#failed(begun)
    const signed = await passkeys.sign(begun.value.options)
    if (!signed.ok) return this.#failed(signed)
    const done = await api.stepUpFinish(begun.value.ceremony, signed.value)
    if (!done.ok) return this.#failed(done)
    this.#end(true)
    return undefined
  }

  readonly close = (): void => this.#end(false)

  #end(given: boolean): void {
    this.#deps.store.update({ steppingUp: false })
    for (const goOn of this.#waiting.splice(0)) goOn(given)
  }

  #failed({ code, title }: { readonly code: string; readonly title: string }): string {
    if (code === 'no_session') {
      this.#end(false)
      this.#deps.sessionLost()
    }
    return problemSentence(code, title)
  }
}
