import {
  type AuditPayload,
  type ExecutionResult,
  hashJson,
  type Json,
  type Profile,
  type Sha256,
  type TenantId,
  type ToolContract,
} from '@trustgw/protocol'
import { type AuditWriter, type Clock, FileFault, type Logger } from '@trustgw/runtime'
import { type AdmittedAction, enterAdmitted } from '../admit/claim-action.ts'
import type { Connector, RunOutcome } from '../connectors/connector.ts'
import { askUpstream, isOver, type RecoverDeps, recoverRun } from './recover.ts'
import type { ResultOutbox } from './result-outbox.ts'
import { makeSafe } from './safe-output.ts'
import type { ClaimEntry, Wal } from './wal.ts'

export interface RunnerDeps extends RecoverDeps {
  readonly profile: Profile
  readonly connectors: ReadonlyMap<string, Connector>
  readonly outbox: ResultOutbox
  readonly wal: Wal
  readonly auditOf: (tenant: TenantId) => AuditWriter | undefined
  readonly secrets: readonly string[]
  readonly resultMaxBytesOf: (connector: string) => number
  readonly sha256: Sha256
  readonly clock: Clock
  readonly logger: Logger
}

export const RECOVER_PAUSE_MS = 2_000
/** How often a call that may be made again is made again, at most. */
export const RERUNS_MAX = 2
/** Before the first time, then twice as long. */
export const RERUN_PAUSE_MS = 1_000
/** After the claim; none is begun later. */
export const RERUN_WITHIN_MS = 30_000

/** Enters tools and sees to it that each run ends in one signed result. */
export class Runner {
  readonly #deps: RunnerDeps

  constructor(deps: RunnerDeps) {
    this.#deps = deps
  }

  /** How the tool came out, once its result is safe. */
  async run(token: AdmittedAction): Promise<RunOutcome> {
    const { claim, tool, arguments: args, canonical_arguments } = enterAdmitted(token)
    const started_at = this.#deps.clock.now()
    const dot = tool.contract.id.indexOf('.')
    const connector = this.#deps.connectors.get(tool.contract.id.slice(0, dot))
    const enter = async (): Promise<RunOutcome> =>
      connector === undefined
        ? { kind: 'failed', reason: 'upstream_unreachable', output: null }
        : await connector.run({
            tool: tool.contract.id.slice(dot + 1),
            arguments: args,
            arguments_text: canonical_arguments,
            idempotency_key: claim.idempotency_key,
          })
    const first = await enter()
    const { outcome, entered } = await this.#again({ claim, contract: tool.contract, first, enter })
    await this.#finish(claim, outcome, { started_at, entered })
    return outcome
  }

