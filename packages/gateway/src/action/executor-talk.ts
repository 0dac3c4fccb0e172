import type { ActionEvent } from '@trustgw/core'
import type { StoredAction } from './action-store.ts'
import { Dispatcher, type DispatcherDeps } from './dispatcher.ts'
import type { ToExecutor } from './effects.ts'
import { ExecutorQueries, type ExecutorQueriesDeps } from './executor-queries.ts'

/** Everything that the gateway says to executors: the grant itself, and what it asks about one. */
export class ExecutorTalk {
  readonly #dispatcher: Dispatcher
  readonly #queries: ExecutorQueries

  constructor(deps: Omit<DispatcherDeps, 'stopping'> & ExecutorQueriesDeps) {
    this.#dispatcher = new Dispatcher({ ...deps, stopping: () => deps.stopping.aborted })
    this.#queries = new ExecutorQueries(deps)
  }

  /** What came of it; undefined when nothing is to be done about it now. */
  ask(what: ToExecutor, stored: StoredAction): Promise<ActionEvent | undefined> {
    return what === 'dispatch' ? this.#dispatcher.run(stored) : this.#queries.ask(what, stored)
  }
}
