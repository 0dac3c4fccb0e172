import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideLayers, type OpenedBundle, openBundle, type PolicySet } from '@trustgw/core'
import { POLICY_BUNDLE_TEXT_MAX_BYTES, POLICY_TEXT_MAX_BYTES } from '@trustgw/protocol'
import { sha256 } from '../hashing.ts'
import { factsOf } from './world.ts'

type Opened = Parameters<typeof openBundle>[0]
type Policies = Opened['bundle']['policies']
type Written = readonly [
  layer: Policies[number]['layer'],
  scope: string | null,
  text: string,
  file?: string,
]

const rule = (id: string, effect = 'deny'): string =>
  `version = 1\n[[rules]]\nid = "${id}"\npriority = 1\neffect = "${effect}"\nmatch.tool = ["**"]\n`

/** Texts stand in a bundle deflated; here they are marked only. */
function open(
  written: readonly Written[],
  development = false,
  unpacked: string[] = [],
): OpenedBundle {
  const policies = written.map(([layer, scope, text, file = `${layer}.toml`]) => ({
    layer,
    scope,
    file,
    deflated: `deflated ${text}`,
  }))
  const bundle = { v: 1, tenant: 'acme', epoch: 7, issued_at: 0, policies }
  const given = { bundle, bundle_hash: sha256('bundle') } as unknown as Opened
  return openBundle(given, {
    sha256,
    development,
    inflate: (deflated, maxBytes) => {
      const text = deflated.slice('deflated '.length)
      const fits = !text.includes('broken') && text.length <= maxBytes
      unpacked.push(fits ? text : text.slice(0, maxBytes))
      return fits ? text : undefined
    },
  })
}

function opened(written: readonly Written[], development = false): PolicySet {
  const result = open(written, development)
  assert.ok(result.ok, JSON.stringify(result))
  return result.value
}

const refusals = (written: readonly Written[]): readonly string[] => {
  const result = open(written)
  assert.ok(!result.ok)
  return result.findings.map(
    ({ file, line, column, key, message }) => `${file} ${line}:${column} ${key}| ${message}`,
  )
}

const PLATFORM: Written = ['platform', null, rule('all', 'allow')]

test('a bundle gives each scope its layers, in their order', () => {
  const set = opened([
    ['agent', 'bot', rule('bot')],
    ['workspace', 'desk', rule('desk')],
    ['agent', 'other', rule('other')],
    ['tenant', null, rule('house')],
    PLATFORM,
  ])
  assert.deepEqual([set.tenant, set.epoch, set.bundle_hash], ['acme', 7, sha256('bundle')])
  assert.deepEqual(
    set.policies.map(({ scope, text, compiled }) => [compiled.layer, scope, text]),
    [
      ['agent', 'bot', rule('bot')],
      ['workspace', 'desk', rule('desk')],
      ['agent', 'other', rule('other')],
      ['tenant', null, rule('house')],
      ['platform', null, rule('all', 'allow')],
    ],
  )
  const idsFor = (workspace: string, agent: string): readonly (string | undefined)[] =>
    set.layersFor({ workspace, agent }).layers.map(({ rules }) => rules[0]?.rule.id)
  assert.deepEqual(idsFor('desk', 'bot'), ['all', 'house', 'desk', 'bot'])
  assert.deepEqual(idsFor('desk', 'other'), ['all', 'house', 'desk', 'other'])
  assert.deepEqual(idsFor('lab', 'nobody'), ['all', 'house'])
  assert.deepEqual(idsFor('bot', 'desk'), ['all', 'house'])
})

test('scopes with the same layers share them, others do not', () => {
  const set = opened([PLATFORM, ['workspace', 'desk', rule('desk')]])
  const layers = set.layersFor({ workspace: 'a', agent: 'b' })
  assert.equal(set.layersFor({ workspace: 'c', agent: 'd' }), layers)
  assert.notEqual(set.layersFor({ workspace: 'desk', agent: 'b' }), layers)
  assert.equal(decideLayers(layers, factsOf({})).effect, 'allow')
  const desk = decideLayers(set.layersFor({ workspace: 'desk', agent: 'b' }), factsOf({}))
  assert.equal(desk.rule_id, 'workspace:desk')
})

