import type { Bundle, Hash, Json, JsonObject, ToolContract } from '@trustgw/protocol'

/** One run of a tool, after admission. */
export interface ToolRun {
  /** The tool's name without the connector's. */
  readonly tool: string
  readonly arguments: JsonObject
  /** The same arguments as the JCS text that was hashed. */
  readonly arguments_text: string
  readonly idempotency_key: Hash
  /** Less than the tool's own time, for a read whose end nobody asks about when it is not seen. */
  readonly timeout_ms?: number
}

/** What is asked about a run. */
export interface Question extends Pick<ToolRun, 'tool' | 'idempotency_key'> {
  /** No request of it can be under way any more; before that "no record" proves nothing (§5). */
  readonly isQuiet: boolean
}

export type RunOutcome =
  | {
      readonly kind: 'succeeded'
      readonly output: Json
      readonly provider_reference: string | null
    }
  /** The tool ran and says that it failed, or certainly did not run. */
  | { readonly kind: 'failed'; readonly reason: RunFailure; readonly output: Json }
  /** It was entered and nobody saw its end (spec/protocol.md §5). Never run again on its own. */
  | { readonly kind: 'unknown_outcome'; readonly reason: RunDoubt }

export type RunFailure =
  /** The tool's own answer. */
  | 'tool_error'
  /** The upstream refused the call without running the tool. */
  | 'upstream_refused'
  /** Nothing was sent: the upstream is not there. */
  | 'upstream_unreachable'
  /** The upstream says that it has no record of the work. */
  | 'not_executed'
  /** The arguments cannot be put into a request of this tool. */
  | 'arguments_unusable'

export type RunDoubt =
  | 'timeout'
  | 'connection_lost'
  | 'malformed_answer'
  | 'answer_too_large'
  | 'upstream_fault'
  | 'executor_stopped'

/** One upstream and the tools of it that are served. */
export interface Connector {
  readonly id: string
  readonly bundle: Bundle
  /** What is served now. Changes are told through `onChanged`. */
  contracts(): readonly ToolContract[]
  /** Starts the upstream; keeps trying in the background when it cannot. Never throws. */
  start(): Promise<void>
  /** Never throws. Enters the tool at most once. */
  run(run: ToolRun): Promise<RunOutcome>
  /**
   * Asks the upstream by idempotency key what became of a run whose end was not seen. Undefined
   * when this tool cannot be asked, or its upstream cannot tell. Never throws.
   */
  reconcile(run: Question): Promise<RunOutcome | undefined>
  /** Whether an upstream that has no record of a run of this tool says so for good. */
  provesAbsence(tool: string): boolean
  onChanged(handler: () => void): void
  stop(): Promise<void>
}
