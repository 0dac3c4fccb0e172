import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy, decide, type PolicyDecision } from '@trustgw/core'
import type { Json, JsonObject } from '@trustgw/protocol'
import fc from 'fast-check'
import { repositoryFile, sha256 } from '../hashing.ts'
import { asksAtLeast } from './groups.ts'
import { decideText, factsOf, type Given, mustParse } from './world.ts'

interface DecisionCase extends Given {
  readonly name: string
  readonly policy: string
  readonly effect: string
  readonly tier: number
  readonly rule_id: string
  readonly unknown?: readonly string[]
}

const VECTORS = JSON.parse(repositoryFile('vectors/policy/decisions.json')) as {
  readonly policies: Readonly<Record<string, string>>
  readonly cases: readonly DecisionCase[]
}

for (const given of VECTORS.cases) {
  test(`${given.policy}: ${given.name}`, () => {
    const decision = decideText(VECTORS.policies[given.policy] ?? '', given)
    const { effect, tier, rule_id, unknown } = decision
    assert.deepEqual(
      { effect, tier, rule_id, unknown },
      {
        effect: given.effect,
        tier: given.tier,
        rule_id: given.rule_id,
        unknown: given.unknown ?? [],
      },
    )
    for (const name of given.unknown ?? []) assert.ok(decision.reason.includes(name))
  })
}

test('the decision vectors are not empty', () => {
  assert.ok(VECTORS.cases.length >= 50)
})

const QUICK_START = repositoryFile('examples/policies/quick-start.toml')

const of = (given: Given): string => {
  const { effect, tier, rule_id } = decideText(QUICK_START, given)
  return `${effect} ${tier} ${rule_id}`
}

const refund = (amount: Json): Given => ({ args: { amount, currency: 'EUR' } })

test('the quick start does what its comments say', () => {
  const none = { amount: { kind: 'none' } }
  assert.equal(of({ tool: 'shop.get_order', operation: 'read', ...none }), 'allow 0 reads')
  assert.equal(of(refund('100.00')), 'require_approval 1 refund-small')
  assert.equal(of(refund('100.01')), 'require_approval 2 refund-large')
  assert.equal(of(refund('250.00')), 'require_approval 2 refund-large')
  assert.equal(of({ args: {} }), 'deny 0 default')
  assert.equal(of({ args: { amount: '5', currency: 'USD' } }), 'deny 0 default')
  const write = { tool: 'files.write_file', operation: 'update', ...none }
  assert.equal(of(write), 'require_approval 2 file-writes')
  assert.equal(of({ ...write, operation: 'delete' }), 'require_approval 2 file-writes')
  assert.equal(of({ tool: 'memory.create_entities', operation: 'create' }), 'deny 0 default')
})

test('a decision names every fact that was looked at, and whose word it is', () => {
  const text = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "require_approval"
tier = 1
reason = "Because"
[rules.match]
tool = ["shop.*"]
operation = ["transfer"]
source = ["mcp"]
agent = ["support.*"]
amount = { gt = "1 EUR" }
args."/note" = { eq = "x" }
args."/who/name" = { eq = "y" }
[[rules]]
id = "rest"
priority = 2
effect = "allow"
match = { tool = ["**"] }
`
  const decision = decideText(text, {
    args: { amount: '2.5', currency: 'EUR', note: 'x', who: { name: ['y'] } },
  })
  assert.deepEqual(decision.facts, [
    { name: 'tool', origin: 'derived', value: 'shop.refund_order' },
    { name: 'operation', origin: 'derived', value: 'transfer' },
    { name: 'source', origin: 'asserted', value: 'mcp' },
    { name: 'agent', origin: 'asserted', value: 'support.bot' },
    { name: 'amount', origin: 'derived', value: '2.50 EUR' },
    { name: 'args:/note', origin: 'derived', value: 'x' },
    { name: 'args:/who/name', origin: 'derived', value: { json: ['y'] } },
  ])
  assert.deepEqual(decision.unknown, ['args:/who/name'])
  assert.equal(decision.reason, 'Because (unknown: args:/who/name)')
  assert.deepEqual(decision.obligations, {
    grant_ttl_ms: 30_000,
    approval_ttl_ms: 900_000,
    approvers: [{ roles: [], quorum: 1 }],
    channels: ['portal'],
  })
})

test('long argument values are not repeated in the facts', () => {
  const text = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "deny"
match = { args = { "/s" = { eq = "x" } } }
`
  const { facts } = decideText(text, { args: { s: 'y'.repeat(300) } })
  assert.deepEqual(facts[1]?.value, { elided: { type: 'string', length: 300 } })
})

