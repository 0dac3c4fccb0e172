import { join } from 'node:path'
import {
  type BundleSealer,
  canonicalize,
  NEWEST_BUNDLE_KEY,
  type PolicyBundle,
  type PolicyLayer,
  parseTenantId,
  type SealedBundle,
  sealBundle,
  sealedBundleJson,
  utf8Encode,
} from '@trustgw/protocol'
import {
  connectNats,
  deflateText,
  keyIdOf,
  loadSigningKey,
  nodeRandom,
  type RecordStore,
  readCredsFile,
  sha256,
  silentLogger,
} from '@trustgw/runtime'

/** A policy file of a bundle, in plain text. */
export interface PolicyFile {
  readonly text: string
  /** Default `platform`. */
  readonly layer?: PolicyLayer
  /** The workspace or agent of a layer for one. */
  readonly scope?: string
  /** As findings name it. Default `<layer>.toml`. */
  readonly file?: string
}

export interface BundleHead {
  readonly tenant: string
  readonly epoch: number
  /** Unix milliseconds. Default now. */
  readonly issuedAt?: number
}

export function bundleOf(files: readonly PolicyFile[], head: BundleHead): PolicyBundle {
  const tenant = parseTenantId(head.tenant)
  if (!tenant.ok) throw new TypeError('not a tenant')
  return {
    v: 1,
    tenant: tenant.value,
    epoch: head.epoch,
    issued_at: head.issuedAt ?? Date.now(),
    policies: files.map(({ text, layer = 'platform', scope = null, file = `${layer}.toml` }) => ({
      layer,
      scope,
      file,
      deflated: deflateText(text),
    })),
  }
}

/** A bundle as an operator publishes it. Says nothing of whether the policies load. */
export function sealBundleOf(
  files: readonly PolicyFile[],
  head: BundleHead & {
    readonly operatorKey: Omit<BundleSealer, 'delegation'> & Partial<BundleSealer>
  },
): SealedBundle {
  return sealBundle(sha256, bundleOf(files, head), { delegation: null, ...head.operatorKey })
}

/** The bytes of a record in the bucket `policies`. */
export function bundleBytes(sealed: SealedBundle): Uint8Array {
  return utf8Encode(canonicalize(sealedBundleJson(sealed)))
}

/** Puts it in the place of the newest one, whatever stands there: attacks need that, too. */
export async function publishBundle(
  policies: RecordStore,
  tenant: string,
  sealed: SealedBundle | Uint8Array,
): Promise<void> {
  const key = `${tenant}.${NEWEST_BUNDLE_KEY}`
  const value = sealed instanceof Uint8Array ? sealed : bundleBytes(sealed)
  const stored = await policies.get(key)
  const written =
    stored === undefined
      ? await policies.create(key, value)
      : await policies.replace(key, value, stored.revision)
  if (!written.ok) throw new Error(`the policy bundle was not stored: ${written.reason}`)
}

/** What the operator has to publish policy with. */
export interface PolicyDesk {
  /** The bucket `policies`. */
  readonly policies: RecordStore
  readonly operatorKey: Omit<BundleSealer, 'delegation'>
}

/** Lends the operator's key and provisioning identity of a system on this machine. */
export async function asOperator<T>(
  system: { readonly stateDir: string; readonly nats: string },
  use: (desk: PolicyDesk) => Promise<T>,
): Promise<T> {
  const at = (name: string): string => join(system.stateDir, 'operator', name)
  const key = await loadSigningKey(at('operator.key'))
  const link = await connectNats({
    servers: [system.nats],
    creds: readCredsFile(at('provision-data.creds')),
    logger: silentLogger,
    random: nodeRandom,
  })
  try {
    const operatorKey = { kid: keyIdOf('operator', key.publicKey), sign: key.sign }
    return await use({ policies: link.records({ home: 'own', bucket: 'policies' }), operatorKey })
  } finally {
    await link.bus.drain()
  }
}
