import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CompiledPolicy,
  checkPolicy,
  compilePolicy,
  decide,
  decideLayers,
  diffPolicies,
  joinLayers,
  type PolicyDecision,
  type PolicyFacts,
  parsePolicy,
} from '@trustgw/core'
import fc from 'fast-check'
import { sha256 } from '../hashing.ts'
import { policyOf, type RuleParts, ruleArbitrary } from './arbitrary.ts'
import { asksAtLeast } from './groups.ts'
import { factsOf, type Given, mustParse } from './world.ts'

const compile = (text: string): CompiledPolicy => compilePolicy(mustParse(text), sha256)

/** As a layer that has no default: what it does not match it does not restrict. */
function compileTenant(text: string): CompiledPolicy {
  const parsed = parsePolicy(text, { file: 'tenant.toml', layer: 'tenant' })
  assert.ok(parsed.ok)
  return compilePolicy(parsed.value, sha256, { layer: 'tenant' })
}

const OPEN = compile(
  'version = 1\n[[rules]]\nid = "open"\npriority = 1\neffect = "allow"\nmatch = { tool = ["**"] }\n',
)

type Decide = (facts: PolicyFacts) => PolicyDecision

function alone(compiled: CompiledPolicy): Decide {
  if (compiled.layer === 'platform') return (facts) => decide(compiled, facts)
  const joined = joinLayers([OPEN, compiled], sha256)
  return (facts) => decideLayers(joined, facts)
}

/** Lines over a domain small enough to try every proposal. */
const SMALL: readonly string[] = [
  'operation = ["transfer", "read"]',
  'source = ["mcp"]',
  'roles = ["a"]',
  'roles = ["a", "b"]',
  'scopes = ["a", "b"]',
  'amount = { gt = "2 JPY" }',
  'amount = { gte = "1 JPY", lt = "3 JPY" }',
  'args."/n" = { gt = 1 }',
  'args."/n" = { lte = 2, gt = 0 }',
  'args."/n" = { in = [1, 3] }',
  'args."/n" = { lt = -2 }',
  'args."/s" = { eq = "aa" }',
  'args."/s" = { in = ["ab", "b"] }',
  'args."/s" = { glob = "a*" }',
  'args."/s" = { glob = ["*b", "b*"] }',
  'args."/l" = { each = { gt = 1 } }',
  'args."/l" = { any = { lt = 1 } }',
  'args."/o" = { keys_in = ["k"] }',
  'args."/o" = { exists = true }',
]

const S = ['a', 'aa', 'ab', 'b', 'ba', 'c', 'e\u0301', undefined]
const N = [0, -3, 0.5, 1, 1.5, 2, 3, 4, '1', undefined]
const L = [[], [0], [1], [2], [0, 2], [1, 2], undefined]
const O = [{}, { k: 1 }, { k: 1, x: 1 }, undefined]
const AMOUNTS = [0, 1, 2, 3, 4, undefined]
const ROLES = [null, [], ['a'], ['b'], ['a', 'b']]

/** All combinations of one choice from each list. */
function* combinations(
  lists: readonly (readonly [name: string, values: readonly unknown[]])[],
): Generator<Readonly<Record<string, unknown>>> {
  const [first, ...rest] = lists
  if (first === undefined) {
    yield {}
    return
  }
  for (const others of combinations(rest)) {
    for (const value of first[1]) yield { ...others, [first[0]]: value }
  }
}

