import {
  type ActionId,
  base64urlEncode,
  type CancelAnswer,
  canonicalize,
  EXECUTOR_QUERY_MAX_BYTES,
  type ExecutorQuery,
  executorQueryShape,
  idempotencyKey,
  type Profile,
  parseJson,
  type ReconcileAnswer,
  readShape,
  type Sha256,
  storedKey,
  subject,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import {
  type Bus,
  BusFault,
  type BusRequest,
  type BusSubscription,
  type ClaimStore,
  type Clock,
  type Logger,
  type Random,
} from '@trustgw/runtime'
import { isNeverRun, type JournalNote, readNote, writeNote } from './journal-note.ts'
import { RERUN_WITHIN_MS, type Runner } from './runner.ts'
import type { ClaimEntry } from './wal.ts'

/** Queries of one kind that are worked on at once; further ones wait. */
export const QUERY_CONCURRENCY = 16
/** After a claim, beyond the longest that a tool may take: what it set off has ended by then. */
export const QUIET_MARGIN_MS = 30_000
const ATTEMPT_RANDOM_BYTES = 16

/** What this very process knows of an action. */
export type Known =
  | 'running'
  /** Its claim may be ours, and the tool was not entered. */
  | 'held'
  /** It ran here, and its end was seen: the result is published again. */
  | 'told'
  /** It ran here, and its end was not seen: nothing of it is under way any more. */
  | 'ended_unseen'
  | 'nothing'

export interface ClaimDeskDeps {
  readonly profile: Profile
  readonly tenants: readonly TenantId[]
  readonly bus: Bus
  readonly journal: ClaimStore
  readonly runner: Runner
  /** Tells once more what is known of a finished run. */
  readonly known: (action: ActionId) => Known
  /** Gives up a claim that is held, on disk, and tells its attempt; undefined when it cannot be now. */
  readonly giveUp: (action: ActionId) => Promise<string | undefined>
  /** The longest that a call of this tool may take. */
  readonly longestRunMs: (tool: string) => number
  readonly sha256: Sha256
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/**
 * Answers the gateway about actions that were sent before: cancels one that nobody has claimed, and
 * finds out about one whose end nobody saw. Enters no tool. Any executor of the profile can answer,
 * by the journal that they share; whose action it was does not matter.
 */
export class ClaimDesk {
  readonly #deps: ClaimDeskDeps
  #subscriptions: readonly BusSubscription[] = []

  constructor(deps: ClaimDeskDeps) {
    this.#deps = deps
  }

  listen(): void {
    const { tenants } = this.#deps
    this.#subscriptions = tenants.flatMap((tenant) => [
      this.#respond('exec_cancel', tenant, (action) => this.cancel(tenant, action)),
      this.#respond('exec_reconcile', tenant, (action) => this.reconcile(tenant, action)),
    ])
  }

  async stop(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()))
  }

  /** Claims the action's journal entry for its cancel: who claims first decides (§5). */
  async cancel(tenant: TenantId, action: ActionId): Promise<CancelAnswer> {
    const { journal, clock, random, known, giveUp, logger } = this.#deps
    // Ours and not entered: whether the store has that claim is not known, so this one goes by its attempt.
    const isHeld = known(action) === 'held'
    const attempt = isHeld
      ? await giveUp(action)
      : base64urlEncode(random.bytes(ATTEMPT_RANDOM_BYTES))
    if (attempt === undefined) return { status: 'later', reason: 'claim_held' }
    const note = writeNote({ kind: 'cancelled', at: clock.now() })
    try {
      const key = this.#keyOf(tenant, action)
      const outcome = await journal.claim(key, { attempt, note })
      const isCancelled =
        outcome !== 'taken' || isNeverRun(readNote((await journal.read(key))?.note))
      logger.info('cancel_asked', { action_id: action, cancelled: isCancelled })
      return { status: isCancelled ? 'cancelled' : 'claimed' }
    } catch (error) {
      return laterFor(error)
    }
  }

  /** What became of an action that somebody claimed. Takes as long as asking the provider does. */
  async reconcile(tenant: TenantId, action: ActionId): Promise<ReconcileAnswer> {
    const { journal, known } = this.#deps
    const here = known(action)
    if (here === 'told') return { status: 'told' }
    if (here === 'running' || here === 'held') return { status: 'later', reason: here }
    try {
      const entry = await journal.read(this.#keyOf(tenant, action))
      if (entry === undefined) return { status: 'unclear', reason: 'never_claimed' }
      const note = readNote(entry.note)
      if (note === undefined) return { status: 'unclear', reason: 'claim_says_nothing' }
      if (note.kind !== 'run') return { status: 'unclear', reason: 'claimed_never_to_run' }
      return await this.#ask(
        claimOf({ tenant, action, attempt: entry.attempt }, note, this.#deps),
        {
          mayRun: here !== 'ended_unseen',
        },
      )
    } catch (error) {
      return laterFor(error)
    }
  }

  async #ask(claim: ClaimEntry, of: { readonly mayRun: boolean }): Promise<ReconcileAnswer> {
    const { clock, longestRunMs, runner } = this.#deps
    const quiet = claim.at + RERUN_WITHIN_MS + longestRunMs(claim.tool) + QUIET_MARGIN_MS
    // While it may still be under way somewhere, "no record" would prove nothing.
    if (of.mayRun && clock.now() < quiet) return { status: 'later', reason: 'may_still_run' }
    const found = await runner.settle(claim)
    return found ? { status: 'told' } : { status: 'unclear', reason: 'provider_cannot_tell' }
  }

  #respond(
    kind: 'exec_cancel' | 'exec_reconcile',
    tenant: TenantId,
    answer: (action: ActionId) => Promise<CancelAnswer | ReconcileAnswer>,
  ): BusSubscription {
    const { bus, profile, logger } = this.#deps
    return bus.respond(
      subject(kind, { tenant, profile }),
      { queue: profile, concurrency: QUERY_CONCURRENCY },
      async (request) => {
        const query = readQuery(request)
        if (query !== undefined) {
          return utf8Encode(canonicalize({ ...(await answer(query.action_id)) }))
        }
        logger.warn('query_malformed', { kind })
        return undefined
      },
    )
  }

  #keyOf(tenant: TenantId, action: ActionId): string {
    return `${tenant}.${storedKey(this.#deps.sha256, action)}`
  }
}

function readQuery({ data }: BusRequest): ExecutorQuery | undefined {
  const parsed = parseJson(data, { maxBytes: EXECUTOR_QUERY_MAX_BYTES })
  const read = parsed.ok ? readShape(executorQueryShape, parsed.value) : parsed
  return read.ok ? read.value : undefined
}

function claimOf(
  of: { readonly tenant: TenantId; readonly action: ActionId; readonly attempt: string },
  note: JournalNote & { readonly kind: 'run' },
  { sha256 }: { readonly sha256: Sha256 },
): ClaimEntry {
  const { tenant, action, attempt } = of
  const { jti, grant_hash, input_hash, tool, at } = note
  return {
    kind: 'claiming',
    action_id: action,
    tenant,
    jti,
    attempt,
    grant_hash,
    input_hash,
    tool,
    idempotency_key: idempotencyKey(sha256, tenant, action),
    at,
  }
}

function laterFor(error: unknown): { readonly status: 'later'; readonly reason: string } {
  if (!(error instanceof BusFault)) throw error
  return { status: 'later', reason: 'store_unreachable' }
}