  /**
   * Makes an unseen call again where its contract says that this does the work once, or none at all
   * (spec/protocol.md §5). Each time is on disk first.
   */
  async #again(call: {
    readonly claim: ClaimEntry
    readonly contract: ToolContract
    readonly first: RunOutcome
    readonly enter: () => Promise<RunOutcome>
  }): Promise<{ readonly outcome: RunOutcome; readonly entered: number }> {
    const { claim, contract, first, enter } = call
    const { clock, wal, logger } = this.#deps
    let entered = 1
    if (first.kind !== 'unknown_outcome' || contract.idempotent !== true)
      return { outcome: first, entered }
    while (entered <= RERUNS_MAX && clock.now() < claim.at + RERUN_WITHIN_MS) {
      await clock.sleep(RERUN_PAUSE_MS * 2 ** (entered - 1))
      if (!(await isWritten(wal.again(claim.action_id, entered)))) break
      logger.info('run_again', { action_id: claim.action_id, times: entered })
      const outcome = await enter()
      entered += 1
      if (provesEnd(outcome, contract)) return { outcome, entered }
    }
    return { outcome: first, entered }
  }

  /** Ends a run that an earlier process may have entered. Resolves when that is done. */
  async recover(entry: ClaimEntry, signal: AbortSignal): Promise<void> {
    const left = this.#deps.outbox.leftOf(entry.action_id)
    if (left !== undefined) return await this.#recordEnd(entry, left)
    while (!signal.aborted) {
      const recovered = await recoverRun(entry, this.#deps)
      if (recovered.kind === 'not_ours') {
        await this.#deps.wal.ended(entry.action_id)
        return
      }
      if (recovered.kind === 'found') {
        await this.#finish(entry, recovered.outcome, { started_at: entry.at })
        return
      }
      await this.#deps.clock.sleep(RECOVER_PAUSE_MS, signal).catch(() => undefined)
    }
  }

  /**
   * Asks the upstream about a run that is known from the journal only, whoever entered it, once nothing
   * of it can be under way; what it says is signed and stored like any result. False when it cannot say.
   * Never runs the tool.
   */
  async settle(claim: ClaimEntry): Promise<boolean> {
    const outcome = await askUpstream(claim, this.#deps, true)
    if (outcome === undefined || outcome.kind === 'unknown_outcome') return false
    await this.#finish(claim, outcome, { started_at: claim.at })
    return true
  }

  async #finish(
    claim: ClaimEntry,
    outcome: RunOutcome,
    run: { readonly started_at: number; readonly entered?: number },
  ): Promise<void> {
    const result = this.#resultOf(claim, outcome, run.started_at)
    await this.#deps.outbox.send(result, isOver(claim, outcome, this.#deps))
    await this.#recordEnd(claim, result, run.entered)
  }

  /** Last of all that of the action is open here, so that a crash before it records the end once more. */
  async #recordEnd(claim: ClaimEntry, result: ExecutionResult, entered?: number): Promise<void> {
    const { action_id } = claim
    const payload: AuditPayload = {
      jti: claim.jti,
      grant_hash: claim.grant_hash,
      outcome: result.outcome,
      reason: result.reason,
      result_hash: result.result_hash,
      raw_hash: result.raw_hash,
      ...(entered === undefined ? {} : { entered }),
    }
    const actor = { kind: 'system', id: `exec-${this.#deps.profile}` } as const
    let isRecorded = false
    try {
      await this.#deps.auditOf(claim.tenant)?.append('finished', { actor, action_id, payload })
      await this.#deps.wal.ended(action_id)
      isRecorded = true
    } catch (error) {
      // The result is stored, and the next start of this executor records it.
      const code = error instanceof FileFault ? 'journal_unwritable' : 'audit_unreachable'
      this.#deps.logger.warn('finished_not_recorded', { action_id, code })
    }
    this.#deps.outbox.recorded(action_id, isRecorded)
  }

  #resultOf(claim: ClaimEntry, outcome: RunOutcome, started_at: number): ExecutionResult {
    const { sha256, secrets, profile, clock } = this.#deps
    const head = {
      v: 1,
      action_id: claim.action_id,
      tenant_id: claim.tenant,
      profile,
      jti: claim.jti,
      grant_hash: claim.grant_hash,
      input_hash: claim.input_hash,
      outcome: outcome.kind,
      reason: outcome.kind === 'succeeded' ? null : outcome.reason,
      provider_reference: outcome.kind === 'succeeded' ? outcome.provider_reference : null,
      started_at,
      finished_at: Math.max(clock.now(), started_at),
    } as const
    const raw: Json = outcome.kind === 'unknown_outcome' ? null : outcome.output
    if (raw === null) {
      return { ...head, output: null, result_hash: hashJson(sha256, null), raw_hash: null }
    }
    const max_bytes = this.#deps.resultMaxBytesOf(claim.tool.slice(0, claim.tool.indexOf('.')))
    return { ...head, ...makeSafe(raw, { max_bytes, secrets }, sha256) }
  }
}

async function isWritten(writing: Promise<void>): Promise<boolean> {
  try {
    await writing
    return true
  } catch (error) {
    if (!(error instanceof FileFault)) throw error
    return false
  }
}

/**
 * What a call that was made again says of the first one. A failure of the later call does not show that
 * the first one did nothing, unless the upstream says so or there was nothing to do but read.
 */
function provesEnd(outcome: RunOutcome, { operation }: ToolContract): boolean {
  if (outcome.kind === 'unknown_outcome') return false
  return outcome.kind === 'succeeded' || outcome.reason === 'not_executed' || operation === 'read'
}