function* proposals(rules: readonly RuleParts[]): Generator<Given> {
  const text = policyOf(rules)
  const only = (name: string, mark: string, values: readonly unknown[]) =>
    [name, text.includes(mark) ? values : values.slice(0, 1)] as const
  const all = combinations([
    only('operation', 'operation', ['transfer', 'delete']),
    only('source', 'source', ['mcp', 'rest', null]),
    only('roles', 'roles', ROLES),
    only('scopes', 'scopes', ROLES),
    only('amount', 'amount', AMOUNTS),
    only('n', '"/n"', N),
    only('s', '"/s"', S),
    only('l', '"/l"', L),
    only('o', '"/o"', O),
  ])
  for (const { operation, source, roles, scopes, ...values } of all) {
    const there = Object.entries(values).filter(([, value]) => value !== undefined)
    const args = { ...Object.fromEntries(there), currency: 'JPY' }
    yield { operation, source, roles, scopes, args } as Given
  }
}

const ORDER = ['allow0', 'require_approval1', 'require_approval2', 'require_proof3', 'deny0']
const rank = ({ effect, tier }: PolicyDecision): number => ORDER.indexOf(`${effect}${tier}`)

function isWider(before: PolicyDecision, after: PolicyDecision): boolean {
  if (rank(after) !== rank(before)) return rank(after) < rank(before)
  if (rank(after) === 0 || rank(after) === 4) return false
  // Most pairs ask for the same, which is told sooner than what each asks at least.
  if (JSON.stringify(before.obligations) === JSON.stringify(after.obligations)) return false
  return !asksAtLeast(before.obligations, after.obligations)
}

const smallRules = fc.array(ruleArbitrary(SMALL), { maxLength: 3 })

/** The second policy is the first with one rule changed, gone or added. */
const twoPolicies = fc
  .tuple(smallRules, ruleArbitrary(SMALL), fc.nat(2), fc.constantFrom('change', 'drop', 'add'))
  .map(([rules, rule, at, how]): readonly (readonly RuleParts[])[] => {
    if (how === 'add') return [rules, [...rules, rule]]
    if (how === 'drop') return [rules, rules.filter((_, index) => index !== at)]
    return [rules, rules.map((one, index) => (index === at ? rule : one))]
  })

test('diff agrees with trying every proposal of a small domain', () => {
  let widened = 0
  let same = 0
  fc.assert(
    fc.property(twoPolicies, fc.boolean(), ([first = [], second = []], isTenant) => {
      const make = isTenant ? compileTenant : compile
      const [old, next] = [make(policyOf(first)), make(policyOf(second))]
      const diff = diffPolicies(old, next)
      const [byOld, byNext] = [alone(old), alone(next)]
      let wider = false
      let differs = false
      for (const given of proposals([...first, ...second])) {
        const facts = factsOf({
          ...given,
          amount: {
            kind: 'pointer',
            pointer: '/amount',
            unit: 'minor',
            currency: { kind: 'fixed', code: 'JPY' },
          },
        })
        const [before, after] = [byOld(facts), byNext(facts)]
        wider ||= isWider(before, after)
        differs ||= rank(before) !== rank(after)
        if (wider) break
      }
      if (wider) assert.equal(diff.verdict, 'widens', JSON.stringify(diff))
      if (diff.verdict === 'same') assert.equal(differs, false)
      assert.notEqual(diff.verdict, 'may_widen', JSON.stringify(diff.doubts))
      if (diff.verdict === 'widens') widened += 1
      if (diff.verdict === 'same') same += 1
    }),
    { numRuns: 80 },
  )
  assert.ok(widened > 0 && same > 0, `${widened} ${same}`)
})

test('whatever diff says widens was asked of both policies, and is one of theirs to decide', () => {
  fc.assert(
    fc.property(twoPolicies, ([first = [], second = []]) => {
      const { widens } = diffPolicies(compile(policyOf(first)), compile(policyOf(second)))
      for (const { before, after, lines } of widens) {
        assert.ok(
          ORDER.indexOf(`${after.effect}${after.tier}`) <=
            ORDER.indexOf(`${before.effect}${before.tier}`),
        )
        assert.ok(lines.length > 0 || first.length + second.length > 0)
      }
    }),
    { numRuns: 200 },
  )
})

