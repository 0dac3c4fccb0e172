import { findingText, openBundle, type PolicySet } from '@trustgw/core'
import {
  type AuditPayload,
  checkSeal,
  GATEWAY_STATUS_KEY,
  type JwsSigner,
  type JwsVerifier,
  type PinnedPolicy,
  POLICY_STATUS_MAX_DETAILS,
  POLICY_STATUS_TYP,
  type PolicyStatus,
  policyStatusJson,
  type RefusedPolicy,
  type Result,
  refuse,
  type Sha256,
  signJws,
  type TenantId,
  type UnverifiedBundle,
  utf8Encode,
} from '@trustgw/protocol'
import {
  type AuditWriter,
  type Clock,
  type Disk,
  inflateText,
  type Logger,
  nodeDisk,
  Paced,
  PolicyBook,
  type PolicyBookRefusal,
  type PolicyNews,
  type RecordStore,
  verifierOf,
} from '@trustgw/runtime'
import type { PolicyInForce } from './evaluator.ts'

const DETAIL_MAX_CHARS = 400
const STATUS_TRIES = 5
const STATUS_PAUSE_MS = 200

export interface PolicySourceDeps {
  readonly tenants: readonly TenantId[]
  /** The bucket `policies`. */
  readonly bundles: RecordStore
  /** The bucket `policy_status`. */
  readonly statuses: RecordStore
  /** A folder of the gateway's own. */
  readonly dir: string
  /** What the folder is on. Default the machine's own disk. */
  readonly disk?: Disk
  readonly operatorKeyFor: (kid: string) => JwsVerifier | undefined
  /** Permits what production refuses; see `parsePolicy`. */
  readonly development: boolean
  readonly statusKey: { readonly kid: string; readonly sign: JwsSigner }
  readonly audit: (tenant: TenantId) => AuditWriter
  readonly sha256: Sha256
  readonly clock: Clock
  readonly log: Logger
}

interface RefusalEvent {
  readonly tenant: TenantId
  readonly payload: AuditPayload
}

/** What executors of a tenant say that they verified. */
export type PinnedBy = (tenant: TenantId) => readonly PinnedPolicy[]

/** By what is decided, and how that is kept current. */
export interface PolicyFeed {
  /** Undefined: no policy is in force, and nothing may be decided. */
  inForce(tenant: TenantId): PolicyInForce | undefined
  /** Resolves when what is in force is known. */
  start(pinnedBy: PinnedBy): Promise<void>
  /** An executor says something else than before: a bundle may be good by now. */
  vouched(tenant: TenantId): Promise<void>
  stop(): Promise<void>
}

/**
 * The policy that the gateway decides by: the newest verified bundle of each tenant (spec/protocol.md
 * §4 "Trust roots"). The gateway seals none. One that a passkey sealed it cannot check itself, since
 * it holds no pins: it takes one that an executor verified. Whatever is refused leaves the policy in
 * force as it is, and is said in the audit, in metrics and in the status that the portal shows.
 */
