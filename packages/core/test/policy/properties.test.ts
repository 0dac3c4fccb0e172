import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CompiledPolicy,
  compilePolicy,
  decide,
  decideLayers,
  decideNaively,
  joinLayers,
  type LayerName,
  type PolicyDecision,
  type PolicyFacts,
  parsePolicy,
  printPolicy,
} from '@trustgw/core'
import fc from 'fast-check'
import { sha256 } from '../hashing.ts'
import { blurred, LINES, policyOf, policyText, proposal, ruleArbitrary } from './arbitrary.ts'
import { asksAtLeast } from './groups.ts'
import { factsOf, mustParse } from './world.ts'

const ORDER = ['allow0', 'require_approval1', 'require_approval2', 'require_proof3', 'deny0']
const rank = ({ effect, tier }: PolicyDecision): number => ORDER.indexOf(`${effect}${tier}`)

const compile = (text: string, layer: LayerName = 'platform'): CompiledPolicy => {
  const parsed = parsePolicy(text, { file: 'policy.toml', layer })
  assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.findings))
  return compilePolicy(parsed.value, sha256, { layer })
}

function notLess(before: PolicyDecision, after: PolicyDecision): void {
  assert.ok(rank(after) >= rank(before), `${before.rule_id} ${after.rule_id}`)
  if (before.effect === 'deny' || before.effect === 'allow' || after.effect === 'deny') return
  assert.ok(asksAtLeast(before.obligations, after.obligations))
}

test('every line of the small world loads', () => {
  for (const line of LINES)
    compile(policyOf([{ verdict: 'effect = "deny"', priority: 1, lines: [line] }]))
})

test('the index changes nothing but the cost', () => {
  fc.assert(
    fc.property(policyText, fc.array(proposal, { minLength: 1, maxLength: 4 }), (text, all) => {
      const [compiled, read] = [compile(text), compile(text)]
      for (const given of all) {
        const { facts: _, unknown: __, ...decision } = decide(compiled, factsOf(given))
        const { facts: ___, unknown: ____, ...plain } = decideNaively(read, factsOf(given))
        assert.deepEqual(decision, plain)
      }
    }),
    { numRuns: 1_500 },
  )
})

const manyRules = fc
  .array(ruleArbitrary(LINES.filter((line) => !line.startsWith('tool'))), {
    minLength: 16,
    maxLength: 40,
  })
  .map(policyOf)

test('the rows of a long plan change nothing but the cost', () => {
  fc.assert(
    fc.property(manyRules, fc.array(proposal, { minLength: 1, maxLength: 4 }), (text, all) => {
      const [compiled, read] = [compile(text), compile(text)]
      for (const given of all) {
        const { effect, tier, rule_id, obligations } = decide(compiled, factsOf(given))
        const plain = decideNaively(read, factsOf(given))
        assert.deepEqual(
          { effect, tier, rule_id, obligations },
          {
            effect: plain.effect,
            tier: plain.tier,
            rule_id: plain.rule_id,
            obligations: plain.obligations,
          },
        )
      }
    }),
    { numRuns: 400 },
  )
})

test('what was decided before does not matter to any line', () => {
  fc.assert(
    fc.property(policyText, fc.array(proposal, { minLength: 2, maxLength: 6 }), (text, all) => {
      const shared = compile(text)
      for (const given of all) {
        assert.deepEqual(decide(shared, factsOf(given)), decide(compile(text), factsOf(given)))
      }
    }),
    { numRuns: 500 },
  )
})

const blurredProposal = proposal.chain((given) =>
  fc.tuple(fc.constant(given), given.args === undefined ? fc.constant(given) : blurred(given)),
)

test('making any fact unknown never permits more, whatever the rules look at', () => {
  const judged = policyText.filter((text) => !/exists|type =/.test(text))
  fc.assert(
    fc.property(judged, blurredProposal, (text, [known, blur]) => {
      const compiled = compile(text)
      notLess(decide(compiled, factsOf(known)), decide(compiled, factsOf(blur)))
    }),
    { numRuns: 3_000 },
  )
})

test('adding a deny never permits more under real rules', () => {
  fc.assert(
    fc.property(
      fc.array(ruleArbitrary(LINES), { maxLength: 4 }),
      ruleArbitrary(LINES),
      proposal,
      (rules, more, given) => {
        const deny = { ...more, verdict: 'effect = "deny"' }
        const before = decide(compile(policyOf(rules)), factsOf(given))
        notLess(before, decide(compile(policyOf([...rules, deny])), factsOf(given)))
      },
    ),
    { numRuns: 1_500 },
  )
})

test('the order of rules in the file does not matter', () => {
  fc.assert(
    fc.property(policyText, proposal, (text, given) => {
      const policy = mustParse(text)
      const turned = { ...policy, rules: policy.rules.toReversed() }
      const [a, b] = [compilePolicy(policy, sha256), compilePolicy(turned, sha256)]
      assert.deepEqual(decide(a, factsOf(given)), decide(b, factsOf(given)))
    }),
    { numRuns: 500 },
  )
})

