import { findingText, openBundle, type PolicySet } from '@trustgw/core'
import type { PinnedPolicy, Sha256, TenantId, UnverifiedBundle } from '@trustgw/protocol'
import {
  type AuditWriter,
  BusFault,
  type Clock,
  type Disk,
  FileFault,
  inflateText,
  type Logger,
  nodeDisk,
  Paced,
  PolicyBook,
  type PolicyBookDeps,
  type PolicyNews,
  type RecordStore,
} from '@trustgw/runtime'
import type { PolicySource } from '../admit/check-policy.ts'
import { ExecutorFault } from '../executor-fault.ts'
import { type BundleTrust, verifyBundle } from './verify-bundle.ts'

export interface PinnedPoliciesDeps extends BundleTrust {
  readonly tenants: readonly TenantId[]
  /** The bucket `policies`. */
  readonly records: RecordStore
  /** This executor's own folder of pinned bundles. */
  readonly dir: string
  /** What the folder is on. Default the machine's own disk. */
  readonly disk?: Disk
  /** Permits policies that production refuses. */
  readonly development: boolean
  readonly component: string
  readonly auditOf: (tenant: TenantId) => AuditWriter | undefined
  /** Another bundle is in force for some tenant. */
  readonly onChanged: () => void
  readonly sha256: Sha256
  readonly clock: Clock
  readonly logger: Logger
}

interface Refusal {
  readonly tenant: TenantId
  readonly reason: string
  readonly details: string
}

/** Between two looks at the bucket that grants of a newer epoch bring about. */
export const POLICY_REFRESH_EVERY_MS = 1_000
/** Between two looks while a bundle waits for a pin, or for a delegation's time. */
export const POLICY_RETRY_MS = 5_000
/** News that wait to be recorded; beyond, they are only logged. */
const NEWS_RECORDED_MAX = 64
const DETAIL_LINES_MAX = 3
const DETAIL_MAX_CHARS = 400

/** What the same bundle may pass later on, when the executor's own pins or the time have changed. */
const MAY_PASS_LATER: readonly string[] = ['bundle_passkey', 'bundle_delegation']

/**
 * The policy bundles that this executor verified by itself and pinned (spec/protocol.md §4). Which
 * one is in force, and which one is refused and why, goes to log and audit.
 */
export class PinnedPolicies implements PolicySource {
  readonly #deps: PinnedPoliciesDeps
  readonly #book: PolicyBook<PolicySet>
  readonly #refreshed = new Map<TenantId, { readonly at: number; readonly done: Promise<void> }>()
  readonly #retries = new Map<TenantId, () => void>()
  /** Whoever may write the bucket can change what lies there without end: that fills no record. */
  readonly #refusals: Paced<Refusal>
  #stopped = false
  #recording = 0

