import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CompiledPolicy,
  compilePolicy,
  diffPolicies,
  type LayerName,
  type PolicyDiff,
  parsePolicy,
} from '@trustgw/core'
import { repositoryFile, sha256 } from '../hashing.ts'

interface DiffCase {
  readonly name: string
  readonly layer?: LayerName
  readonly old: string
  readonly next: string
  readonly verdict: PolicyDiff['verdict']
  readonly widens: readonly unknown[]
  readonly doubts: readonly string[]
}

const { cases } = JSON.parse(repositoryFile('vectors/policy/diffs.json')) as {
  readonly cases: readonly DiffCase[]
}

function compile(text: string, layer: LayerName): CompiledPolicy {
  const parsed = parsePolicy(text, { file: 'policy.toml', layer })
  assert.ok(parsed.ok)
  return compilePolicy(parsed.value, sha256, { layer })
}

for (const { name, layer = 'platform', old, next, ...expected } of cases) {
  test(`diff: ${name}`, () => {
    const { verdict, widens, doubts } = diffPolicies(compile(old, layer), compile(next, layer))
    const shown = widens.map(({ before, after, example }) => ({ before, after, example }))
    const whys = doubts.map(({ why }) => why)
    assert.deepEqual({ verdict, widens: shown, doubts: whys }, expected)
  })
}
