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
  const outcome = await askUpstream(entry, deps)
  deps.logger.info('run_recovered', {
    action_id: entry.action_id,
    outcome: outcome?.kind ?? 'none',
  })
  return {
    kind: 'found',
    outcome: outcome ?? { kind: 'unknown_outcome', reason: 'executor_stopped' },
  }
}

/** What the upstream says of a run by its idempotency key; undefined when it cannot be asked or say. */
export async function askUpstream(
  { tool, idempotency_key }: ClaimEntry,
  { connectors }: Pick<RecoverDeps, 'connectors'>,
): Promise<RunOutcome | undefined> {
  const dot = tool.indexOf('.')
  const connector = connectors.get(tool.slice(0, dot))
  return await connector?.reconcile({ tool: tool.slice(dot + 1), idempotency_key })
}
