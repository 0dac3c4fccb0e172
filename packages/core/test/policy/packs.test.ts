import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import {
  type CheckFinding,
  type CompiledLayers,
  type Counter,
  checkPolicy,
  compilePolicy,
  decideLayers,
  joinLayers,
  type Policy,
  type PolicyTest,
  parsePolicyTests,
  printPolicy,
  runPolicyTests,
} from '@trustgw/core'
import { type Money, OPERATIONS } from '@trustgw/protocol'
import { repositoryFile, sha256 } from '../hashing.ts'
import { mustParse } from './world.ts'

const ROOT = new URL('../../../../../', import.meta.url)
const TESTS = '.tests.toml'
const GUIDE = 'docs/guides/policy.md'

const policiesIn = (folder: string): readonly string[] =>
  readdirSync(new URL(folder, ROOT))
    .filter((name) => name.endsWith('.toml') && !name.endsWith(TESTS))
    .map((name) => `${folder}${name}`)

const PACKS = policiesIn('policies/')
const ABOUT_A_CATEGORY = PACKS.filter((file) => !/read-only|ask-for-writes/.test(file))
const ALL = [...PACKS, ...policiesIn('examples/policies/')]

/** Each is argued for in a comment at its rule. */
const EXPECTED: ReadonlyMap<string, readonly CheckFinding[]> = new Map([
  [
    'policies/ask-for-writes.toml',
    [{ kind: 'asserted_only', rule: 'ask-unattended', facts: ['source'] }],
  ],
])

function testsOf(text: string, file: string): readonly PolicyTest[] {
  const parsed = parsePolicyTests(text, { file })
  assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.findings))
  return parsed.value
}

const testsBeside = (file: string): readonly PolicyTest[] => {
  const name = file.replace(/\.toml$/, TESTS)
  return testsOf(repositoryFile(name), name)
}

const layersOf = (policy: Policy): CompiledLayers =>
  joinLayers([compilePolicy(policy, sha256)], sha256)

const failuresOf = (policy: Policy, tests: readonly PolicyTest[]): readonly unknown[] =>
  runPolicyTests(layersOf(policy), tests).filter(({ ok }) => !ok)

const shifted = ({ minor, currency }: Money, by: number): Money => ({
  minor: minor + BigInt(by),
  currency,
})

/** Counters in which nothing was counted, for every limit. */
const untouched = ({ limits }: Policy): ReadonlyMap<string, Counter> =>
  new Map(
    limits.map(({ id, max_amount }) => [
      id,
      { count: 0, amount: max_amount === null ? null : { ...max_amount, minor: 0n } },
    ]),
  )

type Changed = readonly [what: string, policy: Policy]

/** With one bound on an amount narrowed by the smallest unit; wider ones may be covered elsewhere. */
function narrowed(policy: Policy): readonly Changed[] {
  const { rules } = policy
  return rules.flatMap((rule, at) =>
    rule.match.flatMap((line, place) => {
      if (line.kind !== 'amount') return []
      return line.bounds.map(({ bound, money }, index): Changed => {
        const by = bound === 'gt' || bound === 'gte' ? 1 : -1
        const bounds = line.bounds.with(index, { bound, money: shifted(money, by) })
        const match = rule.match.with(place, { kind: 'amount', bounds })
        return [`${rule.id} ${bound}`, { ...policy, rules: rules.with(at, { ...rule, match }) }]
      })
    }),
  )
}

/** With one limit one higher, or one lower. */
function moved(policy: Policy): readonly Changed[] {
  const { limits } = policy
  return limits.flatMap((limit, at) =>
    [-1, 1].map((by): Changed => {
      const { max_count, max_amount } = limit
      const changed = {
        ...limit,
        max_count: max_count === null ? null : max_count + by,
        max_amount: max_amount === null ? null : shifted(max_amount, by),
      }
      return [`${limit.id} ${by}`, { ...policy, limits: limits.with(at, changed) }]
    }),
  )
}

test('there are packs, and the policy of the quick start beside them', () => {
  assert.equal(PACKS.length, 8)
  assert.ok(ALL.includes('examples/policies/quick-start.toml'))
})