export class PolicySource implements PolicyFeed {
  readonly #deps: PolicySourceDeps
  readonly #book: PolicyBook<PolicySet>
  readonly #refused = new Map<TenantId, RefusedPolicy>()
  #pinnedBy: PinnedBy = () => []
  /** Whoever may write the bucket can change what lies there without end: that fills no record. */
  readonly #refusalEvents: Paced<RefusalEvent>
  #refusals = 0
  /** Whose status waits to be written: it says then what is so then. */
  readonly #untold = new Set<TenantId>()
  #writing: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(deps: PolicySourceDeps) {
    const { tenants, bundles, dir, disk = nodeDisk, sha256, clock, log } = deps
    this.#deps = deps
    this.#refusalEvents = new Paced({
      clock,
      tell: ({ tenant, payload }, count) =>
        this.#record(tenant, 'policy_refused', { ...payload, count }),
    })
    this.#book = new PolicyBook({
      tenants,
      records: bundles,
      dir,
      disk,
      verify: (bundle) => Promise.resolve(this.#verify(bundle)),
      open: (bundle) => openPolicies(bundle, deps),
      news: (tenant, news) => this.#hear(tenant, news),
      sha256,
      clock,
      log,
    })
  }

  /** `FileFault` when what was pinned before cannot be read. */
  async start(pinnedBy: PinnedBy): Promise<void> {
    this.#pinnedBy = pinnedBy
    await this.#book.start()
    for (const tenant of this.#deps.tenants) this.#tell(tenant)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#book.stop()
    this.#refusalEvents.stop()
    await this.#writing
  }

  inForce(tenant: TenantId): PolicySet | undefined {
    return this.#book.current(tenant)?.policies
  }

  epoch(tenant: TenantId): number {
    return this.inForce(tenant)?.epoch ?? 0
  }

  get refusals(): number {
    return this.#refusals
  }

  vouched(tenant: TenantId): Promise<void> {
    return this.#book.refresh(tenant)
  }

  /** Why the operator's files do not load, so that nobody sealed them; empty when they do. */
  filesChecked(tenant: TenantId, lines: readonly string[]): void {
    if (lines.length > 0) {
      this.#refuse(tenant, { reason: 'policy_refused', details: lines, source: 'file' })
    } else if (this.#refused.get(tenant)?.source === 'file') {
      this.#refused.delete(tenant)
      this.#tell(tenant)
    }
  }

  #verify(offered: UnverifiedBundle): Result<string, PolicyBookRefusal> {
    const { bundle, bundle_hash, proof } = offered
    if (proof.kind === 'key') {
      const { operatorKeyFor, clock } = this.#deps
      return checkSeal(offered, { operatorKeyFor, verifierOf, now: clock.now() })
    }
    const verified = this.#pinnedBy(bundle.tenant).some(
      (pinned) => pinned.epoch === bundle.epoch && pinned.bundle_hash === bundle_hash,
    )
    return verified
      ? { ok: true, value: 'executor' }
      : refuse('bundle_passkey', 'no executor verified it yet')
  }

  #hear(tenant: TenantId, news: PolicyNews): void {
    if (news.kind === 'refused') {
      this.#refuse(tenant, { ...news, source: 'bundle' })
      return
    }
    const { bundle_hash } = this.inForce(tenant) ?? { bundle_hash: null }
    this.#refused.delete(tenant)
    this.#deps.log.info('policy_in_force', { tenant, epoch: news.epoch, by: news.by })
    this.#refusalEvents.flush()
    this.#record(tenant, 'policy_loaded', { epoch: news.epoch, bundle_hash, by: news.by })
    this.#tell(tenant)
  }

  #refuse(tenant: TenantId, refusal: Omit<RefusedPolicy, 'at'>): void {
    const details = refusal.details
      .slice(0, POLICY_STATUS_MAX_DETAILS)
      .map((line) => line.slice(0, DETAIL_MAX_CHARS))
    const { reason, source } = refusal
    this.#refusals += 1
    this.#refused.set(tenant, { at: this.#deps.clock.now(), reason, details, source })
    this.#deps.log.warn('policy_refused', { tenant, reason, source })
    const payload = { reason, source, problems: refusal.details.length }
    this.#refusalEvents.add(`${tenant} ${source}`, { tenant, payload })
    this.#tell(tenant)
  }

  /** In the background: what decides does not wait for the record of a change. */
  #record(tenant: TenantId, type: 'policy_loaded' | 'policy_refused', payload: AuditPayload): void {
    const { audit, log } = this.#deps
    audit(tenant)
      .append(type, { actor: { kind: 'system', id: 'gateway' }, payload })
      .catch((error: unknown) => log.warn('policy_not_recorded', { type, error: String(error) }))
  }

  #tell(tenant: TenantId): void {
    if (this.#untold.has(tenant)) return
    this.#untold.add(tenant)
    this.#writing = this.#writing.then(() => {
      this.#untold.delete(tenant)
      return this.#write(tenant)
    })
  }

  async #write(tenant: TenantId): Promise<void> {
    const { statuses, statusKey, clock, log } = this.#deps
    const inForce = this.inForce(tenant)
    const status: PolicyStatus = {
      v: 1,
      tenant,
      epoch: inForce?.epoch ?? null,
      bundle_hash: inForce?.bundle_hash ?? null,
      refused: this.#refused.get(tenant) ?? null,
      at: clock.now(),
    }
    const { kid, sign } = statusKey
    const token = signJws({ typ: POLICY_STATUS_TYP, kid, payload: policyStatusJson(status) }, sign)
    const key = `${tenant}.${GATEWAY_STATUS_KEY}`
    for (let turn = 0; turn < STATUS_TRIES && !this.#stopped; turn += 1) {
      try {
        const stored = await statuses.get(key)
        const bytes = utf8Encode(token)
        const written =
          stored === undefined
            ? await statuses.create(key, bytes)
            : await statuses.replace(key, bytes, stored.revision)
        if (written.ok) return
      } catch (error) {
        log.warn('policy_status_not_stored', { error: String(error) })
      }
      await clock.sleep(STATUS_PAUSE_MS)
    }
  }
}

function openPolicies(
  offered: UnverifiedBundle,
  { sha256, development }: Pick<PolicySourceDeps, 'sha256' | 'development'>,
): { ok: true; value: PolicySet } | { ok: false; lines: readonly string[] } {
  const opened = openBundle(offered, { sha256, inflate: inflateText, development })
  if (opened.ok) return opened
  return { ok: false, lines: opened.findings.map(findingText) }
}
