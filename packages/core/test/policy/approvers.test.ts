import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  compilePolicy,
  decide,
  decideLayers,
  joinLayers,
  LAYERS,
  type LayerName,
  type PolicyDecision,
  parsePolicy,
  type Rule,
} from '@trustgw/core'
import { type ApproversClause, countIn } from '@trustgw/protocol'
import fc from 'fast-check'
import { repositoryFile, sha256 } from '../hashing.ts'
import { asksAtLeast, GROUPS } from './groups.ts'
import { factsOf } from './world.ts'

const { decisions } = JSON.parse(repositoryFile('vectors/policy/approvers.json')) as {
  readonly decisions: readonly {
    readonly name: string
    readonly layers: Readonly<Partial<Record<LayerName, string>>>
    readonly effect: string
    readonly approvers: readonly ApproversClause[]
    readonly channels: readonly string[]
  }[]
}

function decideTexts(texts: Readonly<Partial<Record<LayerName, string>>>): PolicyDecision {
  const layers = LAYERS.flatMap((layer) => {
    const text = texts[layer]
    if (text === undefined) return []
    const parsed = parsePolicy(text, { file: 'policy.toml', layer })
    assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.findings))
    return [compilePolicy(parsed.value, sha256, { layer })]
  })
  return decideLayers(joinLayers(layers, sha256), factsOf({}))
}

for (const { name, layers, ...expected } of decisions) {
  test(`approvers: ${name}`, () => {
    const { effect, obligations, reason } = decideTexts(layers)
    const { approvers, channels } = obligations
    assert.deepEqual({ effect, approvers, channels }, expected)
    if (effect === 'deny' && layers.tenant?.includes('deny') !== true) {
      assert.match(reason, /no approval satisfies every rule that stands/)
    }
  })
}

const clause = fc.record({
  roles: fc.subarray(['a', 'b']),
  quorum: fc.integer({ min: 1, max: 2 }),
})
const asking = ({ roles, quorum }: ApproversClause): string => `version = 1
[[rules]]
id = "r"
priority = 1
effect = "require_approval"
tier = 1
approvers = { ${roles.length === 0 ? '' : `roles = ${JSON.stringify(roles)}, `}quorum = ${quorum} }
match = { tool = ["**"] }
`

test('a decision asks of every group of people exactly what all its clauses ask', () => {
  fc.assert(
    fc.property(fc.array(clause, { minLength: 1, maxLength: 4 }), (all) => {
      const texts = all.map((one, index) => [LAYERS[index] ?? '', asking(one)] as const)
      const { approvers } = decideTexts(Object.fromEntries(texts)).obligations
      for (const group of GROUPS) {
        const met = (one: ApproversClause): boolean => countIn(one, group) >= one.quorum
        assert.equal(approvers.every(met), all.every(met))
      }
    }),
    { numRuns: 300 },
  )
})

test('which layer asks what does not matter to whom a decision asks', () => {
  fc.assert(
    fc.property(fc.tuple(clause, clause, clause), ([a, b, c]) => {
      const asked = [
        [a, b, c],
        [c, a, b],
        [b, a, c],
      ].map(([platform = a, tenant = b, agent = c]) => {
        const texts = { platform: asking(platform), tenant: asking(tenant), agent: asking(agent) }
        return decideTexts(texts).obligations
      })
      for (const one of asked) assert.deepEqual(one, asked[0])
      const alone = decideTexts({ platform: asking(a) }).obligations
      for (const one of asked) assert.ok(asksAtLeast(alone, one))
    }),
    { numRuns: 300 },
  )
})

const ruleOn = (id: string, channels: readonly string[]): Rule => ({
  id,
  priority: 1,
  effect: 'require_approval',
  tier: 1,
  reason: 'r',
  approvers: { roles: [], quorum: 1, channels, in_order: [], escalate: null },
  undo_ms: 0,
  match: [],
})

test('channels are intersected, and without a common one nobody could approve', () => {
  const on = (...all: readonly (readonly string[])[]): PolicyDecision => {
    const rules = all.map((channels, index) => ruleOn(`r${index}`, channels))
    const defaults = { effect: 'deny', grant_ttl_ms: 1_000, approval_ttl_ms: 1_000 } as const
    return decide(compilePolicy({ version: 1, defaults, rules, limits: [] }, sha256), factsOf({}))
  }
  assert.deepEqual(on(['telegram', 'portal'], ['portal']).obligations.channels, ['portal'])
  assert.deepEqual(on(['telegram', 'portal']).obligations.channels, ['portal', 'telegram'])
  const three = on(['telegram', 'portal'], ['portal', 'telegram'], ['portal'])
  assert.deepEqual(three.obligations.channels, ['portal'])
  const none = on(['telegram'], ['portal'])
  assert.deepEqual([none.effect, none.obligations.approvers], ['deny', []])
})

const waiting = (match: Rule['match'], undo_ms: number, priority = 1): Rule => ({
  ...ruleOn(`w${priority}`, []),
  effect: 'allow',
  tier: 0,
  approvers: null,
  priority,
  undo_ms,
  match,
})

test('in doubt an undo window holds, and never lets pass what nothing else does', () => {
  const unknown: Rule['match'] = [
    { kind: 'args', pointer: '/x', predicates: [{ kind: 'eq', value: true }] },
  ]
  const over = (...rules: readonly Rule[]): PolicyDecision => {
    const defaults = { effect: 'deny', grant_ttl_ms: 1_000, approval_ttl_ms: 1_000 } as const
    return decide(compilePolicy({ version: 1, defaults, rules, limits: [] }, sha256), factsOf({}))
  }
  assert.equal(over(waiting(unknown, 60_000)).effect, 'deny')
  const both = over(waiting(unknown, 60_000), waiting([], 0, 2))
  assert.deepEqual([both.effect, both.obligations.undo_ms], ['allow', 60_000])
  const plain = over(waiting(unknown, 0), waiting([], 0, 2))
  assert.deepEqual([plain.effect, plain.obligations.undo_ms], ['allow', undefined])
  const longest = over(waiting([], 5_000), { ...waiting([], 9_000), id: 'w1b' })
  assert.equal(longest.obligations.undo_ms, 9_000)
})