const base = `version = 1
[[rules]]
id = "small"
priority = 1
effect = "allow"
match = { tool = ["shop.refund*"], amount = { lte = "50.00 EUR" } }
[[rules]]
id = "large"
priority = 2
effect = "require_approval"
tier = 2
match = { tool = ["shop.*"], amount = { gt = "50.00 EUR" } }
`

test('a raised threshold widens, with the smallest amount that shows it', () => {
  const diff = diffPolicies(compile(base), compile(base.replace('"50.00 EUR"', '"60.00 EUR"')))
  assert.equal(diff.verdict, 'widens')
  const [region] = diff.widens
  assert.deepEqual(region?.before, { effect: 'require_approval', tier: 2, rule_id: 'large' })
  assert.deepEqual(region?.after, { effect: 'allow', tier: 0, rule_id: 'small' })
  assert.deepEqual(region?.example, { tool: 'shop.refund', amount: '50.01 EUR' })
})

test('comments, order and a lowered threshold are told apart', () => {
  assert.equal(diffPolicies(compile(base), compile(`# x\n${base}`)).verdict, 'same')
  const lower = base.replace('"50.00 EUR"', '"40.00 EUR"')
  assert.equal(diffPolicies(compile(base), compile(lower)).verdict, 'narrower')
})

const regex = (pattern: string, effect = 'allow'): string => `version = 1
[[rules]]
id = "r"
priority = 1
effect = "${effect}"
match = { args = { "/a" = { regex = '${pattern}' } } }
`

test('a changed regex may widen, and is never called the same', () => {
  assert.equal(diffPolicies(compile(regex('^a$')), compile(regex('^a$'))).verdict, 'same')
  const unseen = diffPolicies(compile(regex('^zq$')), compile(regex('^\\Qz.\\E$')))
  assert.equal(unseen.verdict, 'may_widen')
  assert.match(unseen.doubts[0]?.why ?? '', /regex/)
  assert.equal(
    diffPolicies(compile(regex('^zq$')), compile(regex('^zr$', 'deny'))).verdict,
    'narrower',
  )
  const seen = diffPolicies(compile(regex('^zq$')), compile(regex('^[A-Z]{2}z\\d+$')))
  assert.deepEqual(
    seen.widens.map(({ example }) => example),
    [{ 'args:/a': 'AAz0' }],
  )
})

const limited = (max: number): string => `${base}[[limits]]
id = "velocity"
match = { tool = ["shop.*"] }
key = ["tenant"]
window = "1h"
max_count = ${max}
on_exceed = "deny"
`

test('a limit that is gone or changed may widen; a new one narrows; longer lifetimes are named', () => {
  assert.equal(diffPolicies(compile(limited(3)), compile(base)).verdict, 'may_widen')
  assert.equal(diffPolicies(compile(limited(3)), compile(limited(4))).verdict, 'may_widen')
  assert.equal(diffPolicies(compile(base), compile(limited(4))).verdict, 'narrower')
  assert.equal(diffPolicies(compile(limited(3)), compile(limited(3))).verdict, 'same')
  const longer = base.replace('[[rules]]', '[defaults]\napproval_ttl = "1h"\n[[rules]]')
  assert.equal(diffPolicies(compile(base), compile(longer)).verdict, 'may_widen')
})

test('fewer approvers widen, though effect and tier stay', () => {
  const two = base.replace('tier = 2', 'tier = 2\napprovers = { roles = ["a"], quorum = 2 }')
  const diff = diffPolicies(compile(two), compile(base))
  assert.equal(diff.verdict, 'widens')
  assert.equal(diffPolicies(compile(base), compile(two)).verdict, 'narrower')
})