  constructor(deps: PinnedPoliciesDeps) {
    const { tenants, records, dir, disk = nodeDisk, sha256, clock, logger } = deps
    this.#deps = deps
    this.#refusals = new Paced({
      clock,
      tell: (refusal, count) => this.#tellRefusal(refusal, count),
    })
    this.#book = new PolicyBook({
      tenants,
      records,
      dir,
      disk,
      verify: (bundle) => verifyBundle(bundle, deps, clock.now()),
      open: (bundle) => openPolicies(bundle, deps),
      news: (tenant, news) => this.#tell(tenant, news),
      sha256,
      clock,
      log: logger,
    })
  }

  /**
   * Takes up what was pinned before and follows the bucket; a tenant without a bundle is no fault.
   * `ExecutorFault` where an own pin is damaged: without it an old bundle could come back.
   */
  async start(): Promise<void> {
    try {
      await this.#book.start()
    } catch (error) {
      if (!(error instanceof FileFault)) throw error
      const help =
        'the policy bundle that this executor pinned cannot be used; put it back from a backup, or remove the file to pin anew whatever the bus has'
      throw new ExecutorFault('policy_pin_refused', [error.message, help])
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const cancel of this.#retries.values()) cancel()
    await this.#book.stop()
    this.#refusals.stop()
  }

  current(tenant: TenantId): PolicySet | undefined {
    return this.#book.current(tenant)?.policies
  }

  /** What the registry says is pinned here. */
  pinned(tenant: TenantId): PinnedPolicy | undefined {
    const found = this.current(tenant)
    return found === undefined ? undefined : { epoch: found.epoch, bundle_hash: found.bundle_hash }
  }

  refresh(tenant: TenantId): Promise<void> {
    const now = this.#deps.clock.now()
    const last = this.#refreshed.get(tenant)
    if (last !== undefined && Math.abs(now - last.at) < POLICY_REFRESH_EVERY_MS) return last.done
    const done = this.#look(tenant)
    this.#refreshed.set(tenant, { at: now, done })
    return done
  }

  /** What cannot be reached leaves in force what is pinned. */
  async #look(tenant: TenantId): Promise<void> {
    try {
      await this.#book.refresh(tenant)
    } catch (error) {
      const known = error instanceof BusFault || error instanceof FileFault
      const code = known ? error.code : String(error)
      this.#deps.logger.warn('policy_not_refreshed', { tenant, code })
    }
  }

  #tell(tenant: TenantId, news: PolicyNews): void {
    const { logger, onChanged } = this.#deps
    this.#retries.get(tenant)?.()
    this.#retries.delete(tenant)
    if (news.kind === 'in_force') {
      const { epoch, by } = news
      const bundle_hash = this.pinned(tenant)?.bundle_hash ?? ''
      this.#refusals.flush()
      logger.info('policy_pinned', { tenant, epoch, bundle_hash, by })
      this.#record(tenant, 'policy_pinned', { epoch, bundle_hash, by })
      onChanged()
      return
    }
    const { reason } = news
    this.#refusals.add(tenant, { tenant, reason, details: shown(news.details) })
    if (MAY_PASS_LATER.includes(reason)) this.#retryLater(tenant)
  }

  #tellRefusal({ tenant, reason, details }: Refusal, count: number): void {
    this.#deps.logger.error('policy_refused', { tenant, reason, details, count })
    this.#record(tenant, 'policy_refused', { reason, details, count })
  }

  #retryLater(tenant: TenantId): void {
    if (this.#stopped) return
    const again = (): void => {
      void this.#look(tenant).finally(() => {
        if (this.#retries.get(tenant) === cancel) this.#retryLater(tenant)
      })
    }
    const cancel = this.#deps.clock.setTimer(POLICY_RETRY_MS, again)
    this.#retries.set(tenant, cancel)
  }

  /** In the background: what is in force does not wait for its record. */
  #record(
    tenant: TenantId,
    type: 'policy_pinned' | 'policy_refused',
    payload: { readonly [name: string]: string | number },
  ): void {
    const { auditOf, component, logger } = this.#deps
    const audit = auditOf(tenant)
    if (audit === undefined || this.#recording >= NEWS_RECORDED_MAX) return
    this.#recording += 1
    void audit
      .append(type, { actor: { kind: 'system', id: component }, payload })
      .catch(() => logger.warn('policy_news_not_recorded', { tenant, type }))
      .finally(() => {
        this.#recording -= 1
      })
  }
}

function openPolicies(
  bundle: UnverifiedBundle,
  { sha256, development }: PinnedPoliciesDeps,
): ReturnType<PolicyBookDeps<PolicySet>['open']> {
  const opened = openBundle(bundle, { sha256, inflate: inflateText, development })
  if (opened.ok) return opened
  return { ok: false, lines: opened.findings.map(findingText) }
}

/** The first lines, short and in plain ASCII: they come out of a file that was not understood. */
function shown(details: readonly string[]): string {
  return details
    .slice(0, DETAIL_LINES_MAX)
    .join('; ')
    .replaceAll(/[^ -~]/g, '?')
    .slice(0, DETAIL_MAX_CHARS)
}
