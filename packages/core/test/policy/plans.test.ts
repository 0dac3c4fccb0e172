import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CompiledPolicy,
  compilePolicy,
  decide,
  decideNaively,
  type PolicyDecision,
} from '@trustgw/core'
import { sha256 } from '../hashing.ts'
import { factsOf, type Given, mustParse } from './world.ts'

/** More than judging every rule is worth, so that rules are told apart by numbers. */
const RULES = 40

const ruleOf = (id: string, match: string, rest = 'priority = 1\neffect = "deny"'): string =>
  `[[rules]]\nid = "${id}"\n${rest}\nmatch = { ${match} }\n`

const policyOf = (matches: readonly string[]): string =>
  `version = 1\n${matches
    .map((match, index) => ruleOf(`r${String(index).padStart(2, '0')}`, match))
    .join('')}${ruleOf('rest', 'tool = ["**"]', 'priority = 2\neffect = "allow"')}`

interface Judged {
  readonly decision: PolicyDecision
  /** Rules of which a line was judged, by the number in their id. */
  readonly judged: readonly number[]
}

/** Counts the rules of which a line of their own is judged; lines that rules share do not count. */
function counting(text: string): (given: Given) => Judged {
  const compiled = compilePolicy(mustParse(text), sha256)
  const judged = new Set<number>()
  const uses = new Map<object, number>()
  for (const line of compiled.rules.flatMap(({ tests }) => tests)) {
    uses.set(line, (uses.get(line) ?? 0) + 1)
  }
  for (const { rule, tests } of compiled.rules) {
    for (const line of tests.filter((one) => uses.get(one) === 1)) {
      const judge = line.judge
      Object.assign(line, {
        judge: (look: Parameters<typeof judge>[0]) => {
          judged.add(Number(rule.id.slice(1)))
          return judge(look)
        },
      })
    }
  }
  return (given) => {
    judged.clear()
    const decision = decide(compiled, factsOf(given))
    return { decision, judged: [...judged].sort((a, b) => a - b) }
  }
}

/** Every rule asks for this too, so that what is judged can be counted. */
const N = (at: number): string => `"/n" = { regex = "^${at}$" }`
const args = (at: number, lines: string): string => `args = { ${lines}, ${N(at)} }`
const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at)
const all = upTo(RULES)
const texts = (at: number, count: number): string =>
  upTo(count)
    .map((n) => `"v${at}.${n}"`)
    .join()
const MINOR = {
  kind: 'pointer',
  pointer: '/amount',
  unit: 'minor',
  currency: { kind: 'fixed', code: 'EUR' },
} as const
const cents = (at: number): string => `${at}.00 EUR`