test('a policy of a thousand rules compares with itself, and with one threshold changed, soon', () => {
  const many = Array.from(
    { length: 1_000 },
    (_, index) =>
      `[[rules]]\nid = "r${index}"\npriority = ${index}\neffect = "deny"\n[rules.match]\ntool = ["ns${index % 40}.*"]\namount = { gt = "${index}.00 EUR" }\n`,
  ).join('')
  const text = `version = 1\n${many}`
  assert.equal(diffPolicies(compile(text), compile(text)).verdict, 'same')
  const changed = text.replace('"500.00 EUR"', '"400.00 EUR"')
  assert.notEqual(diffPolicies(compile(text), compile(changed)).verdict, 'widens')
})

test('check finds a rule that can never decide exactly where trying everything finds none', () => {
  fc.assert(
    fc.property(fc.array(ruleArbitrary(SMALL), { minLength: 1, maxLength: 3 }), (rules) => {
      const compiled = compile(policyOf(rules))
      const shadowed = checkPolicy(compiled).flatMap((one) =>
        one.kind === 'shadowed' ? [one.rule] : [],
      )
      const decided = new Set<string>()
      for (const given of proposals(rules)) {
        const facts = factsOf({
          ...given,
          amount: {
            kind: 'pointer',
            pointer: '/amount',
            unit: 'minor',
            currency: { kind: 'fixed', code: 'JPY' },
          },
        })
        const look = compiled.begin(facts)
        let reached = Number.POSITIVE_INFINITY
        for (const { rule, tests, indexed } of compiled.rules) {
          if (rule.priority > reached) break
          if (![...indexed, ...tests].every((line) => line.judge(look) === true)) continue
          reached = rule.priority
          decided.add(rule.id)
        }
      }
      for (const id of decided) assert.ok(!shadowed.includes(id), `${id} decides`)
      const silent = compiled.rules.map(({ rule }) => rule.id).filter((id) => !decided.has(id))
      assert.deepEqual([...shadowed].sort(), silent.sort())
    }),
    { numRuns: 80 },
  )
})

test('check names conflicts with an example, uncovered tools, asserted rules and loose patterns', () => {
  const text = `version = 1
[[rules]]
id = "yes"
priority = 1
effect = "allow"
match = { tool = ["a.*"], args = { "/n" = { lt = 10 } } }
[[rules]]
id = "no"
priority = 1
effect = "deny"
match = { tool = ["a.b"], args = { "/n" = { gt = 5 } } }
[[rules]]
id = "apart"
priority = 1
effect = "deny"
match = { tool = ["z.*"], args = { "/n" = { gt = 5 } } }
[[rules]]
id = "staff"
priority = 3
effect = "allow"
match = { roles = ["staff"], operation = ["read"] }
[[rules]]
id = "loose"
priority = 3
effect = "allow"
match = { tool = ["c.*"], args = { "/to" = { regex = "example.com" } } }
`
  const tool = (id: string) => ({
    id,
    operation: 'transfer' as const,
    category: null,
    tags: [],
    bundle: 'x',
    amount: { kind: 'none' as const },
  })
  assert.deepEqual(checkPolicy(compile(text), [tool('a.b'), tool('q.x')]), [
    { kind: 'conflict', rule: 'no', other: 'yes', example: { tool: 'a.b', 'args:/n': 6 } },
    { kind: 'unanchored_regex', rule: 'loose', pattern: 'example.com' },
    { kind: 'asserted_only', rule: 'staff', facts: ['roles'] },
    { kind: 'uncovered_tool', tool: 'q.x' },
  ])
})

test('a rule behind one that holds for all of it is shadowed, one behind half of it is not', () => {
  const behind = (bound: string): string => `version = 1
[[rules]]
id = "all"
priority = 1
effect = "deny"
match = { tool = ["shop.**"] }
[[rules]]
id = "behind"
priority = 2
effect = "allow"
match = { tool = ["${bound}"] }
`
  assert.deepEqual(checkPolicy(compile(behind('shop.*'))), [
    { kind: 'shadowed', rule: 'behind', by: ['all'] },
  ])
  assert.deepEqual(checkPolicy(compile(behind('sho*.**'))), [])
})