for (const file of ALL) {
  const text = repositoryFile(file)
  const policy = mustParse(text)
  const tests = testsBeside(file)

  test(`${file} names a schema that is there, in its first line`, () => {
    const [, path] = /^#:schema (\S+)\n/.exec(text) ?? []
    assert.ok(path !== undefined)
    assert.ok(existsSync(new URL(path, new URL(file, ROOT))))
    assert.equal(
      new URL(path, new URL(file, ROOT)).href,
      new URL('spec/policy.schema.json', ROOT).href,
    )
  })

  test(`${file} is the same after printing, and denies by default`, () => {
    assert.deepEqual(mustParse(printPolicy(policy)), policy)
    assert.equal(policy.defaults.effect, 'deny')
  })

  test(`${file}: check finds nothing that a comment does not argue for`, () => {
    assert.deepEqual(checkPolicy(compilePolicy(policy, sha256)), EXPECTED.get(file) ?? [])
  })

  test(`${file} passes its tests, and each rule and limit decides one`, () => {
    assert.ok(tests.length >= 12)
    assert.deepEqual(failuresOf(policy, tests), [])
    assert.equal(new Set(tests.map(({ name }) => name)).size, tests.length)
    const decided = new Set(tests.map(({ expect }) => expect.rule))
    const ids = [...policy.rules, ...policy.limits].map(({ id }) => id)
    assert.deepEqual(
      ids.filter((id) => !decided.has(id)),
      [],
    )
  })

  test(`${file}: a threshold moved by one fails a test`, () => {
    for (const [what, changed] of [...narrowed(policy), ...moved(policy)]) {
      assert.notDeepEqual(failuresOf(changed, tests), [], what)
    }
  })

  test(`${file}: what runs as it is declared does not run declared as another change`, () => {
    const layers = layersOf(policy)
    for (const { name, facts, expect } of tests) {
      if (expect.effect !== 'allow') continue
      for (const operation of OPERATIONS) {
        if (operation === 'read' || operation === facts.tool.operation) continue
        const tool = { ...facts.tool, operation }
        const changed = { ...facts, tool, counters: untouched(policy) }
        assert.notEqual(decideLayers(layers, changed).effect, 'allow', `${name}: ${operation}`)
      }
    }
  })

  test(`${file}: every rule and limit says why in its own words`, () => {
    for (const { id, reason } of [...policy.rules, ...policy.limits]) {
      assert.doesNotMatch(reason, /^(?:Rule|Limit) /, id)
    }
  })
}

test('packs about a category permit and ask nothing about another, nor where none is declared', () => {
  for (const file of ABOUT_A_CATEGORY) {
    const layers = layersOf(mustParse(repositoryFile(file)))
    for (const { name, facts } of testsBeside(file)) {
      for (const category of ['another', null]) {
        const tool = { ...facts.tool, category }
        assert.equal(decideLayers(layers, { ...facts, tool }).effect, 'deny', `${file}: ${name}`)
      }
    }
  }
})

test('packs about different categories, joined in one file, decide as each does alone', () => {
  const parts = ABOUT_A_CATEGORY.map((file) => mustParse(repositoryFile(file)))
  const defaults = { ...mustParse('version = 1').defaults }
  const policy = {
    version: 1 as const,
    defaults,
    rules: parts.flatMap(({ rules }) => rules),
    limits: parts.flatMap(({ limits }) => limits),
  }
  // Printed and read again: no id is in two packs.
  const compiled = compilePolicy(mustParse(printPolicy(policy)), sha256)
  assert.deepEqual(checkPolicy(compiled), [])
  const tests = ABOUT_A_CATEGORY.flatMap(testsBeside).map((one) => ({
    ...one,
    // A false rule of another pack may have looked at an argument first.
    expect: { ...one.expect, unknown: null },
  }))
  assert.ok(tests.length > 250)
  const outcomes = runPolicyTests(joinLayers([compiled], sha256), tests)
  assert.deepEqual(
    outcomes.filter(({ ok }) => !ok),
    [],
  )
})

test('every piece of policy in the guide loads, and its tests pass', () => {
  const guide = repositoryFile(GUIDE)
  const blocks = [...guide.matchAll(/^```toml\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
  assert.equal(blocks.length, guide.split('```toml').length - 1)
  const texts = blocks.map((block) =>
    block.startsWith('version = 1') ? block : `version = 1\n${block}`,
  )
  const [first = '', ...rest] = texts.filter((text) => !text.includes('[[tests]]'))
  assert.ok(rest.length > 0)
  for (const text of [first, ...rest]) {
    const findings = checkPolicy(compilePolicy(mustParse(text), sha256))
    assert.deepEqual(
      findings.filter(({ kind }) => kind !== 'asserted_only'),
      [],
      text,
    )
  }
  const tests = texts.filter((text) => text.includes('[[tests]]'))
  assert.ok(tests.length > 0)
  for (const text of tests) {
    assert.deepEqual(failuresOf(mustParse(first), testsOf(text, GUIDE)), [])
  }
})

test('the guide names every pack, and no other', () => {
  const named = repositoryFile(GUIDE).matchAll(/\]\(\.\.\/\.\.\/(policies\/[a-z-]+\.toml)\)/g)
  assert.deepEqual(new Set([...named].map(([, name]) => name)), new Set(PACKS))
})