test('what every object inherits is no argument', () => {
  const text = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "allow"
match = { args = { "/constructor/name" = { eq = "Object" } } }
`
  const decision = decideText(text, { args: {} })
  assert.deepEqual([decision.effect, decision.unknown], ['deny', ['args:/constructor/name']])
})

const twoRules = (first: string, second: string): string => `version = 1
[[rules]]
id = "first"
priority = 1
effect = "require_approval"
tier = 1
approvers = { ${first} }
match = { args = { "/x" = { eq = 1 } } }
[[rules]]
id = "second"
priority = 2
effect = "require_approval"
tier = 2
approvers = { ${second} }
match = { tool = ["**"] }
`

const clauses = (first: string, second: string): unknown =>
  decideText(twoRules(first, second), {}).obligations.approvers

test('the approvers of a doubted rule are needed as well as those of the rule that stands', () => {
  assert.deepEqual(clauses('roles = ["finance", "ops"], quorum = 2', 'roles = ["ops", "it"]'), [
    { roles: ['finance', 'ops'], quorum: 2 },
    { roles: ['it', 'ops'], quorum: 1 },
  ])
  assert.deepEqual(clauses('roles = ["finance"]', 'roles = ["it"]'), [
    { roles: ['finance'], quorum: 1 },
    { roles: ['it'], quorum: 1 },
  ])
  assert.deepEqual(clauses('roles = ["finance"]', 'quorum = 3'), [
    { roles: ['finance'], quorum: 1 },
    { roles: [], quorum: 3 },
  ])
  const text = twoRules('roles = ["finance"]', 'roles = ["it"]')
  const { obligations } = decideText(text, { args: { x: 2 } })
  assert.deepEqual(obligations.approvers, [{ roles: ['it'], quorum: 1 }])
})

const ORDER = ['allow0', 'require_approval1', 'require_approval2', 'require_proof3', 'deny0']
const rank = ({ effect, tier }: PolicyDecision): number => ORDER.indexOf(`${effect}${tier}`)

const line = fc.constantFrom(
  'operation = ["transfer", "read"]',
  'operation = ["delete"]',
  'source = ["mcp"]',
  'source = ["rest", "nats"]',
  'agent = ["support.*"]',
  'agent = ["*"]',
  'amount = { gt = "10 EUR", lte = "100 EUR" }',
  'amount = { lt = "50.5 EUR" }',
  'amount = { gte = "50 USD" }',
  'args."/s" = { eq = "a" }',
  'args."/s" = { in = ["b", 3] }',
  'args."/n" = { gt = 3, lte = 10 }',
  'args."/p" = { glob = ["/srv/**", "/tmp/*"] }',
)
const verdict = fc.constantFrom(
  'effect = "allow"',
  'effect = "deny"',
  'effect = "require_proof"',
  'effect = "require_approval"\ntier = 1',
  'effect = "require_approval"\ntier = 2',
  'effect = "require_approval"\ntier = 1\napprovers = { roles = ["a", "b"], quorum = 2 }',
  'effect = "require_approval"\ntier = 1\napprovers = { roles = ["b"] }',
)
const rule = fc.record({
  verdict,
  priority: fc.integer({ min: 1, max: 3 }),
  lines: fc.uniqueArray(line, {
    minLength: 1,
    maxLength: 3,
    selector: (text) => text.split(' = ')[0],
  }),
})
const policyText = fc
  .array(rule, { maxLength: 5 })
  .map((rules) =>
    [
      'version = 1',
      ...rules.map(
        ({ verdict: effect, priority, lines }, index) =>
          `[[rules]]\nid = "r${index}"\npriority = ${priority}\n${effect}\n[rules.match]\n${lines.join('\n')}`,
      ),
    ].join('\n'),
  )
const known = fc.record({
  operation: fc.constantFrom('read', 'transfer', 'delete'),
  source: fc.constantFrom('mcp', 'rest', 'cron'),
  agent: fc.constantFrom('support.bot', 'bot'),
  args: fc.record({
    amount: fc.constantFrom('5', '10.01', '50', '100.00', 70, 1000),
    currency: fc.constantFrom('EUR', 'USD'),
    s: fc.constantFrom('a', 'b', 'c'),
    n: fc.constantFrom(3, 4, 10, 11),
    p: fc.constantFrom('/srv/a/b', '/tmp/x', '/tmp/x/y'),
  }),
})

interface Known extends Omit<Given, 'args'> {
  readonly args: JsonObject
}

/** Each makes one fact unknowable in its own way. */
const BLURS: readonly ((given: Known) => Given)[] = [
  (given) => ({ ...given, source: null }),
  (given) => ({ ...given, agent: null }),
  (given) => ({ ...given, agent: 'e\u0301' }),
  (given) => ({ ...given, args: { ...given.args, amount: '-5' } }),
  (given) => ({ ...given, args: { ...given.args, amount: '1.005' } }),
  (given) => ({ ...given, args: { ...given.args, amount: null } }),
  (given) => ({ ...given, args: { ...given.args, currency: 'eur' } }),
  (given) => ({ ...given, args: { ...given.args, s: 'e\u0301' } }),
  (given) => ({ ...given, args: { ...given.args, s: ['a'] } }),
  (given) => ({ ...given, args: { ...given.args, n: '4' } }),
  (given) => ({ ...given, args: { ...given.args, p: null } }),
  (given) => ({ ...given, args: {} }),
]

test('making a real fact unknown never permits more, nor asks fewer people', () => {
  fc.assert(
    fc.property(policyText, known, fc.constantFrom(...BLURS), (text, given, blur) => {
      const compiled = compilePolicy(mustParse(text), sha256)
      const before = decide(compiled, factsOf(given))
      const after = decide(compiled, factsOf(blur(given)))
      assert.ok(rank(after) >= rank(before), `${rank(before)} ${rank(after)}`)
      if (before.effect === 'require_approval' && after.effect === 'require_approval') {
        assert.ok(asksAtLeast(before.obligations, after.obligations))
      }
    }),
    { numRuns: 3_000 },
  )
})

test('a decision does not depend on what was decided before', () => {
  fc.assert(
    fc.property(policyText, fc.array(known, { minLength: 1, maxLength: 5 }), (text, all) => {
      const shared = compilePolicy(mustParse(text), sha256)
      for (const given of all) {
        const alone = decide(compilePolicy(mustParse(text), sha256), factsOf(given))
        assert.deepEqual(decide(shared, factsOf(given)), alone)
      }
    }),
    { numRuns: 200 },
  )
})

test('each auth level from 1 to 5 is told from the one below, and an unknown one passes nothing', () => {
  for (const needed of [1, 2, 3, 4, 5]) {
    const policy = `version = 1
[[rules]]
id = "strong"
priority = 1
effect = "allow"
match = { auth_level = { gte = ${needed} } }
`
    const effects = [1, 2, 3, 4, 5].map((auth_level) => decideText(policy, { auth_level }).effect)
    const expected = [1, 2, 3, 4, 5].map((level) => (level >= needed ? 'allow' : 'deny'))
    assert.deepEqual(effects, expected)
    assert.equal(decideText(policy, { auth_level: null }).effect, 'deny')
  }
})