/** How each rule differs from the others, and which rules could match a proposal. */
const KINDS: readonly (readonly [
  name: string,
  line: (at: number) => string,
  cases: readonly (readonly [given: Given, judged: readonly number[]])[],
])[] = [
  [
    'one text of an argument',
    (at) => args(at, `"/a" = { eq = "v${at}" }`),
    [
      [{ args: { a: 'v0', n: 'x' } }, [0]],
      [{ args: { a: 'v1', n: 'x' } }, [1]],
      [{ args: { a: 'v7', n: 'x' } }, [7]],
      [{ args: { a: 'v39', n: 'x' } }, [39]],
      [{ args: { a: 'v40', n: 'x' } }, []],
      [{ args: { a: '', n: 'x' } }, []],
      [{ args: { a: 'e\u0301', n: 'x' } }, all],
      [{ args: { a: 7, n: 'x' } }, all],
      [{ args: { n: 'x' } }, all],
    ],
  ],
  [
    'one of some texts of an argument',
    (at) => args(at, `"/a" = { in = ["v${at}", "v${at + 1}", "w"] }`),
    [
      [{ args: { a: 'v0', n: 'x' } }, [0]],
      [{ args: { a: 'v7', n: 'x' } }, [6, 7]],
      [{ args: { a: 'w', n: 'x' } }, all],
      [{ args: { a: 'x', n: 'x' } }, []],
    ],
  ],
  [
    'one of eight texts, the most that are told apart by number',
    (at) => args(at, `"/a" = { in = [${texts(at, 8)}] }`),
    [
      [{ args: { a: 'v3.7', n: 'x' } }, [3]],
      [{ args: { a: 'v3.8', n: 'x' } }, []],
    ],
  ],
  [
    'one of nine texts, which are judged',
    (at) => args(at, `"/a" = { in = [${texts(at, 9)}] }`),
    [[{ args: { a: 'v3.7', n: 'x' } }, all]],
  ],
  [
    'an exact name',
    (at) => `agent = ["bot${at}"], ${args(at, '"/x" = { exists = false }')}`,
    [
      [{ agent: 'bot5', args: { n: 'x' } }, [5]],
      [{ agent: 'bot', args: { n: 'x' } }, []],
      [{ agent: null, args: { n: 'x' } }, all],
    ],
  ],
  [
    'a word of the contract',
    (at) => `category = ["c${at}", "d"], ${args(at, '"/x" = { exists = false }')}`,
    [
      [{ category: 'c5', args: { n: 'x' } }, [5]],
      [{ category: 'd', args: { n: 'x' } }, all],
      [{ category: 'e', args: { n: 'x' } }, []],
      [{ category: null, args: { n: 'x' } }, all],
    ],
  ],
  [
    'a bound above',
    (at) => args(at, `"/a" = { gt = ${at} }`),
    [
      [{ args: { a: 0, n: 'x' } }, []],
      [{ args: { a: 1, n: 'x' } }, [0]],
      [{ args: { a: 2.5, n: 'x' } }, [0, 1, 2]],
      [{ args: { a: 39, n: 'x' } }, upTo(39)],
      [{ args: { a: 40, n: 'x' } }, all],
      [{ args: { a: '5', n: 'x' } }, all],
      [{ args: { n: 'x' } }, all],
    ],
  ],
  [
    'a bound that is reached',
    (at) => args(at, `"/a" = { gte = ${at} }`),
    [
      [{ args: { a: -1, n: 'x' } }, []],
      [{ args: { a: 0, n: 'x' } }, [0]],
      [{ args: { a: 0.5, n: 'x' } }, [0]],
      [{ args: { a: 2, n: 'x' } }, [0, 1, 2]],
      [{ args: { a: 99, n: 'x' } }, all],
    ],
  ],
  [
    'a bound below',
    (at) => args(at, `"/a" = { lt = ${at} }`),
    [
      [{ args: { a: 39, n: 'x' } }, []],
      [{ args: { a: 38, n: 'x' } }, [39]],
      [{ args: { a: 37.5, n: 'x' } }, [38, 39]],
      [{ args: { a: -1, n: 'x' } }, all],
    ],
  ],
  [
    'a bound below that is reached',
    (at) => args(at, `"/a" = { lte = ${at} }`),
    [
      [{ args: { a: 40, n: 'x' } }, []],
      [{ args: { a: 39, n: 'x' } }, [39]],
      [{ args: { a: 38.5, n: 'x' } }, [39]],
      [{ args: { a: 0, n: 'x' } }, all],
    ],
  ],
  [
    'two bounds',
    (at) => args(at, `"/a" = { gte = ${at}, lt = ${at + 2} }`),
    [
      [{ args: { a: 5, n: 'x' } }, [4, 5]],
      [{ args: { a: 5.5, n: 'x' } }, [4, 5]],
      [{ args: { a: 0, n: 'x' } }, [0]],
      [{ args: { a: 41, n: 'x' } }, []],
    ],
  ],
  [
    'all four bounds',
    (at) => args(at, `"/a" = { gt = ${at}, gte = ${at + 1}, lt = ${at + 4}, lte = ${at + 3} }`),
    [
      [{ args: { a: 5, n: 'x' } }, [2, 3, 4]],
      [{ args: { a: 1, n: 'x' } }, [0]],
      [{ args: { a: 4.5, n: 'x' } }, [2, 3]],
    ],
  ],
  [
    'bounds that nothing is within',
    (at) => args(at, `"/a" = { gt = ${at + 1}, lt = ${at} }`),
    [[{ args: { a: 5, n: 'x' } }, []]],
  ],
  [
    'a text beside a bound: the text tells',
    (at) => args(at, `"/a" = { gt = 1 }, "/b" = { eq = "v${at}" }`),
    [
      [{ args: { a: 5, b: 'v3', n: 'x' } }, [3]],
      [{ args: { a: 5, b: 'w', n: 'x' } }, []],
    ],
  ],
  [
    'an amount above',
    (at) => `amount = { gt = "${cents(at)}" }, ${args(at, '"/x" = { exists = false }')}`,
    [
      [{ amount: MINOR, args: { amount: 0, n: 'x' } }, []],
      [{ amount: MINOR, args: { amount: 1, n: 'x' } }, [0]],
      [{ amount: MINOR, args: { amount: 200, n: 'x' } }, [0, 1]],
      [{ amount: MINOR, args: { amount: 201, n: 'x' } }, [0, 1, 2]],
      [{ amount: MINOR, args: { amount: 100_000, n: 'x' } }, all],
      [{ amount: { kind: 'none' }, args: { n: 'x' } }, []],
      [{ amount: MINOR, args: { n: 'x' } }, all],
      [{ args: { amount: '5', currency: 'USD', n: 'x' } }, all],
    ],
  ],
  [
    'an amount between',
    (at) =>
      `amount = { gte = "${cents(at)}", lte = "${cents(at + 1)}" }, ${args(at, '"/x" = { exists = false }')}`,
    [
      [{ amount: MINOR, args: { amount: 500, n: 'x' } }, [4, 5]],
      [{ amount: MINOR, args: { amount: 501, n: 'x' } }, [5]],
      [{ amount: MINOR, args: { amount: 4_100, n: 'x' } }, []],
    ],
  ],
]

