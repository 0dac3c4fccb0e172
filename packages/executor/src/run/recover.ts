import { type Sha256, storedKey } from '@trustgw/protocol'
import type { ClaimStore, Logger } from '@trustgw/runtime'
import { BusFault } from '@trustgw/runtime'
import type { Connector, RunOutcome } from '../connectors/connector.ts'
import type { ClaimEntry } from './wal.ts'

export interface RecoverDeps {
  readonly journal: ClaimStore
  readonly connectors: ReadonlyMap<string, Connector>
  readonly sha256: Sha256
  readonly logger: Logger
}

/** `not_ours`: another executor, or an earlier attempt, holds the action: no result of ours. */
export type Recovered =
  | { readonly kind: 'not_ours' }
  | { readonly kind: 'found'; readonly outcome: RunOutcome }
  /** The journal cannot be read now; to be tried again. */
  | { readonly kind: 'later' }

/**
 * What became of a run that an earlier process may have entered (spec/protocol.md §5): the upstream
 * is asked by idempotency key; where it cannot be asked, nobody knows. Never runs the tool again.
 */
export async function recoverRun(entry: ClaimEntry, deps: RecoverDeps): Promise<Recovered> {
  const key = `${entry.tenant}.${storedKey(deps.sha256, entry.action_id)}`
  let owner: string | undefined
  try {
    owner = (await deps.journal.read(key))?.attempt
  } catch (error) {
    if (!(error instanceof BusFault)) throw error
    return { kind: 'later' }
  }
  if (owner !== entry.attempt) return { kind: 'not_ours' }
  // The call may have outlived the process that made it.
  const outcome = await askUpstream(entry, deps, false)
  deps.logger.info('run_recovered', {
    action_id: entry.action_id,
    outcome: outcome?.kind ?? 'none',
  })
  return {
    kind: 'found',
    outcome: outcome ?? { kind: 'unknown_outcome', reason: 'executor_stopped' },
  }
}

/**
 * What the upstream says of a run by its idempotency key; undefined when it cannot be asked or say.
 * `isQuiet`: no request of it can be under way any more.
 */
export async function askUpstream(
  { tool, idempotency_key }: ClaimEntry,
  { connectors }: Pick<RecoverDeps, 'connectors'>,
  isQuiet: boolean,
): Promise<RunOutcome | undefined> {
  const dot = tool.indexOf('.')
  const connector = connectors.get(tool.slice(0, dot))
  return await connector?.reconcile({ tool: tool.slice(dot + 1), idempotency_key, isQuiet })
}

/** Reasons of an end that nobody saw although the exchange itself was over. */
const OVER: readonly string[] = ['connection_lost', 'malformed_answer', 'answer_too_large']

/**
 * Whether asking at once can tell all that asking later can: nothing of the run is under way any more,
 * or its upstream's "no record" proves nothing anyway.
 */
export function isOver(
  { tool }: ClaimEntry,
  outcome: RunOutcome,
  { connectors }: Pick<RecoverDeps, 'connectors'>,
): boolean {
  if (outcome.kind !== 'unknown_outcome' || OVER.includes(outcome.reason)) return true
  const dot = tool.indexOf('.')
  return connectors.get(tool.slice(0, dot))?.provesAbsence(tool.slice(dot + 1)) !== true
}
