import { join } from 'node:path'
import {
  type BundleRefusal,
  NEWEST_BUNDLE_KEY,
  POLICY_BUNDLE_MAX_BYTES,
  type Result,
  readSealedBundle,
  type Sha256,
  type TenantId,
  type UnverifiedBundle,
} from '@trustgw/protocol'
import type { Clock } from '../clock/clock.ts'
import { type Disk, nodeDisk } from '../file/disk.ts'
import {
  atomicWriteFile,
  FileFault,
  makePrivateDir,
  readPrivateFile,
  SECRET_FILE_MODE,
} from '../file/private-file.ts'
import type { Logger } from '../log/logger.ts'
import { LiveCopy } from '../store/live-copy.ts'
import type { RecordStore } from '../store/record-store.ts'

export type PolicyBookRefusal =
  | BundleRefusal
  | 'bundle_other_tenant'
  /** An epoch below the newest one that was verified here. */
  | 'bundle_old'
  /** The epoch of the newest one with another content. */
  | 'bundle_conflict'
  /** An epoch so far ahead that none would be left: only the operator's root may seal it. */
  | 'bundle_ahead'
  /** A passkey's seal that this reader cannot check, or that does not hold. */
  | 'bundle_passkey'
  /** A policy in it does not load. */
  | 'policy_refused'

export type PolicyNews =
  | { readonly kind: 'in_force'; readonly epoch: number; readonly by: string }
  | {
      readonly kind: 'refused'
      readonly reason: PolicyBookRefusal
      readonly details: readonly string[]
    }

export interface InForce<T> {
  readonly bundle: UnverifiedBundle
  readonly policies: T
}

export interface PolicyBookDeps<T> {
  readonly tenants: readonly TenantId[]
  /** The bucket `policies`. */
  readonly records: RecordStore
  /** A folder of the reader's own: what it pinned outlives it there. */
  readonly dir: string
  /** What the folder is on. Default the machine's own disk. */
  readonly disk?: Disk
  /** Who vouches for a bundle that is new here. */
  readonly verify: (bundle: UnverifiedBundle) => Promise<Result<string, PolicyBookRefusal>>
  /** The policies, ready to decide, or a line for each problem. */
  readonly open: (
    bundle: UnverifiedBundle,
  ) =>
    | { readonly ok: true; readonly value: T }
    | { readonly ok: false; readonly lines: readonly string[] }
  readonly news: (tenant: TenantId, news: PolicyNews) => void
  readonly sha256: Sha256
  readonly clock: Clock
  readonly log: Logger
}

interface Refusal {
  readonly reason: PolicyBookRefusal
  readonly detail?: string
  readonly lines?: readonly string[]
}

interface Pinned<T> {
  readonly bundle: UnverifiedBundle
  readonly policies: T | undefined
}

/**
 * The newest verified policy bundle of each tenant (spec/protocol.md §4 "Trust roots"). Epochs only
 * grow, across restarts too, and only by bundles that were verified and that load: whatever else
 * appears in the bucket leaves what is in force as it is, and is told.
 */
export class PolicyBook<T> {
  readonly #deps: PolicyBookDeps<T>
  readonly #disk: Disk
  readonly #pinned = new Map<TenantId, Pinned<T>>()
  /** The last refusal of each tenant, so that it is told once. */
  readonly #refused = new Map<TenantId, string>()
  readonly #copy: LiveCopy
  /** One bundle at a time, whoever asked for it. */
  #lane: Promise<void> = Promise.resolve()

