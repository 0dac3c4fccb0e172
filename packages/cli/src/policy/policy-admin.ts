import {
  type BundleSealer,
  checkSeal,
  type Hash,
  NEWEST_BUNDLE_KEY,
  type PinnedPolicy,
  POLICY_BUNDLE_MAX_BYTES,
  POLICY_BUNDLE_TEXT_MAX_BYTES,
  type PolicyBundle,
  readSealedBundle,
  sealBundle,
  sealedBundleJson,
  type TenantId,
  type UnverifiedBundle,
  utf8Encode,
  utf8Length,
} from '@trustgw/protocol'
import {
  type BusLink,
  deflateText,
  inflatePolicies,
  loadTrust,
  type PublicKeys,
  type RecordStore,
  type Settings,
  sha256,
  verifierOf,
} from '@trustgw/runtime'
import { openData, registries } from '../install/data.ts'
import { layoutOf } from '../install/layout.ts'
import type { PolicyFile } from './policy-files.ts'

const EPOCH_TRIES = 16
const NEWEST_TRIES = 8

/** A bundle that was put on the bus or is there, with what vouches for it. */
export interface KnownBundle {
  readonly bundle: PolicyBundle
  readonly bundle_hash: Hash
  /** `operator`, `delegate`, or `passkey of …`. */
  readonly by: string
}

/** A bundle that cannot be put on the bus. */
export class PolicyAdminFault extends Error {
  readonly code: 'bundle_too_large' | 'bundle_contended'
  constructor(code: PolicyAdminFault['code'], message: string) {
    super(message)
    this.name = 'PolicyAdminFault'
    this.code = code
  }
}

/** The operator's hand on the bucket `policies`, for as long as one command takes. */
export class PolicyAdmin {
  readonly #link: BusLink
  readonly #keys: PublicKeys
  readonly #tenant: TenantId

  constructor(link: BusLink, keys: PublicKeys, tenant: TenantId) {
    this.#link = link
    this.#keys = keys
    this.#tenant = tenant
  }

  static async open(settings: Settings, tenant: TenantId): Promise<PolicyAdmin> {
    const keys = await loadTrust(layoutOf(settings).operatorTrust)
    return new PolicyAdmin(await openData(settings), keys, tenant)
  }

  async close(): Promise<void> {
    await this.#link.bus.drain()
  }

