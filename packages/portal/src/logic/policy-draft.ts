/** The policies of a tenant as texts that are being written. */
import type { PolicyLayer } from '@trustgw/protocol'

export interface PolicyText {
  readonly layer: PolicyLayer
  /** The workspace or the agent that it is for. */
  readonly scope: string | null
  readonly file: string
  readonly text: string
}

export const LAYERS: readonly PolicyLayer[] = ['platform', 'tenant', 'workspace', 'agent']

/** What a policy is for: no two of one draft are for the same. */
export function policyKey({ layer, scope }: Pick<PolicyText, 'layer' | 'scope'>): string {
  return scope === null ? layer : `${layer}/${scope}`
}

export function policyAt(policies: readonly PolicyText[], key: string): PolicyText | undefined {
  return policies.find((policy) => policyKey(policy) === key)
}

/** The widest layer first, then by scope. */
function inOrder(policies: readonly PolicyText[]): readonly PolicyText[] {
  return [...policies].sort(
    (a, b) =>
      LAYERS.indexOf(a.layer) - LAYERS.indexOf(b.layer) ||
      ((a.scope ?? '') < (b.scope ?? '') ? -1 : 1),
  )
}

export function withText(
  policies: readonly PolicyText[],
  key: string,
  text: string,
): readonly PolicyText[] {
  return policies.map((policy) => (policyKey(policy) === key ? { ...policy, text } : policy))
}

const isScoped = (layer: PolicyLayer): boolean => layer === 'workspace' || layer === 'agent'

export type LayerRefusal = 'scope_missing' | 'scope_odd' | 'layer_there'

const NEW_TEXT: Readonly<Record<PolicyLayer, string>> = {
  platform:
    'version = 1\n\n[defaults]\neffect       = "deny"\ngrant_ttl    = "30s"\napproval_ttl = "15m"\n',
  tenant: 'version = 1\n# A layer below the platform can only restrict further.\n',
  workspace: 'version = 1\n# Holds for one workspace, and can only restrict further.\n',
  agent: 'version = 1\n# Holds for one agent, and can only restrict further.\n',
}

/** A draft with one more layer, which says nothing yet; or why there cannot be one. */
export function withLayer(
  policies: readonly PolicyText[],
  layer: PolicyLayer,
  scope: string,
): readonly PolicyText[] | LayerRefusal {
  const named = isScoped(layer) ? scope.trim() : ''
  if (isScoped(layer) && named === '') return 'scope_missing'
  if (!/^[!-~]{0,128}$/.test(named)) return 'scope_odd'
  const added = { layer, scope: named === '' ? null : named }
  if (policyAt(policies, policyKey(added)) !== undefined) return 'layer_there'
  const name = named === '' ? layer : `${layer}-${named.replaceAll(/[^A-Za-z0-9._-]/g, '_')}`
  return inOrder([...policies, { ...added, file: `${name}.toml`, text: NEW_TEXT[layer] }])
}

/** The platform's policy always stays: without it nothing is decided. */
export function withoutLayer(policies: readonly PolicyText[], key: string): readonly PolicyText[] {
  return policies.filter((policy) => policyKey(policy) !== key || policy.layer === 'platform')
}

export function sameDraft(a: readonly PolicyText[], b: readonly PolicyText[]): boolean {
  return a.length === b.length && a.every((one) => policyAt(b, policyKey(one))?.text === one.text)
}

/** 1-based line on which a rule or limit names itself; 1 where it is not found. */
export function lineOfRule(text: string, id: string): number {
  const quoted = id.replaceAll(/[.*+?^${}()|[\]\\-]/g, '\\$&')
  const found = new RegExp(`^\\s*id\\s*=\\s*["']${quoted}["']`, 'm').exec(text)
  return found === null ? 1 : lineAt(text, found.index + found[0].search(/\S/))
}

export function lineAt(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line++
  return line
}

/** Offsets of the text of a 1-based line, without its end. */
export function lineSpan(
  text: string,
  line: number,
): { readonly start: number; readonly end: number } {
  let start = 0
  for (let at = 1; at < line; at++) {
    const next = text.indexOf('\n', start)
    if (next < 0) break
    start = next + 1
  }
  const end = text.indexOf('\n', start)
  return { start, end: end < 0 ? text.length : end }
}
