import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { PolicyFacts, PolicySet } from '@trustgw/core'
import { type DecisionRecord, parseTenantId, SOURCES } from '@trustgw/protocol'
import { type AdmissionDeps, clearAction } from '../src/admit/admission.ts'
import { RETRYABLE_REASONS } from '../src/admit/reasons.ts'
import { openSealed, POLICY, POLICY_REASONS } from './support/policy.ts'
import { AT_NIGHT, GATED_REFUND, LAYERED_POLICY } from './support/refund-policy.ts'
import { bytesOf, type Change, NOW, REFUND, TENANT, World } from './support/world.ts'

const SMALL = '{"amount":"20.00","order_id":"ord_1001"}'
const LARGE = '{"amount":"250.00","order_id":"ord_1001"}'
const MCP: Partial<PolicyFacts> = { source: 'mcp' }
const seen = new Set<string>()

after(() => {
  assert.deepEqual(
    POLICY_REASONS.filter((reason) => !seen.has(reason)),
    [],
    'every reason is seen once',
  )
})

/** The reason, with the member that it names. */
async function fate(
  world: World,
  change: Change,
  deps: AdmissionDeps = world.admission(),
): Promise<string> {
  const outcome = await clearAction(bytesOf(await world.granted(change)), deps)
  if (outcome.ok) return 'admitted'
  seen.add(outcome.reason)
  return outcome.detail === undefined ? outcome.reason : `${outcome.reason} ${outcome.detail}`
}

function gated(): World {
  const world = new World(GATED_REFUND)
  world.govern(LAYERED_POLICY)
  return world
}

test('the executor decides again, and admits what it decides itself [INV-35]', async () => {
  const world = gated()
  assert.equal(await fate(world, { tier: 0, arguments: SMALL, facts: MCP }), 'admitted')
  assert.equal(await fate(world, { tier: 2, arguments: LARGE, facts: MCP }), 'admitted')
})

test('a gateway that claims tier 0 for a refund that policy gates is refused [INV-35]', async () => {
  const world = gated()
  const honest = world.decision(LARGE, MCP)
  assert.deepEqual([honest.tier, honest.rule_id], [2, 'large'])
  const claims: readonly Partial<DecisionRecord>[] = [
    { tier: 0, effect: 'allow' },
    { tier: 0, effect: 'allow', rule_id: 'small' },
    world.decision(SMALL, MCP),
  ]
  for (const claim of claims) {
    const { input_hash, action_id } = honest
    const decision = { ...honest, ...claim, input_hash, action_id }
    assert.equal(await fate(world, { tier: 0, decision }), 'decision_differs effect')
  }
})

const NOT_LOOKED_AT = { name: 'roles', origin: 'asserted', value: ['boss'] } as const

const CHANGED: readonly (readonly [member: string, change: Partial<DecisionRecord>])[] = [
  ['tier', { tier: 1 }],
  ['rule_id', { rule_id: 'small' }],
  ['reason', { reason: 'harmless' }],
  [
    'obligations',
    {
      obligations: {
        grant_ttl_ms: 30_000,
        approval_ttl_ms: 900_000,
        approvers: [{ roles: [], quorum: 1 }],
        channels: ['portal'],
      },
    },
  ],
  ['facts', { facts: [...gated().decision(LARGE, MCP).facts, NOT_LOOKED_AT] }],
  ['unknown', { unknown: ['amount'] }],
]

for (const [member, decision] of CHANGED) {
  test(`decision_differs: another ${member} than the policy gives [INV-35]`, async () => {
    const tier = decision.tier ?? 2
    assert.equal(await fate(gated(), { tier, facts: MCP, decision }), `decision_differs ${member}`)
  })
}

