import type { Clock, Logger } from '@trustgw/runtime'
import type { RunOutcome } from '../connectors/connector.ts'

/** Calls of a tool in a row that did not reach it, or ended unseen, after which it is left alone. */
export const BREAKER_FAILURES = 5
/** For so long; then one call is let through as a trial. */
export const BREAKER_OPEN_MS = 30_000

/** How a call that was let through came out; `not_entered`: its claim came to nothing. */
export type Passage = RunOutcome | 'not_entered'

export type Entrance =
  | { readonly ok: true; readonly leave: (passage: Passage) => void }
  | { readonly ok: false; readonly reason: 'tool_unavailable' | 'tool_busy' }

interface Tool {
  running: number
  /** In a row. */
  failures: number
  /** While set, calls are turned away until then, and after it but for a trial. */
  openUntil: number | undefined
  trial: boolean
}

export interface ToolGateDeps {
  /** How many calls of this tool may run at once. */
  readonly atOnce: (tool: string) => number
  readonly clock: Pick<Clock, 'now'>
  readonly logger: Logger
}

/**
 * Bounds what this process does with one tool: so many calls at once, and none for a while after it
 * did not answer several times. Asked before anything is claimed, so that who is turned away may come
 * again. What a tool itself answers, also that it failed, shows that it is there.
 */
export class ToolGate {
  readonly #deps: ToolGateDeps
  readonly #tools = new Map<string, Tool>()

  constructor(deps: ToolGateDeps) {
    this.#deps = deps
  }

  /** `id` is that of a tool that is served. Whoever is let in leaves exactly once. */
  enter(id: string): Entrance {
    const tool = this.#tools.get(id) ?? {
      running: 0,
      failures: 0,
      openUntil: undefined,
      trial: false,
    }
    const isOpen = tool.openUntil !== undefined
    if (isOpen && (tool.trial || this.#deps.clock.now() < (tool.openUntil ?? 0)))
      return { ok: false, reason: 'tool_unavailable' }
    if (tool.running >= this.#deps.atOnce(id)) return { ok: false, reason: 'tool_busy' }
    this.#tools.set(id, tool)
    tool.running += 1
    tool.trial = isOpen
    return { ok: true, leave: (passage) => this.#leave(id, tool, { passage, isTrial: isOpen }) }
  }

  #leave(
    id: string,
    tool: Tool,
    of: { readonly passage: Passage; readonly isTrial: boolean },
  ): void {
    tool.running -= 1
    if (of.isTrial) tool.trial = false
    if (of.passage === 'not_entered') return
    if (!isFailure(of.passage)) {
      tool.failures = 0
      tool.openUntil = undefined
      return
    }
    tool.failures += 1
    // A call from before the trial says nothing of now.
    const isNew = of.isTrial || tool.openUntil === undefined
    if (tool.failures < BREAKER_FAILURES || !isNew) return
    tool.openUntil = this.#deps.clock.now() + BREAKER_OPEN_MS
    this.#deps.logger.warn('tool_left_alone', { tool: id, failures: tool.failures })
  }
}

function isFailure(outcome: RunOutcome): boolean {
  if (outcome.kind === 'unknown_outcome') return true
  return outcome.kind === 'failed' && outcome.reason === 'upstream_unreachable'
}