for (const [name, line, cases] of KINDS) {
  test(`rules that differ by ${name} are judged only where they could match`, () => {
    const text = policyOf(all.map(line))
    const ask = counting(text)
    const naive = compilePolicy(mustParse(text), sha256)
    for (const [given, judged] of cases) {
      const found = ask(given)
      assert.deepEqual(found.judged, judged, JSON.stringify(given))
      const { effect, rule_id } = decideNaively(naive, factsOf(given))
      assert.deepEqual([found.decision.effect, found.decision.rule_id], [effect, rule_id])
      // What one decision saw is not what the next one sees.
      assert.deepEqual(ask(given).judged, judged)
    }
  })
}

const same = (compiled: CompiledPolicy, given: Given): void => {
  const facts = factsOf(given)
  const { effect, tier, rule_id, reason, obligations, unknown } = decide(compiled, facts)
  const naive = decideNaively(compiled, facts)
  assert.deepEqual(
    { effect, tier, rule_id, reason, obligations, unknown: [...unknown].sort() },
    {
      effect: naive.effect,
      tier: naive.tier,
      rule_id: naive.rule_id,
      reason: naive.reason,
      obligations: naive.obligations,
      unknown: [...naive.unknown].sort(),
    },
    JSON.stringify(given),
  )
}

test('rules told apart in many ways at once decide as they do one by one', () => {
  const verdicts = [
    'effect = "allow"',
    'effect = "deny"',
    'effect = "require_approval"\ntier = 1',
    'effect = "require_approval"\ntier = 2',
    'effect = "require_proof"',
  ]
  const lines = [
    (at: number) => `args = { "/a" = { eq = "v${at % 7}" } }`,
    (at: number) => `args = { "/b" = { gt = ${at % 11} } }`,
    (at: number) => `args = { "/a" = { in = ["v${at % 5}", "v6", 3] } }`,
    (at: number) => `amount = { gte = "${at % 6} EUR" }`,
    (at: number) => `amount = { lt = "${at % 6} USD" }`,
    (at: number) => `category = ["c${at % 3}"], args = { "/b" = { lte = ${at % 9} } }`,
    (at: number) => `agent = ["bot${at % 3}", "other"]`,
    (at: number) => `agent = ["bot*"], args = { "/a" = { not_in = ["v${at % 3}"] } }`,
    (at: number) => `operation = ["read"], args = { "/b" = { gte = ${at % 4}, lt = 9 } }`,
    (at: number) => `source = ["rest", "mcp"], user = ["u${at % 2}"]`,
    (at: number) => `tenant = ["acme", "t${at % 2}"], roles = ["r"]`,
    () => 'tool = ["shop.**"], tags = ["x"]',
  ]
  const rules = upTo(120).map((at) => {
    const line = lines[at % lines.length]?.(at) ?? ''
    const verdict = verdicts[(at * 7) % verdicts.length] ?? ''
    return ruleOf(`r${at}`, line, `priority = ${1 + (at % 3)}\n${verdict}`)
  })
  const compiled = compilePolicy(mustParse(`version = 1\n${rules.join('')}`), sha256)
  for (const a of ['v0', 'v3', 'v6', 'v9', 3, null, undefined]) {
    for (const b of [0, 4, 4.5, 8, 20, '4', undefined]) {
      for (const amount of ['0', '3.00', '5.5', 'x']) {
        const values = { a, b, amount, currency: amount === '0' ? 'USD' : 'EUR' }
        const given = Object.fromEntries(
          Object.entries(values).filter(([, value]) => value !== undefined),
        )
        const at = `${String(a)}${String(b)}${amount}`.length
        same(compiled, {
          args: given as never,
          agent: ['bot1', 'other', null, 'x'][at % 4] ?? null,
          category: ['c1', null][at % 2] ?? null,
          operation: ['read', 'transfer'][at % 2] ?? 'read',
          source: ['mcp', 'cron', null][at % 3] ?? null,
          tenant: ['acme', 't1', 'z'][at % 3] ?? 'z',
          user: ['u1', null][at % 2] ?? null,
          tags: at % 2 === 0 ? ['x'] : [],
          tool: ['shop.a', 'shop.a.b', 'x'][at % 3] ?? 'x',
        })
      }
    }
  }
})