/** A condition that does not hold of the refund, and what a gateway says to make it hold. */
const LIES: readonly (readonly [fact: string, line: string, lie: Partial<PolicyFacts>])[] = [
  ['tool', 'tool = ["shop.read"]', { tool: { ...GATED_REFUND, id: 'shop.read' } }],
  ['operation', 'operation = ["read"]', { tool: { ...GATED_REFUND, operation: 'read' } }],
  ['category', 'category = ["notes"]', { tool: { ...GATED_REFUND, category: 'notes' } }],
  ['tags', 'tags = ["harmless"]', { tool: { ...GATED_REFUND, tags: ['harmless'] } }],
  ['bundle', 'bundle = ["notes"]', { tool: { ...GATED_REFUND, bundle: 'notes' } }],
  ['amount', 'amount = { lt = "50.00 EUR" }', { args: { amount: '20.00', order_id: 'ord_1001' } }],
  [
    'amount rule',
    'amount = { gt = "1000.00 EUR" }',
    { tool: { ...GATED_REFUND, amount: amountInYen() } },
  ],
  [
    'argument',
    'args = { "/order_id" = { eq = "ord_1" } }',
    { args: { amount: '250.00', order_id: 'ord_1' } },
  ],
  ['tenant', 'tenant = ["other"]', { tenant: 'other' }],
  ['workspace', 'workspace = ["other"]', { workspace: 'other' }],
  ['agent', 'agent = ["agent-2"]', { agent: 'agent-2' }],
  ['user', 'user = ["ana"]', { user: 'ana' }],
  [
    'time',
    'time = { from = "00:00", to = "02:00", tz = "Europe/Vienna" }',
    { local_times: AT_NIGHT },
  ],
]

function amountInYen(): typeof GATED_REFUND.amount {
  return {
    kind: 'pointer',
    pointer: '/amount',
    unit: 'decimal',
    currency: { kind: 'fixed', code: 'JPY' },
  }
}

for (const [fact, line, lie] of LIES) {
  test(`decision_differs: the gateway lies about the ${fact} [INV-35]`, async () => {
    const world = new World(GATED_REFUND)
    const gate = `
[[rules]]
id       = "gate"
priority = 9
effect   = "require_approval"
tier     = 2
approvers = { roles = ["finance"] }
match    = { operation = ["transfer"] }
`
    world.govern([
      {
        text: `version = 1
[[rules]]
id       = "open"
priority = 1
effect   = "allow"
match    = { ${line} }
${gate}`,
      },
    ])
    assert.equal(await fate(world, { facts: MCP }), 'admitted', 'honestly decided: tier 2')
    const decision = world.decision(LARGE, { ...MCP, ...lie })
    assert.match(await fate(world, { tier: decision.tier, decision }), /^decision_differs /)
  })
}

test('what only the gateway knows it can choose: no rule may lean on that alone', async () => {
  const world = gated()
  assert.equal(world.decision(LARGE, MCP).tier, 2)
  assert.equal(await fate(world, { tier: 0, facts: { source: 'cron' } }), 'admitted')
  const leansOnBoth = new World(GATED_REFUND)
  const cron = 'source = ["cron"]'
  leansOnBoth.govern(
    LAYERED_POLICY.map((file) => ({
      ...file,
      text: file.text.replace(cron, `${cron}, amount = { lt = "10.00 EUR" }`),
    })),
  )
  for (const source of [...SOURCES, null]) {
    const decision = { tier: 0, effect: 'allow', rule_id: 'cron' } as const
    const answer = await fate(leansOnBoth, { tier: 0, facts: { source }, decision })
    assert.equal(answer, 'decision_differs effect', String(source))
  }
})

test('policy_missing: nothing is pinned for the tenant, and it may come again', async () => {
  const world = new World()
  const asked: string[] = []
  const policies = {
    current: () => undefined,
    refresh: (tenant: string) => Promise.resolve(void asked.push(tenant)),
  }
  assert.equal(await fate(world, {}, world.admission({ policies })), 'policy_missing')
  assert.deepEqual(asked, [TENANT])
  assert.ok(RETRYABLE_REASONS.includes('policy_missing'))
})

test('policy_epoch_ahead: a newer epoch than is pinned is looked for once', async () => {
  const world = new World()
  let asked = 0
  let pinned: PolicySet = world.policies
  const newer = openSealed(world.sealed([{ text: POLICY }], 2))
  const source = (found: PolicySet): AdmissionDeps =>
    world.admission({
      policies: {
        current: () => pinned,
        refresh: () => {
          asked += 1
          pinned = found
          return Promise.resolve()
        },
      },
    })
  const decision = { policy_epoch: 2 }
  assert.equal(
    await fate(world, { decision }, source(world.policies)),
    'policy_epoch_ahead pinned 1',
  )
  assert.equal(asked, 1)
  assert.equal(await fate(world, { decision }, source(newer)), 'admitted')
  assert.equal(asked, 2)
  assert.equal(await fate(world, { decision }, source(newer)), 'admitted')
  assert.equal(asked, 2, 'what is pinned needs no look')
  assert.ok(RETRYABLE_REASONS.includes('policy_epoch_ahead'))
})