  constructor(deps: PolicyBookDeps<T>) {
    const { records, clock, log, tenants } = deps
    this.#deps = deps
    this.#disk = deps.disk ?? nodeDisk
    this.#copy = new LiveCopy({
      store: records,
      clock,
      log,
      name: 'policies',
      reload: async (key) => {
        const tenant = tenants.find((one) => key === keyOf(one))
        if (tenant !== undefined) await this.#read(tenant)
      },
      reloadAll: async () => {
        for (const tenant of tenants) await this.#read(tenant)
      },
    })
  }

  /**
   * Takes up what was pinned before, then what the bucket has, and follows it. `FileFault` for a pin
   * that cannot be read: without it an old bundle could come back.
   */
  async start(): Promise<void> {
    await makePrivateDir(this.#deps.dir, this.#disk)
    for (const tenant of this.#deps.tenants) await this.#takeUp(tenant)
    await this.#copy.start()
  }

  stop(): Promise<void> {
    return this.#copy.stop()
  }

  /** What decides for a tenant now; undefined while nothing was verified that loads. */
  current(tenant: TenantId): InForce<T> | undefined {
    const pinned = this.#pinned.get(tenant)
    if (pinned?.policies === undefined) return undefined
    return { bundle: pinned.bundle, policies: pinned.policies }
  }

  /** Looks at the bucket again, for a reader whose `verify` may answer otherwise by now. */
  refresh(tenant: TenantId): Promise<void> {
    return this.#read(tenant)
  }

  async #takeUp(tenant: TenantId): Promise<void> {
    const file = this.#file(tenant)
    let bytes: Uint8Array
    try {
      bytes = await readPrivateFile(file, POLICY_BUNDLE_MAX_BYTES, this.#disk)
    } catch (error) {
      if (error instanceof FileFault && error.code === 'file_missing') return
      throw error
    }
    const read = readSealedBundle(bytes, this.#deps.sha256)
    if (!read.ok || read.value.bundle.tenant !== tenant) {
      throw new FileFault('file_malformed', file)
    }
    this.#pin(tenant, read.value)
  }

  #read(tenant: TenantId): Promise<void> {
    const turn = this.#lane.then(async () => {
      const stored = await this.#deps.records.get(keyOf(tenant))
      if (stored !== undefined) await this.#offer(tenant, stored.value)
    })
    this.#lane = turn.catch(() => undefined)
    return turn
  }

  async #offer(tenant: TenantId, bytes: Uint8Array): Promise<void> {
    const mark = this.#deps.sha256(bytes)
    // A reconnect brings the same again; a `verify` that waited for somebody is asked again.
    const known = this.#refused.get(tenant)
    const refusal = await this.#judge(tenant, bytes)
    if (refusal === undefined) {
      this.#refused.delete(tenant)
      return
    }
    const { reason, detail, lines } = refusal
    const text = `${mark} ${reason}`
    if (known === text) return
    this.#refused.set(tenant, text)
    const details = lines ?? (detail === undefined ? [] : [detail])
    this.#deps.news(tenant, { kind: 'refused', reason, details })
  }

  /** Takes a bundle into force; why not, if not. */
  async #judge(tenant: TenantId, bytes: Uint8Array): Promise<Refusal | undefined> {
    const read = readSealedBundle(bytes, this.#deps.sha256)
    if (!read.ok) return read
    const offered = read.value
    const { bundle, bundle_hash } = offered
    if (bundle.tenant !== tenant) return { reason: 'bundle_other_tenant' }
    const newest = this.#pinned.get(tenant)?.bundle
    if (bundle_hash === newest?.bundle_hash) return undefined
    const late = lateness(offered, newest)
    if (late !== undefined) return late
    const verified = await this.#deps.verify(offered)
    if (!verified.ok) return verified
    const most = mostEpoch(offered, newest)
    if (verified.value !== ROOT && bundle.epoch > most) {
      return { reason: 'bundle_ahead', detail: `epoch ${bundle.epoch}, at most ${most}` }
    }
    const opened = this.#deps.open(offered)
    if (!opened.ok) return { reason: 'policy_refused', lines: opened.lines }
    await atomicWriteFile(this.#file(tenant), bytes, { mode: SECRET_FILE_MODE, disk: this.#disk })
    this.#pinned.set(tenant, { bundle: offered, policies: opened.value })
    this.#deps.news(tenant, { kind: 'in_force', epoch: bundle.epoch, by: verified.value })
    return undefined
  }

  /** What is pinned stays pinned also when it does not load here any more: then nothing is in force. */
  #pin(tenant: TenantId, bundle: UnverifiedBundle): void {
    const { news } = this.#deps
    const opened = this.#deps.open(bundle)
    this.#pinned.set(tenant, { bundle, policies: opened.ok ? opened.value : undefined })
    if (opened.ok) news(tenant, { kind: 'in_force', epoch: bundle.bundle.epoch, by: 'own pin' })
    else news(tenant, { kind: 'refused', reason: 'policy_refused', details: opened.lines })
  }

  #file(tenant: TenantId): string {
    return join(this.#deps.dir, `${tenant}.json`)
  }
}

/**
 * Epochs that a seal other than the root's may go ahead: a stolen delegate, or an admin who was
 * deceived, must not use up all that there are, nor keep a bundle back to undo later ones with it.
 */
const DELEGATE_AHEAD_MAX = 1_024
const PASSKEY_AHEAD_MAX = 64
/** For a reader that has nothing pinned yet; far below what the root can still seal. */
const FIRST_EPOCH_MAX = 2 ** 40
/** What `verify` answers for a seal of the root itself. */
const ROOT = 'operator'

function mostEpoch({ proof }: UnverifiedBundle, newest: UnverifiedBundle | undefined): number {
  if (newest === undefined) return FIRST_EPOCH_MAX
  return newest.bundle.epoch + (proof.kind === 'passkey' ? PASSKEY_AHEAD_MAX : DELEGATE_AHEAD_MAX)
}

/** A passkey's bundle that was made before the one in force knew nothing of it. */
function lateness(
  { bundle, proof }: UnverifiedBundle,
  newest: UnverifiedBundle | undefined,
): Refusal | undefined {
  if (newest === undefined) return undefined
  const { epoch, issued_at } = newest.bundle
  const detail = `epoch ${bundle.epoch}`
  if (bundle.epoch === epoch) return { reason: 'bundle_conflict', detail }
  const isHeldBack = proof.kind === 'passkey' && bundle.issued_at < issued_at
  return bundle.epoch < epoch || isHeldBack ? { reason: 'bundle_old', detail } : undefined
}

const keyOf = (tenant: TenantId): string => `${tenant}.${NEWEST_BUNDLE_KEY}`
