import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repositoryFile } from '../hashing.ts'
import { decideText, type Given } from './world.ts'

interface TruthCase {
  readonly name: string
  readonly line: string
  readonly given: Given
  readonly truth: boolean | 'unknown'
  readonly permitting: readonly [effect: string, rule: string]
  readonly restricting: readonly [effect: string, rule: string]
  readonly unknown: readonly string[]
}

const { cases } = JSON.parse(repositoryFile('vectors/policy/three-valued.json')) as {
  readonly cases: readonly TruthCase[]
}

const rule = (id: string, priority: number, effect: string, line: string): string =>
  `[[rules]]\nid = "${id}"\npriority = ${priority}\neffect = "${effect}"\n[rules.match]\n${line}\n`

const permitting = (line: string): string => `version = 1\n${rule('permits', 1, 'allow', line)}`
const restricting = (line: string): string =>
  `version = 1\n${rule('restricts', 1, 'deny', line)}${rule('rest', 2, 'allow', 'tool = ["**"]')}`

for (const { name, line, given, truth, ...expected } of cases) {
  test(`${String(truth)}: ${name}`, () => {
    const permits = decideText(permitting(line), given)
    const restricts = decideText(restricting(line), given)
    assert.deepEqual(
      {
        permitting: [permits.effect, permits.rule_id],
        restricting: [restricts.effect, restricts.rule_id],
        unknown: restricts.unknown,
      },
      expected,
    )
    assert.deepEqual(permits.unknown, expected.unknown)
    for (const fact of expected.unknown) assert.ok(restricts.reason.includes(fact))
  })
}

test('every truth stands in the table often', () => {
  const count = (truth: unknown): number => cases.filter((one) => one.truth === truth).length
  assert.ok(count(true) >= 80 && count(false) >= 80 && count('unknown') >= 200)
})