test('a bundle without a platform layer, with one twice or a scope astray is refused', () => {
  assert.deepEqual(refusals([['tenant', null, rule('house')]]), [
    'bundle 1:1 | the platform layer is missing',
  ])
  assert.deepEqual(refusals([]), ['bundle 1:1 | the platform layer is missing'])
  assert.deepEqual(refusals([PLATFORM, PLATFORM]), [
    'platform.toml 1:1 | the layer platform is there twice',
  ])
  assert.deepEqual(
    refusals([
      PLATFORM,
      ['agent', 'bot', rule('a')],
      ['agent', 'bot', rule('b'), 'second.toml'],
      ['workspace', 'bot', rule('c')],
    ]),
    ['second.toml 1:1 | the layer agent bot is there twice'],
  )
  assert.deepEqual(
    refusals([
      PLATFORM,
      ['workspace', null, rule('w')],
      ['agent', null, rule('a')],
      ['tenant', 'acme', rule('t')],
    ]),
    [
      'workspace.toml 1:1 | scope: a policy of layer workspace names none',
      'agent.toml 1:1 | scope: a policy of layer agent names none',
      'tenant.toml 1:1 | scope: layer tenant has none',
    ],
  )
  assert.deepEqual(refusals([['platform', 'x', rule('p')]]), [
    'platform.toml 1:1 | scope: layer platform has none',
    'bundle 1:1 | the platform layer is missing',
  ])
})

test('every policy of a bundle that does not load is named with its file', () => {
  assert.deepEqual(
    refusals([
      PLATFORM,
      ['tenant', null, 'broken'],
      ['workspace', 'desk', 'version = 2\n'],
      ['agent', 'bot', 'version = 1\n[defaults]\neffect = "deny"\n'],
    ]),
    [
      'tenant.toml 1:1 | cannot be unpacked, or is longer than a policy may be',
      'workspace.toml 1:11 version| expected version = 1',
      'agent.toml 3:10 defaults.effect| only the platform layer has a default',
    ],
  )
})

test('development mode is that of whoever opens the bundle', () => {
  const open_all: Written = ['platform', null, 'version = 1\n[defaults]\neffect = "allow"\n']
  assert.equal(open([open_all]).ok, false)
  const layers = opened([open_all], true).layersFor({ workspace: 'a', agent: 'b' })
  assert.equal(decideLayers(layers, factsOf({})).effect, 'allow')
})

test('no more than 16 MiB of a bundle are unpacked, in whatever policies they are', () => {
  const comment = `#${'x'.repeat(POLICY_TEXT_MAX_BYTES - 1)}`
  const all = ['a', 'b', 'c', 'd', 'e', 'f']
  for (const [text, ok] of [
    [comment, true],
    [`${comment}x`, false],
  ] as const) {
    const unpacked: string[] = []
    const written = all.map((agent): Written => ['agent', agent, text, agent])
    const result = open([...written, PLATFORM], false, unpacked)
    assert.ok(!result.ok)
    const sum = unpacked.reduce((bytes, one) => bytes + one.length, 0)
    assert.equal(sum, POLICY_BUNDLE_TEXT_MAX_BYTES)
    const found = result.findings.filter(({ message }) => /unpacked/.test(message))
    assert.deepEqual(
      found.map(({ file, message }) => `${file}: ${message.split(',')[0]}`),
      [
        ...(ok ? [] : ['a', 'b', 'c', 'd'].map((file) => `${file}: cannot be unpacked`)),
        'e: is too long together with the policies before it',
        'f: is too long together with the policies before it',
        'platform.toml: is too long together with the policies before it',
      ],
    )
  }
})
