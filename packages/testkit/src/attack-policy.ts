import {
  decideLayers,
  factsFromRecord,
  openBundle,
  type PolicyDecision,
  type PolicyFacts,
  type PolicySet,
  zonesOf,
} from '@trustgw/core'
import {
  type DecisionRecord,
  type JsonObject,
  NEWEST_BUNDLE_KEY,
  readSealedBundle,
  type SealedBundle,
  type ToolContract,
} from '@trustgw/protocol'
import { inflateText, localTimesOf, type RecordStore, sha256 } from '@trustgw/runtime'
import { bundleBytes } from './seal-policy.ts'

/** The newest bundle of the bucket `policies`, as it stands there. */
export async function newestBundle(policies: RecordStore, tenant: string): Promise<Uint8Array> {
  const stored = await policies.get(`${tenant}.${NEWEST_BUNDLE_KEY}`)
  if (stored === undefined) throw new Error('the system has no policy bundle')
  return stored.value
}

/** The policies of a bundle, whoever sealed it. */
export function openPolicies(sealed: Uint8Array | SealedBundle): PolicySet {
  const bytes = sealed instanceof Uint8Array ? sealed : bundleBytes(sealed)
  const read = readSealedBundle(bytes, sha256)
  if (!read.ok) throw new Error(`no policy bundle: ${read.detail ?? read.reason}`)
  const opened = openBundle(read.value, { sha256, inflate: inflateText, development: true })
  if (!opened.ok)
    throw new Error(`a policy that does not load: ${opened.findings[0]?.message ?? ''}`)
  return opened.value
}

/** What the policies say of a call like a recorded one, with other arguments, at another time. */
export function decideLike(
  policies: PolicySet,
  like: DecisionRecord,
  call: {
    readonly tool: ToolContract
    readonly args: JsonObject
    readonly at: number
    /** Asserted in place of the recorded ones. */
    readonly facts?: Partial<PolicyFacts>
  },
): PolicyDecision & Pick<DecisionRecord, 'policy_epoch'> {
  const { tenant, workspace, principal, on_behalf_of } = like
  const agent = principal.subject
  const layers = policies.layersFor({ workspace, agent })
  const { recorded: _, ...known } = factsFromRecord(like)
  const decision = decideLayers(layers, {
    ...known,
    ...call.facts,
    tool: call.tool,
    args: call.args,
    tenant,
    workspace,
    agent,
    user: on_behalf_of,
    time_ms: call.at,
    local_times: localTimesOf(zonesOf(layers), call.at),
  })
  return { ...decision, policy_epoch: policies.epoch }
}
