import {
  type AuditPayload,
  type ExecutionResult,
  hashJson,
  type Json,
  type Profile,
  type Sha256,
  type TenantId,
} from '@trustgw/protocol'
import type { AuditWriter, Clock, Logger } from '@trustgw/runtime'
import { type AdmittedAction, enterAdmitted } from '../admit/claim-action.ts'
import type { Connector, RunOutcome } from '../connectors/connector.ts'
import { type RecoverDeps, recoverRun } from './recover.ts'
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

/** Enters tools and sees to it that each run ends in one signed result. */
export class Runner {
  readonly #deps: RunnerDeps

  constructor(deps: RunnerDeps) {
    this.#deps = deps
  }

  async run(token: AdmittedAction): Promise<void> {
    const { claim, tool, arguments: args, canonical_arguments } = enterAdmitted(token)
    const started_at = this.#deps.clock.now()
    const dot = tool.contract.id.indexOf('.')
    const connector = this.#deps.connectors.get(tool.contract.id.slice(0, dot))
    const outcome: RunOutcome =
      connector === undefined
        ? { kind: 'failed', reason: 'upstream_unreachable', output: null }
        : await connector.run({
            tool: tool.contract.id.slice(dot + 1),
            arguments: args,
            arguments_text: canonical_arguments,
            idempotency_key: claim.idempotency_key,
          })
    await this.#finish(claim, outcome, started_at)
  }

  /** Ends a run that an earlier process may have entered. Resolves when that is done. */
  async recover(entry: ClaimEntry, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const recovered = await recoverRun(entry, this.#deps)
      if (recovered.kind === 'not_ours') {
        await this.#deps.wal.ended(entry.action_id)
        return
      }
      if (recovered.kind === 'found') {
        await this.#finish(entry, recovered.outcome, entry.at)
        return
      }
      await this.#deps.clock.sleep(RECOVER_PAUSE_MS, signal).catch(() => undefined)
    }
  }

  async #finish(claim: ClaimEntry, outcome: RunOutcome, started_at: number): Promise<void> {
    const result = this.#resultOf(claim, outcome, started_at)
    await this.#deps.outbox.send(result)
    const payload: AuditPayload = {
      jti: claim.jti,
      grant_hash: claim.grant_hash,
      outcome: result.outcome,
      reason: result.reason,
      result_hash: result.result_hash,
      raw_hash: result.raw_hash,
    }
    try {
      await this.#deps.auditOf(claim.tenant)?.append('finished', {
        actor: { kind: 'system', id: `exec-${this.#deps.profile}` },
        action_id: claim.action_id,
        payload,
      })
    } catch {
      // The result is stored and the gateway records it; the chain mends at the next event.
      this.#deps.logger.warn('finished_not_recorded', { action_id: claim.action_id })
    }
    // Last, so that a crash before it records the end once more instead of never.
    await this.#deps.wal.ended(claim.action_id)
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
