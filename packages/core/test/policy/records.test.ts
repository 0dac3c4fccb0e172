import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CompiledLayers,
  compilePolicy,
  decideLayers,
  joinLayers,
  LAYERS,
  type LayerName,
  type PolicyDecision,
  parsePolicy,
  recheckDecision,
  redecide,
} from '@trustgw/core'
import { repositoryFile, sha256 } from '../hashing.ts'
import { factsOf, type Given } from './world.ts'

type Files = Readonly<Partial<Record<LayerName, string>>>

interface RecordCase {
  readonly policy: string
  readonly name: string
  readonly given: Given
  readonly decision: Omit<PolicyDecision, 'policy_fingerprint'>
}

const VECTORS = JSON.parse(repositoryFile('vectors/policy/records.json')) as {
  readonly policies: Readonly<Record<string, Files>>
  readonly fingerprints: Readonly<Record<string, string>>
  readonly cases: readonly RecordCase[]
}

function layersOf(files: Files): CompiledLayers {
  const compiled = LAYERS.flatMap((layer) => {
    const text = files[layer]
    if (text === undefined) return []
    const parsed = parsePolicy(text, { file: layer, layer })
    assert.ok(parsed.ok)
    return [compilePolicy(parsed.value, sha256, { layer })]
  })
  return joinLayers(compiled, sha256)
}

const LAYERS_OF = new Map(
  Object.entries(VECTORS.policies).map(([name, files]) => [name, layersOf(files)]),
)
const layersNamed = (name: string): CompiledLayers => LAYERS_OF.get(name) ?? assert.fail(name)

for (const { policy, name, given, decision } of VECTORS.cases) {
  test(`${policy}: the record of "${name}" is what the vectors say`, () => {
    const policy_fingerprint = VECTORS.fingerprints[policy]
    const decided = decideLayers(layersNamed(policy), factsOf(given))
    assert.deepEqual(decided, { ...decision, policy_fingerprint })
  })

  test(`${policy}: the record of "${name}" is enough to decide again`, () => {
    const layers = layersNamed(policy)
    const facts = factsOf(given)
    const record = {
      ...decideLayers(layers, facts),
      tool_id: facts.tool.id,
      tenant: facts.tenant,
      workspace: facts.workspace,
      decided_at: facts.time_ms,
    }
    const { tool, args, tenant, workspace, agent, user, time_ms } = facts
    const { local_times = new Map() } = facts
    const derived = { tool, args, tenant, workspace, agent, user, time_ms, local_times }
    assert.deepEqual(recheckDecision(layers, record, derived).ok, true)
    const alone = redecide(layers, record)
    if (alone.ok) assert.deepEqual(alone.decision, decideLayers(layers, facts))
    else assert.equal(alone.reason, 'fact_not_recorded')
  })
}
