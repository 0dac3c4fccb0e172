/** The policies of a bundle, ready to decide (spec/policy.md "Layers", spec/protocol.md §4). */
import {
  type Hash,
  POLICY_BUNDLE_TEXT_MAX_BYTES,
  POLICY_TEXT_MAX_BYTES,
  type PolicyBundle,
  type Sha256,
  type TenantId,
  type UnverifiedBundle,
  utf8Length,
} from '@trustgw/protocol'
import { LAYERS } from './ast.ts'
import { type CompiledPolicy, compilePolicy } from './compile.ts'
import { type CompiledLayers, joinLayers } from './decide.ts'
import type { Finding } from './findings.ts'
import { parsePolicy } from './parse.ts'

/** For whom an action is decided: which workspace's and which agent's policy has a say. */
export interface PolicyScope {
  readonly workspace: string
  /** The authenticated subject of the principal. */
  readonly agent: string
}

/** One bundle of a tenant, compiled. */
export interface PolicySet {
  readonly tenant: TenantId
  readonly epoch: number
  readonly bundle_hash: Hash
  /** The layers that decide for a scope, the platform's first. */
  readonly layersFor: (scope: PolicyScope) => CompiledLayers
  /** Every policy of the bundle. */
  readonly policies: readonly ScopedPolicy[]
}

export interface ScopedPolicy {
  readonly scope: string | null
  readonly text: string
  readonly compiled: CompiledPolicy
}

export interface OpenBundleDeps {
  readonly sha256: Sha256
  /** The text of a policy; undefined where it is no DEFLATE, longer than `maxBytes` or not UTF-8. */
  readonly inflate: (deflated: string, maxBytes: number) => string | undefined
  /** Permits what production refuses; see `parsePolicy`. */
  readonly development: boolean
}

export type OpenedBundle =
  | { readonly ok: true; readonly value: PolicySet }
  | { readonly ok: false; readonly findings: readonly Finding[] }

const about = (file: string, message: string): Finding => ({
  file,
  line: 1,
  column: 1,
  key: '',
  message,
})

function layerProblems({ policies }: PolicyBundle): readonly Finding[] {
  const seen = new Set<string>()
  const found: Finding[] = []
  for (const { layer, scope, file } of policies) {
    const isScoped = layer === 'workspace' || layer === 'agent'
    if (isScoped !== (scope !== null)) {
      const message = isScoped ? `a policy of layer ${layer} names none` : `layer ${layer} has none`
      found.push(about(file, `scope: ${message}`))
    }
    const key = `${layer} ${scope ?? ''}`
    if (seen.has(key)) found.push(about(file, `the layer ${key.trim()} is there twice`))
    seen.add(key)
  }
  if (!seen.has('platform ')) found.push(about('bundle', 'the platform layer is missing'))
  return found
}

function memoised(policies: readonly ScopedPolicy[], sha256: Sha256): PolicySet['layersFor'] {
  const find = (layer: string, scope: string | null): CompiledPolicy | undefined =>
    policies.find((one) => one.compiled.layer === layer && one.scope === scope)?.compiled
  const known = new Map<string, CompiledLayers>()
  return ({ workspace, agent }) => {
    const scopes = { platform: null, tenant: null, workspace, agent }
    const layers = LAYERS.flatMap((layer) => find(layer, scopes[layer]) ?? [])
    // By what was found, so that names without a policy of their own share one entry.
    const key = layers.map(({ fingerprint }) => fingerprint).join(' ')
    const joined = known.get(key) ?? joinLayers(layers, sha256)
    known.set(key, joined)
    return joined
  }
}

const NOT_UNPACKED = 'cannot be unpacked, or is longer than a policy may be'
const TOO_LONG_IN_ALL = 'is too long together with the policies before it, or cannot be unpacked'

/**
 * Parses and compiles every policy of a bundle; all findings when any is refused. NOT checked: the
 * seal, the epoch.
 */
export function openBundle(
  { bundle, bundle_hash }: Pick<UnverifiedBundle, 'bundle' | 'bundle_hash'>,
  deps: OpenBundleDeps,
): OpenedBundle {
  const findings = [...layerProblems(bundle)]
  const policies: ScopedPolicy[] = []
  let left = POLICY_BUNDLE_TEXT_MAX_BYTES
  for (const { layer, scope, file, deflated } of bundle.policies) {
    const most = Math.min(POLICY_TEXT_MAX_BYTES, left)
    const text = deps.inflate(deflated, most)
    const length = text === undefined ? most : utf8Length(text)
    // What cannot be unpacked costs the most that was unpacked for it.
    left -= Math.min(length, most)
    if (text === undefined || length > most) {
      const why = most === POLICY_TEXT_MAX_BYTES ? NOT_UNPACKED : TOO_LONG_IN_ALL
      findings.push(about(file, why))
      continue
    }
    const parsed = parsePolicy(text, { file, development: deps.development, layer })
    if (parsed.ok) {
      policies.push({ scope, text, compiled: compilePolicy(parsed.value, deps.sha256, { layer }) })
    } else findings.push(...parsed.findings)
  }
  if (findings.length > 0) return { ok: false, findings }
  const { tenant, epoch } = bundle
  const layersFor = memoised(policies, deps.sha256)
  return { ok: true, value: { tenant, epoch, bundle_hash, layersFor, policies } }
}
