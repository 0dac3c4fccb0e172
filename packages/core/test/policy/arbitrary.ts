import fc from 'fast-check'
import type { Given } from './world.ts'

/** Lines of a match over a small world, in which each can be true, false and unknown. */
export const LINES: readonly string[] = [
  'tool = ["shop.*"]',
  'tool = ["shop.refund_order", "mail.**"]',
  'operation = ["transfer", "read"]',
  'category = ["crm"]',
  'tags = ["pii"]',
  'bundle = ["shop"]',
  'source = ["mcp"]',
  'source = ["rest", "nats"]',
  'agent = ["support.*"]',
  'tenant = ["acme"]',
  'workspace = ["m*"]',
  'user = ["ann"]',
  'roles = ["finance", "ops"]',
  'scopes = ["a", "b"]',
  'skill_level = ["expert"]',
  'auth_level = { gte = 3 }',
  'auth_method = ["passkey"]',
  'amount = { gt = "10 EUR", lte = "100 EUR" }',
  'amount = { lt = "50.5 EUR" }',
  'amount = { gte = "50 USD" }',
  'time = { days = ["mon"], from = "08:00", to = "18:00", tz = "UTC" }',
  'chain = { depth = { gt = 2 }, cycle = true }',
  'provenance."/s" = ["user", "tool_result:crm.*"]',
  'args."/s" = { eq = "a" }',
  'args."/s" = { in = ["b", 3] }',
  'args."/s" = { not_in = ["a"] }',
  'args."/n" = { gt = 3, lte = 10 }',
  'args."/p" = { glob = ["/srv/**", "/tmp/*"] }',
  'args."/p" = { subpath_of = "/srv" }',
  'args."/s" = { regex = "^[ab]$" }',
  'args."/s" = { type = "string", max_length = 1 }',
  'args."/s" = { exists = false }',
  'args."/u" = { host_in = ["example.com"], scheme_in = ["https"] }',
  'args."/m" = { email_domain_not_in = ["example.com"] }',
  'args."/l" = { each = { gt = 1 } }',
  'args."/l" = { any = { eq = 2 } }',
  'args."/o" = { keys_in = ["a"] }',
]

const VERDICTS: readonly string[] = [
  'effect = "allow"',
  'effect = "allow"',
  'effect = "deny"',
  'effect = "require_proof"',
  'effect = "require_approval"\ntier = 1',
  'effect = "require_approval"\ntier = 2',
  'effect = "require_approval"\ntier = 1\napprovers = { roles = ["a", "b"], quorum = 2 }',
  'effect = "require_approval"\ntier = 1\napprovers = { roles = ["b"] }',
]

export interface RuleParts {
  readonly verdict: string
  readonly priority: number
  readonly lines: readonly string[]
}

const keyOf = (line: string): string => line.split(' = ')[0] ?? ''

export function ruleArbitrary(lines: readonly string[]): fc.Arbitrary<RuleParts> {
  return fc.record({
    verdict: fc.constantFrom(...VERDICTS),
    priority: fc.integer({ min: 1, max: 3 }),
    lines: fc.uniqueArray(fc.constantFrom(...lines), {
      minLength: 1,
      maxLength: 3,
      selector: keyOf,
    }),
  })
}

export const ruleText = ({ verdict, priority, lines }: RuleParts, id: string): string =>
  `[[rules]]\nid = "${id}"\npriority = ${priority}\n${verdict}\n[rules.match]\n${lines.join('\n')}\n`

export function policyOf(rules: readonly RuleParts[]): string {
  return `version = 1\n${rules.map((rule, index) => ruleText(rule, `r${index}`)).join('')}`
}

export const policyText: fc.Arbitrary<string> = fc
  .array(ruleArbitrary(LINES), { maxLength: 6 })
  .map(policyOf)

const maybe = <T>(...values: readonly T[]): fc.Arbitrary<T | null> =>
  fc.constantFrom(...values, null)

const NFD = 'e\u0301'

/** Proposals of that world, known and unknown. */
export const proposal: fc.Arbitrary<Given> = fc.record({
  tool: fc.constantFrom('shop.refund_order', 'shop.eu.x', 'mail.send', 'other'),
  operation: fc.constantFrom('read', 'transfer', 'delete'),
  category: maybe('crm', 'hr'),
  tags: fc.constantFrom([], ['pii'], ['x', 'y']),
  source: maybe('mcp', 'rest', 'cron'),
  agent: maybe('support.bot', 'bot', NFD),
  tenant: fc.constantFrom('acme', 'other'),
  workspace: fc.constantFrom('main', 'lab'),
  user: maybe('ann', 'bob'),
  roles: maybe(['ops'], [], ['x']),
  scopes: maybe(['a', 'b'], ['a']),
  skill_level: maybe('expert', 'novice'),
  auth_level: maybe(1, 3, 5),
  auth_method: maybe('passkey', 'api_key'),
  local_times: fc.constantFrom(
    {},
    { UTC: { day: 'mon', minute: 600 } },
    { UTC: { day: 'sun', minute: 10 } },
  ),
  chain: maybe({ depth: 3, repeats: 0, cycle: true }, { depth: 0, repeats: 0, cycle: false }),
  provenance: fc.constantFrom({}, { '/s': ['user'] }, { '/s': ['agent'] }),
  args: fc.record(
    {
      amount: fc.constantFrom('5', '10.01', '50', '100.00', 70, 1000, '-1', null),
      currency: fc.constantFrom('EUR', 'USD', 'eur'),
      s: fc.constantFrom<unknown>('a', 'b', 'c', 3, null, NFD, ['a'], 'x'.repeat(300)),
      n: fc.constantFrom<unknown>(3, 4, 10, 11, '4'),
      p: fc.constantFrom<unknown>('/srv/a/b', '/tmp/x', '/tmp/x/y', 'srv', 7),
      u: fc.constantFrom<unknown>(
        'https://example.com/',
        'http://evil.com',
        'http://10.0.0.1',
        'x',
      ),
      m: fc.constantFrom<unknown>('a@example.com', 'a@evil.com', 'x', 7),
      l: fc.constantFrom<unknown>(
        [],
        [2],
        [1, 2],
        ['2'],
        Array.from({ length: 400 }, () => 2),
      ),
      o: fc.constantFrom<unknown>({}, { a: 1 }, { b: 1 }, [], null),
    },
    { requiredKeys: [] },
  ),
}) as unknown as fc.Arbitrary<Given>

/** Each takes one fact away, or makes it of a kind that nothing can judge. */
export function blurred(given: Given): fc.Arbitrary<Given> {
  const args = (given.args ?? {}) as Readonly<Record<string, unknown>>
  const facts: readonly (keyof Given)[] = [
    'category',
    'source',
    'agent',
    'user',
    'roles',
    'scopes',
    'skill_level',
    'auth_level',
    'auth_method',
    'chain',
  ]
  const without = facts.map((name): Given => ({ ...given, [name]: null }))
  const odd = Object.keys(args)
    .filter((name) => name !== 'currency')
    .map((name): Given => ({ ...given, args: { ...args, [name]: NFD } as never }))
  const times: Given = { ...given, local_times: {} }
  const origins: Given = { ...given, provenance: {} }
  return fc.constantFrom(...without, ...odd, times, origins)
}