test('a limit over the tool does not hide what a raised threshold lets through', () => {
  const raised = limited(3).replace('"50.00 EUR"', '"60.00 EUR"')
  const { widens } = diffPolicies(compile(limited(3)), compile(raised))
  assert.deepEqual(widens[0]?.after, { effect: 'allow', tier: 0, rule_id: 'small' })
})

test('a region names the lines that tell it from the rest, and no others', () => {
  const wide = base.replace('"50.00 EUR"', '"60.00 EUR"')
  const { widens } = diffPolicies(compile(base), compile(wide))
  assert.deepEqual(
    widens[0]?.lines.map(({ line, truth }) => `${line} ${truth}`),
    [
      'tool = ["shop.refund*"] true',
      'amount = {"gt":"50.00 EUR"} true',
      'amount = {"lte":"60.00 EUR"} true',
    ],
  )
})

test('policies with too many lines about one fact may widen, and are soon said to', () => {
  const many = (effect: string): string =>
    `version = 1\n${Array.from(
      { length: 1_600 },
      (_, n) =>
        `[[rules]]\nid = "r${n}"\npriority = ${n}\neffect = "${effect}"\nmatch = { args = { "/a" = { eq = ${n} } } }\n`,
    ).join('')}`
  const diff = diffPolicies(compile(many('deny')), compile(many('allow')))
  assert.equal(diff.verdict, 'may_widen')
  assert.match(diff.doubts[0]?.why ?? '', /more than 1500 different lines/)
  assert.equal(diffPolicies(compile(many('deny')), compile(many('deny'))).verdict, 'same')
})

const rulesOf = (count: number, rule: (n: number) => string): CompiledPolicy =>
  compile(`version = 1\n${Array.from({ length: count }, (_, n) => rule(n)).join('')}`)

test('a rule behind one that asks for less names that one, however many lie between', () => {
  const compiled = rulesOf(
    2_000,
    (n) =>
      `[[rules]]\nid = "r${n}"\npriority = ${n}\neffect = "deny"\nmatch = { tool = ["n${n % 5}.*"], roles = ["a"] }\n`,
  )
  const found = checkPolicy(compiled).filter(({ kind }) => kind !== 'asserted_only')
  assert.equal(found.length, 1_995)
  assert.deepEqual(found[0], { kind: 'shadowed', rule: 'r5', by: ['r0'] })
})

test('conflicts without end are named up to a thousand, the rest as not looked for', () => {
  const compiled = rulesOf(
    300,
    (n) =>
      `[[rules]]\nid = "r${n}"\npriority = 1\neffect = "${n % 2 === 0 ? 'deny' : 'allow'}"\nmatch = { tool = ["a.*"], args = { "/a" = { gt = ${n} } } }\n`,
  )
  const found = checkPolicy(compiled)
  assert.equal(found.filter(({ kind }) => kind === 'conflict').length, 1_000)
  const open = found.filter((one) => one.kind === 'not_checked' && one.question === 'conflict')
  assert.ok(open.length > 200 && open.length < 300, String(open.length))
})

test('foreign letters in a limit or a registered tool, and patterns inside lists, are found', () => {
  const text = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "allow"
match = { args = { "/to" = { each = { regex = "ok" } } } }
[[limits]]
id = "l"
match = { tool = ["m\u0430il.*"] }
key = ["tenant"]
window = "1h"
max_count = 1
on_exceed = "deny"
`
  const { tool } = factsOf({ tool: 'sh\u043Ep.refund' })
  assert.deepEqual(checkPolicy(compile(text), [tool]), [
    { kind: 'unanchored_regex', rule: 'r', pattern: 'ok' },
    { kind: 'confusable_tool', rule: 'l', glob: 'm\u0430il.*' },
    { kind: 'confusable_tool', rule: null, glob: 'sh\u043Ep.refund' },
  ])
})
