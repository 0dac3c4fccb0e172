import type { PolicyText } from '../logic/policy-draft.ts'
import type { JudgeContext, JudgeStep, Tried, TriedProposal } from '../logic/policy-judge.ts'
import type { FromWorker, ToWorker } from '../worker/messages.ts'

export interface JudgeEvents {
  readonly onStep: (step: JudgeStep) => void
  /** The draft was judged to the end, or (`failed`) the judge broke on it. */
  readonly onDone: (outcome: 'whole' | 'failed') => void
  /** Null: the draft does not load. */
  readonly onTried: (tried: Tried | null | 'failed') => void
}

/**
 * Judges one draft at a time: of an earlier one nothing is told once a later one was given. Never
 * throws and never blocks.
 */
export interface PolicyJudge {
  readonly listen: (events: JudgeEvents) => void
  readonly setContext: (context: JudgeContext) => void
  readonly judge: (policies: readonly PolicyText[]) => void
  readonly tryProposal: (policies: readonly PolicyText[], proposal: TriedProposal) => void
  readonly close: () => void
}

/** A worker that is silent for longer on a draft that nobody wants any more is replaced. */
const STUCK_MS = 800

/** The decision core in a worker of its own. */
export function workerJudge(): PolicyJudge {
  return new WorkerJudge()
}

class WorkerJudge implements PolicyJudge {
  #worker = this.#start()
  #events: JudgeEvents | undefined
  #context: JudgeContext | undefined
  #number = 0
  #tryNumber = 0
  /** When the worker was last heard of the draft that it works on; undefined while it rests. */
  #heardMs: number | undefined

  readonly listen = (events: JudgeEvents): void => {
    this.#events = events
  }

  readonly setContext = (context: JudgeContext): void => {
    this.#context = context
    this.#send({ kind: 'context', context })
  }

  readonly judge = (policies: readonly PolicyText[]): void => {
    this.#wake()
    this.#number += 1
    this.#heardMs = performance.now()
    this.#send({ kind: 'judge', number: this.#number, policies })
  }

  readonly tryProposal = (policies: readonly PolicyText[], proposal: TriedProposal): void => {
    this.#tryNumber += 1
    this.#send({ kind: 'try', number: this.#tryNumber, policies, proposal })
  }

  readonly close = (): void => this.#worker.terminate()

  #start(): Worker {
    const worker = new Worker(new URL('../worker/policy-worker.ts', import.meta.url), {
      type: 'module',
    })
    worker.addEventListener('message', (event: MessageEvent<FromWorker>) => {
      if (worker === this.#worker) this.#hear(event.data)
    })
    worker.addEventListener('error', () => {
      if (worker === this.#worker) this.#events?.onDone('failed')
    })
    return worker
  }

  /** A comparison of large policies cannot be interrupted; its worker can. */
  #wake(): void {
    const silent = this.#heardMs === undefined ? 0 : performance.now() - this.#heardMs
    if (silent < STUCK_MS) return
    this.#worker.terminate()
    this.#worker = this.#start()
    if (this.#context !== undefined) this.#send({ kind: 'context', context: this.#context })
  }

  #send(message: ToWorker): void {
    // A worker of one's own has no origin to name.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    this.#worker.postMessage(message)
  }

  #hear(message: FromWorker): void {
    if (message.kind === 'tried') {
      if (message.number === this.#tryNumber) this.#events?.onTried(message.tried)
    } else if (message.kind === 'failed' && message.of === 'try') {
      this.#events?.onTried('failed')
    } else if (message.number === this.#number) {
      this.#hearOfDraft(message)
    }
  }

  #hearOfDraft(message: Exclude<FromWorker, { kind: 'tried' }>): void {
    this.#heardMs = message.kind === 'step' ? performance.now() : undefined
    if (message.kind === 'step') this.#events?.onStep(message.step)
    else this.#events?.onDone(message.kind === 'done' ? 'whole' : 'failed')
  }
}