test('parse ∘ print is the identity, and the fingerprint stays', () => {
  fc.assert(
    fc.property(policyText, (text) => {
      const policy = mustParse(text)
      const again = mustParse(printPolicy(policy))
      assert.deepEqual(again, policy)
      assert.equal(
        compilePolicy(again, sha256).fingerprint,
        compilePolicy(policy, sha256).fingerprint,
      )
    }),
    { numRuns: 1_000 },
  )
})

test('print keeps limits, reasons and every kind of number', () => {
  const text = `version = 1
[defaults]
grant_ttl = "5s"
approval_ttl = "90m"
[[rules]]
id = "r"
priority = 3
effect = "require_proof"
reason = "a \\"quoted\\" \\\\ reason"
approvers = { roles = ["x"], quorum = 2 }
[rules.match]
args."/a b" = { in = [1, 1.5, -2, 1e21, "x", true], not_in = [0.1] }
args."" = { exists = true }
[[limits]]
id = "l"
match = { tool = ["shop.*"] }
key = ["tenant", "args:/to"]
window = "36h"
max_count = 20
max_amount = "1000.00 EUR"
on_exceed = "require_approval"
tier = 2
`
  const policy = mustParse(text)
  assert.deepEqual(mustParse(printPolicy(policy)), policy)
})

const layersOf = (texts: Readonly<Record<string, string>>, facts: PolicyFacts): PolicyDecision => {
  const compiled = Object.entries(texts).map(([layer, text]) => compile(text, layer as LayerName))
  return decideLayers(joinLayers(compiled, sha256), facts)
}

test('a_layer_never_widens', () => {
  fc.assert(
    fc.property(policyText, policyText, policyText, proposal, (platform, tenant, agent, given) => {
      const facts = factsOf(given)
      const one = layersOf({ platform }, facts)
      const two = layersOf({ platform, tenant }, facts)
      const three = layersOf({ agent, tenant, platform }, facts)
      notLess(one, two)
      notLess(two, three)
      assert.ok(three.obligations.grant_ttl_ms <= one.obligations.grant_ttl_ms)
    }),
    { numRuns: 1_500 },
  )
})

test('the order of layers does not matter, but which layer a policy is does', () => {
  fc.assert(
    fc.property(policyText, policyText, proposal, (platform, tenant, given) => {
      const facts = factsOf(given)
      assert.deepEqual(layersOf({ platform, tenant }, facts), layersOf({ tenant, platform }, facts))
    }),
    { numRuns: 300 },
  )
  const a = compile('version = 1\n', 'tenant')
  const b = compile('version = 1\n', 'agent')
  const platform = compile('version = 1\n')
  assert.notEqual(
    joinLayers([platform, a], sha256).fingerprint,
    joinLayers([platform, b], sha256).fingerprint,
  )
  assert.equal(joinLayers([platform], sha256).fingerprint, platform.fingerprint)
})

test('layers without a platform, or with one twice, are a mistake of the caller', () => {
  const platform = compile('version = 1\n')
  assert.throws(() => joinLayers([], sha256), TypeError)
  assert.throws(() => joinLayers([compile('version = 1\n', 'tenant')], sha256), TypeError)
  assert.throws(() => joinLayers([platform, platform], sha256), TypeError)
})

const asks = (extra: string): string => `version = 1
[[rules]]
id = "ask"
priority = 1
effect = "require_approval"
tier = 1
${extra}
[rules.match]
tool = ["**"]
`

test('standing requirements of all layers hold together', () => {
  const decision = layersOf(
    {
      platform: `${asks('approvers = { roles = ["a", "b"], quorum = 2 }')}[defaults]\ngrant_ttl = "20s"\napproval_ttl = "1h"\n`,
      tenant: `${asks('approvers = { roles = ["b", "c"] }').replace('tier = 1', 'tier = 2')}[defaults]\napproval_ttl = "10m"\n`,
      workspace: 'version = 1\n',
    },
    factsOf({}),
  )
  assert.deepEqual(
    [decision.effect, decision.tier, decision.rule_id],
    ['require_approval', 2, 'tenant:ask'],
  )
  assert.deepEqual(decision.obligations, {
    grant_ttl_ms: 20_000,
    approval_ttl_ms: 600_000,
    approvers: [
      { roles: ['a', 'b'], quorum: 2 },
      { roles: ['b', 'c'], quorum: 1 },
    ],
    channels: ['portal'],
  })
})

test('a layer other than the platform has no default and cannot be given one', () => {
  const refused = parsePolicy('version = 1\n[defaults]\neffect = "deny"\n', {
    file: 'tenant.toml',
    layer: 'tenant',
  })
  assert.ok(!refused.ok)
  assert.deepEqual([refused.findings[0]?.line, refused.findings[0]?.key], [3, 'defaults.effect'])
  const allow = asks('').replace('effect = "require_approval"\ntier = 1', 'effect = "allow"')
  assert.equal(layersOf({ platform: allow, tenant: 'version = 1\n' }, factsOf({})).effect, 'allow')
})