  /** Every bundle whose seal holds, the newest first. */
  async history(): Promise<readonly KnownBundle[]> {
    const pinned = await this.#pinned()
    const found = new Map<number, KnownBundle>()
    for (const { value } of await this.#records().list(this.#tenant)) {
      const read = readSealedBundle(value, sha256)
      if (!read.ok || read.value.bundle.tenant !== this.#tenant) continue
      const by = this.#sealedBy(read.value, pinned)
      const { bundle, bundle_hash } = read.value
      if (by !== undefined) found.set(bundle.epoch, { bundle, bundle_hash, by })
    }
    return [...found.values()].toSorted((a, b) => b.bundle.epoch - a.bundle.epoch)
  }

  /** Whether nothing was ever published for the tenant. */
  async isEmpty(): Promise<boolean> {
    return (await this.#records().list(this.#tenant)).length === 0
  }

  /** Seals the files as the next epoch and puts them where gateways and executors find them. */
  async publish(files: readonly PolicyFile[], sealer: BundleSealer): Promise<KnownBundle> {
    const [newest] = await this.history()
    let epoch = (newest?.bundle.epoch ?? 0) + 1
    const issued_at = Date.now()
    const policies = files.map(({ layer, scope, file, text }) => ({
      layer,
      scope,
      file,
      deflated: deflateText(text),
    }))
    const unpacked = files.reduce((sum, { text }) => sum + utf8Length(text), 0)
    if (unpacked > POLICY_BUNDLE_TEXT_MAX_BYTES)
      throw tooLarge('in all', unpacked, POLICY_BUNDLE_TEXT_MAX_BYTES)
    for (let turn = 0; turn < EPOCH_TRIES; turn += 1, epoch += 1) {
      const bundle: PolicyBundle = { v: 1, tenant: this.#tenant, epoch, issued_at, policies }
      const sealed = sealBundle(sha256, bundle, sealer)
      const bytes = utf8Encode(JSON.stringify(sealedBundleJson(sealed)))
      if (bytes.length > POLICY_BUNDLE_MAX_BYTES)
        throw tooLarge('sealed', bytes.length, POLICY_BUNDLE_MAX_BYTES)
      if (!(await this.#archive(`${this.#tenant}.e${epoch}`, bytes))) continue
      await this.#makeNewest(bytes)
      const read = readSealedBundle(bytes, sha256)
      if (!read.ok) throw new TypeError(read.reason)
      const { bundle_hash } = read.value
      return { bundle, bundle_hash, by: sealer.delegation === null ? 'operator' : 'delegate' }
    }
    throw new PolicyAdminFault('bundle_contended', 'others write policies at the same time: again')
  }

  /** False where a bundle stands that holds; what nobody vouches for must not stop a policy. */
  async #archive(key: string, bytes: Uint8Array): Promise<boolean> {
    const records = this.#records()
    if ((await records.create(key, bytes)).ok) return true
    const there = await records.get(key)
    if (there === undefined) return false
    const read = readSealedBundle(there.value, sha256)
    // One that a passkey sealed a moment ago is vouched for a moment later: it is never written over.
    const isGood = read.ok && this.#sealedBy(read.value, await this.#pinned()) !== undefined
    if (isGood || (read.ok && read.value.proof.kind === 'passkey')) return false
    return (await records.replace(key, bytes, there.revision)).ok
  }

  async #makeNewest(bytes: Uint8Array): Promise<void> {
    const key = `${this.#tenant}.${NEWEST_BUNDLE_KEY}`
    const records = this.#records()
    for (let turn = 0; turn < NEWEST_TRIES; turn += 1) {
      const before = await records.get(key)
      const written =
        before === undefined
          ? await records.create(key, bytes)
          : await records.replace(key, bytes, before.revision)
      if (written.ok) return
    }
    throw new PolicyAdminFault('bundle_contended', 'others write policies at the same time: again')
  }

  #sealedBy(found: UnverifiedBundle, pinned: readonly PinnedPolicy[]): string | undefined {
    const { bundle, bundle_hash, proof } = found
    if (proof.kind === 'passkey') {
      const verified = pinned.some(
        (pin) => pin.epoch === bundle.epoch && pin.bundle_hash === bundle_hash,
      )
      return verified ? `passkey of ${proof.admin}` : undefined
    }
    const operatorKeyFor = this.#keys.keyFor({ role: 'operator' })
    const at = (now: number): ReturnType<typeof checkSeal> =>
      checkSeal(found, { operatorKeyFor, verifierOf, now })
    // What a delegate sealed in its time is history; beyond what executors verified, its time is now.
    const isHistory = pinned.some(({ epoch }) => bundle.epoch <= epoch)
    const sealed = at(isHistory ? bundle.issued_at : Date.now())
    return sealed.ok ? sealed.value : undefined
  }

  /** What executors say that they verified: they hold the pins that passkeys are checked with. */
  async #pinned(): Promise<readonly PinnedPolicy[]> {
    const known = await registries(this.#link, this.#keys, this.#tenant)
    return known.flatMap(({ policy }) => policy ?? [])
  }

  #records(): RecordStore {
    return this.#link.records({ home: 'own', bucket: 'policies' })
  }
}

/** The files of a bundle as texts; none where they cannot be unpacked. */
export function filesOf({ policies }: PolicyBundle): readonly PolicyFile[] {
  return inflatePolicies(policies) ?? []
}

/** Whether a bundle holds exactly these files. */
export function holdsFiles(bundle: PolicyBundle, files: readonly PolicyFile[]): boolean {
  return contentOf(filesOf(bundle)) === contentOf(files)
}

function contentOf(files: readonly PolicyFile[]): string {
  return JSON.stringify(
    files.map(({ layer, scope, text }) => JSON.stringify([layer, scope, text])).toSorted(),
  )
}

function tooLarge(how: string, bytes: number, max: number): PolicyAdminFault {
  return new PolicyAdminFault(
    'bundle_too_large',
    `${how}, the policy has ${bytes} bytes and a bundle may have ${max} bytes: shorten lists, or move rules to connectors`,
  )
}
