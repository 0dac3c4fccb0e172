import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CheckFinding,
  checkPolicy,
  compilePolicy,
  type Explanation,
  explain,
  joinLayers,
  safeExplain,
  type ToolFacts,
} from '@trustgw/core'
import { repositoryFile, sha256 } from '../hashing.ts'
import { factsOf, type Given, mustParse } from './world.ts'

const CHECKS = JSON.parse(repositoryFile('vectors/policy/checks.json')) as {
  readonly cases: readonly {
    readonly name: string
    readonly policy: string
    readonly tools: readonly ToolFacts[]
    readonly findings: readonly CheckFinding[]
  }[]
}

for (const { name, policy, tools, findings } of CHECKS.cases) {
  test(`check: ${name}`, () => {
    assert.deepEqual(checkPolicy(compilePolicy(mustParse(policy), sha256), tools), findings)
  })
}

const EXPLAINED = JSON.parse(repositoryFile('vectors/policy/explained.json')) as {
  readonly policy: string
  readonly cases: readonly {
    readonly name: string
    readonly given: Given
    readonly rules: Explanation['rules']
    readonly change: Explanation['change']
    readonly safe: string
  }[]
}
const layers = joinLayers([compilePolicy(mustParse(EXPLAINED.policy), sha256)], sha256)

for (const { name, given, ...expected } of EXPLAINED.cases) {
  test(`explain: ${name}`, () => {
    const explained = explain(layers, factsOf(given))
    const { rules, change } = explained
    assert.deepEqual({ rules, change, safe: safeExplain(explained) }, expected)
  })
}