test('policy_superseded: an old policy decides no more, though it was verified [INV-36]', async () => {
  const world = new World()
  const newer = openSealed(world.sealed([{ text: POLICY }], 2))
  const policies = { current: () => newer, refresh: () => Promise.reject(new Error('not asked')) }
  const deps = world.admission({ policies })
  assert.equal(await fate(world, {}, deps), 'policy_superseded pinned 2')
  assert.ok(RETRYABLE_REASONS.includes('policy_superseded'))
})

test('policy_fingerprint_differs: another policy under the epoch that is pinned', async () => {
  const world = gated()
  const other = new World(GATED_REFUND)
  other.govern([{ text: POLICY }])
  const decision = other.decision(LARGE, MCP)
  assert.equal(await fate(world, { decision }), 'policy_fingerprint_differs')
})

test('policy_fingerprint_differs: a layer of the workspace, or of the agent, left out', async () => {
  const world = gated()
  const unlayered = world.decision(LARGE, MCP)
  assert.equal(
    await fate(world, { decision: { ...unlayered, workspace: 'till' } }),
    'policy_fingerprint_differs',
  )
  const deny =
    'version = 1\n[[rules]]\nid = "no"\npriority = 1\neffect = "deny"\nmatch = { tool = ["**"] }\n'
  const scoped = { layer: 'agent', scope: 'agent-1', text: deny } as const
  world.policies = openSealed(world.sealed([...LAYERED_POLICY, scoped]))
  assert.equal(await fate(world, { decision: unlayered }), 'policy_fingerprint_differs')
})

test('each tenant has its own policy: one of another tenant decides nothing here', async () => {
  const world = gated()
  const other = parseTenantId('other')
  assert.ok(other.ok)
  const elsewhere = openSealed(world.sealed([{ text: POLICY }], 7, 'other'))
  const policies = {
    current: (tenant: string) => (tenant === other.value ? elsewhere : world.policies),
    refresh: () => Promise.resolve(),
  }
  const deps = world.admission({ policies })
  assert.equal(await fate(world, { facts: MCP }, deps), 'admitted')
  const theirs = new World(GATED_REFUND)
  theirs.policies = elsewhere
  const decision = theirs.decision(LARGE, MCP, { policy_epoch: 1 })
  assert.equal(await fate(world, { decision }, deps), 'policy_fingerprint_differs')
})

test('decision_time_differs: a decision is of the time of its grant', async () => {
  const world = new World()
  const second = Math.floor(NOW / 1000) * 1000
  const at = (decided_at: number): Promise<string> => fate(world, { decision: { decided_at } })
  assert.equal(await at(second - 30_001), 'decision_time_differs')
  assert.equal(await at(second - 30_000), 'admitted')
  assert.equal(await at(second + 2_000), 'admitted')
  assert.equal(await at(second + 2_001), 'decision_time_differs')
})

test('grant_lifetime: a grant lives no longer than the policy says', async () => {
  const world = new World()
  world.govern([
    {
      text: POLICY.replace(
        'version = 1',
        'version = 1\n[defaults]\neffect = "deny"\ngrant_ttl = "5s"',
      ),
    },
  ])
  const { iat, exp } = world.claims(world.decision(LARGE, MCP), [], {})
  assert.equal(exp - iat, 30)
  assert.equal(await fate(world, {}), 'grant_lifetime obligations')
  assert.equal(await fate(world, { claims: { exp: iat + 6 } }), 'grant_lifetime obligations')
  assert.equal(await fate(world, { claims: { exp: iat + 5 } }), 'admitted')
})

test('decision_record_malformed: a fact in no form that a decision writes', async () => {
  const facts = [{ name: 'source', origin: 'asserted', value: 'pigeon' }] as const
  assert.equal(
    await fate(new World(REFUND), { decision: { facts } }),
    'decision_record_malformed source',
  )
})