test('rules behind one that always holds are not read, those beside it are', () => {
  for (const [id, judged] of [
    ['priority = 0\neffect = "allow"', []],
    ['priority = 1\neffect = "allow"', all],
    ['priority = 2\neffect = "allow"', all],
  ] as const) {
    const text = `version = 1\n${ruleOf('whole', 'tool = ["**"]', id)}${all
      .map((at) => ruleOf(`r${at}`, args(at, '"/x" = { exists = false }')))
      .join('')}`
    const { judged: seen } = counting(text)({ args: { n: 'x' } })
    assert.deepEqual(seen, judged, id)
  }
})

test('rules over other tools, operations, sources and tenants are not judged', () => {
  const about = ['tool = ["t%.*"]', 'operation = ["read"]', 'source = ["rest"]', 'tenant = ["t%"]']
  for (const line of about) {
    const text = policyOf(
      all.map((at) => `${line.replace('%', String(at))}, ${args(at, '"/x" = { exists = false }')}`),
    )
    const ask = counting(text)
    const given = {
      tool: 't5.x',
      operation: 'create',
      source: 'mcp',
      tenant: 't5',
      args: { n: 'x' },
    }
    const own = line.includes('%') ? [5] : []
    assert.deepEqual(ask(given).judged, own, line)
    const matched = { ...given, operation: 'read', source: 'rest' }
    assert.deepEqual(ask(matched).judged, line.includes('%') ? [5] : all, line)
    const other = { ...given, tool: 'other', tenant: 'other' }
    assert.deepEqual(ask(other).judged, [], line)
  }
})

test('the rules over a tool are those whose globs hold for it, each once, in order', () => {
  const globs = [
    ['shop.pay'],
    ['shop.*'],
    ['shop.p*', 'shop.pay', 'shop.*'],
    ['*.pay'],
    ['s*'],
    ['shop*'],
    ['**.pay'],
    ['**'],
    ['shop.pay', '**'],
    ['sh*.pay'],
    ['shop.pay.*'],
    ['shop.**'],
    ['pay'],
    ['*'],
    ['.pay'],
    ['shop'],
    ['shop.*.x', 'other'],
  ]
  const compiled = compilePolicy(
    mustParse(
      `version = 1\n${globs
        .map((glob, at) =>
          ruleOf(
            `g${at}`,
            `tool = [${glob.map((one) => `"${one}"`).join()}]`,
            `priority = ${(at * 5) % 17}\neffect = "deny"`,
          ),
        )
        .join('')}`,
    ),
    sha256,
  )
  for (const tool of [
    'shop.pay',
    'shop',
    'pay',
    'shop.pay.x',
    'shop.a.x',
    'x.pay',
    '.pay',
    'shop.',
  ]) {
    const facts = factsOf({ tool })
    const look = compiled.begin(facts)
    const holds = compiled
      .everyRule()
      .filter(({ tests }) => tests.every((line) => line.judge(look) === true))
      .map(({ rule }) => rule.rule.id)
    assert.deepEqual(
      compiled.candidates(tool).map(({ rule }) => rule.id),
      holds,
      tool,
    )
  }
})

test('what is remembered of tools and tenants is forgotten before it is too much, and changes nothing', () => {
  const text = policyOf([
    'tool = ["a*"], tenant = ["t1*"], args = { "/x" = { eq = 1 } }',
    'tool = ["a1"]',
    'tenant = ["t2"]',
  ])
  const compiled = compilePolicy(mustParse(text), sha256)
  for (let at = 0; at < 5_000; at++) {
    same(compiled, { tool: `a${at}`, tenant: `t${at % 30}`, args: {} })
  }
  same(compiled, { tool: 'a1', tenant: 't1', args: {} })
})

test('lines that the index answers are not judged again, and whoever has no index judges all once', () => {
  const match =
    'tool = ["a.*"], operation = ["read"], source = ["mcp"], tenant = ["t"], agent = ["x"]'
  const compiled = compilePolicy(mustParse(`version = 1\n${ruleOf('r', match)}`), sha256)
  const [rule] = compiled.rules
  const names = (tests: readonly { readonly slot: { readonly name: string } }[] = []) =>
    tests.map(({ slot }) => slot.name)
  assert.deepEqual(names(rule?.indexed), ['operation', 'source', 'tenant'])
  assert.deepEqual(names(rule?.tests), ['agent'])
  assert.deepEqual(
    compiled.everyRule().map(({ tests }) => names(tests)),
    [['tool', 'operation', 'source', 'tenant', 'agent']],
  )
})
