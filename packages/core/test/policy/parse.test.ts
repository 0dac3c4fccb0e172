import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy, type Finding, parsePolicy } from '@trustgw/core'
import { repositoryFile, sha256 } from '../hashing.ts'
import { mustParse } from './world.ts'

interface RefusedCase {
  readonly name: string
  readonly text: string
  readonly findings: readonly (Omit<Finding, 'file' | 'message'> & { readonly says: string })[]
}

const REFUSED = JSON.parse(repositoryFile('vectors/policy/refused.json')) as {
  readonly cases: readonly RefusedCase[]
}

const findingsOf = (text: string): readonly Finding[] => {
  const parsed = parsePolicy(text, { file: 'policy.toml' })
  return parsed.ok ? [] : parsed.findings
}

for (const { name, text, findings } of REFUSED.cases) {
  test(`refuses ${name} [INV-04]`, () => {
    const found = findingsOf(text)
    assert.equal(found.length, findings.length, JSON.stringify(found))
    for (const [index, { says, ...expected }] of findings.entries()) {
      const { message, file, ...rest } = found[index] ?? assert.fail('missing')
      assert.deepEqual(rest, expected)
      assert.equal(file, 'policy.toml')
      assert.equal(message, says)
    }
  })
}

test('the refused vectors are not empty', () => {
  assert.ok(REFUSED.cases.length >= 40)
})

const ALLOW_READS = `version = 1
[[rules]]
id = "reads"
priority = 10
effect = "allow"
[rules.match]
operation = ["read"]
`

const fingerprint = (text: string): string => compilePolicy(mustParse(text), sha256).fingerprint

test('the fingerprint is of what the policy says, not of how it is written', () => {
  const written = `version = 1
[[rules]]
id = "a"
priority = 1
effect = "deny"
[rules.match]
tool = ["x.*", "y.*"]
amount = { gt = "100 EUR" }
args."/n" = { in = [1, 2, "1"], gt = 0 }
[[rules]]
id = "b"
priority = 1
effect = "require_approval"
tier = 2
approvers = { roles = ["x", "y"], quorum = 2 }
match = { source = ["mcp", "rest"], operation = ["read"], agent = ["bot"] }
`
  const otherwise = `# a comment
version = 1
[defaults]
approval_ttl = "900s"
[[rules]]
tier = 2
match = { operation = ["read"], agent = ["bot", "bot"], source = ["rest", "mcp"] }
effect = "require_approval"
approvers = { channels = ["portal"], quorum = 2, roles = ["y", "x"] }
priority = 1
id = "b"
[[rules]]
priority = 1
id = "a"
effect = "deny"
match.amount.gt = "100.00 EUR"
match.tool = ["y.*", "x.*"]
match.args."/n" = { gt = 0.0, in = ["1", 2, 1] }
`
  assert.equal(fingerprint(otherwise), fingerprint(written))
  for (const [was, is] of [
    ['x.*', 'z.*'],
    ['100 EUR', '101 EUR'],
    ['100 EUR', '100 USD'],
    ['gt = 0', 'gte = 0'],
    ['"1"]', '"2"]'],
    ['tier = 2', 'tier = 1'],
    ['quorum = 2', 'quorum = 1'],
    ['id = "a"', 'id = "c"'],
    ['priority = 1', 'priority = 2'],
    ['"mcp", "rest"', '"mcp"'],
  ] as const) {
    assert.notEqual(fingerprint(written.replace(was, is)), fingerprint(written), `${was} → ${is}`)
  }
})

test('defaults are deny, 30 seconds and 15 minutes', () => {
  assert.deepEqual(mustParse(ALLOW_READS).defaults, {
    effect: 'deny',
    grant_ttl_ms: 30_000,
    approval_ttl_ms: 900_000,
  })
})

test('letting through what no rule matches loads in development only', () => {
  const text = `${ALLOW_READS}[defaults]\neffect = "allow"\n`
  assert.equal(mustParse(text, true).defaults.effect, 'allow')
  const [finding] = findingsOf(text)
  assert.deepEqual([finding?.key, finding?.line, finding?.nearest], ['defaults.effect', 9, 'deny'])
})

const lines = (count: number): string =>
  Array.from({ length: count }, (_, index) => `match.args."/a${index}".eq = 1\n`).join('')

const manyPointers = (count: number): string =>
  `version=1\n[[rules]]\nid="r"\npriority=1\neffect="deny"\n${lines(count)}`

test('more than 200 different argument pointers do not load', () => {
  assert.deepEqual(findingsOf(manyPointers(200)), [])
  assert.equal(findingsOf(manyPointers(201)).length, 1)
})

test('at most a hundred findings are named, in the order of the file', () => {
  const found = findingsOf(
    `version=1\n${Array.from({ length: 150 }, (_, index) => `x${index} = 1\n`).join('')}`,
  )
  assert.equal(found.length, 100)
  assert.deepEqual(
    found.map(({ line }) => line),
    Array.from({ length: 100 }, (_, i) => i + 2),
  )
})

test('a policy that names __proto__ is refused and changes nothing', () => {
  assert.equal(findingsOf('version = 1\n[__proto__]\npolluted = true\n').length, 1)
  assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false)
})

test('a byte order mark does not move what is found', () => {
  const [finding] = findingsOf('\uFEFFversion = 1\nrles = 1\n')
  assert.deepEqual([finding?.line, finding?.column], [2, 1])
})
