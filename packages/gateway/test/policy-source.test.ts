import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type BundledPolicy,
  base64urlEncode,
  type PinnedPolicy,
  POLICY_STATUS_MAX_BYTES,
  POLICY_STATUS_TYP,
  type PolicyStatus,
  policyStatusShape,
  readSealedBundle,
  readShape,
  type SealedBundle,
  sealBundle,
  sealedBundleJson,
  signDelegation,
  type TenantId,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import {
  deflateText,
  FileFault,
  keyIdOf,
  PACED_EVERY_MS,
  sha256,
  silentLogger,
} from '@trustgw/runtime'
import { PolicySource } from '../src/decide/policy-source.ts'
import { ACME, GLOBEX, must, POLICY } from './support/keys.ts'
import { put, World } from './support/world.ts'

const SCOPE = { workspace: 'main', agent: 'bot' }
const platform = (text: string): BundledPolicy => ({
  layer: 'platform',
  scope: null,
  file: 'policy.toml',
  deflated: deflateText(text),
})

class Desk {
  readonly world: World
  readonly dir: string
  readonly events: (readonly [string, unknown])[] = []
  pinned: readonly PinnedPolicy[] = []
  #open: PolicySource[] = []

  private constructor(world: World, dir: string) {
    this.world = world
    this.dir = dir
  }

  static async open(t: TestContext): Promise<Desk> {
    const dir = await mkdtemp(join(tmpdir(), 'trustgw-policy-'))
    const desk = new Desk(await World.open(t), dir)
    t.after(async () => {
      await desk.world.run(Promise.all(desk.#open.map((source) => source.stop())))
      await rm(dir, { recursive: true, force: true })
    })
    return desk
  }

  async source(): Promise<PolicySource> {
    const { world, dir } = this
    const audit = {
      append: (type: string, { payload }: { readonly payload?: unknown }) => {
        this.events.push([type, payload])
        return Promise.reject(new Error('nobody waits for it'))
      },
    }
    const source = new PolicySource({
      tenants: [ACME],
      bundles: world.records('policies'),
      statuses: world.records('policy_status'),
      dir,
      operatorKeyFor: world.keys.public.keyFor({ role: 'operator' }),
      development: false,
      statusKey: { kid: 'audit', sign: world.keys.of.audit.sign },
      audit: () => audit,
      sha256,
      clock: world.clock,
      log: silentLogger,
    })
    this.#open.push(source)
    await world.run(source.start(() => this.pinned))
    return source
  }

  async stop(source: PolicySource): Promise<void> {
    this.#open = this.#open.filter((one) => one !== source)
    await this.world.run(source.stop())
  }

  seal(
    epoch: number,
    text = POLICY,
    of: { readonly tenant?: TenantId; readonly by?: 'operator' | 'stranger' } = {},
  ): SealedBundle {
    const { tenant = ACME, by = 'operator' } = of
    const bundle = {
      v: 1,
      tenant,
      epoch,
      issued_at: this.world.clock.now(),
      policies: [platform(text)],
    } as const
    const kid = 'operator'
    return sealBundle(sha256, bundle, { kid, sign: this.world.keys.of[by].sign, delegation: null })
  }

  publish(sealed: SealedBundle): Promise<void> {
    const bytes = utf8Encode(JSON.stringify(sealedBundleJson(sealed)))
    return put(this.world.records('policies'), 'acme.newest', bytes)
  }

  async status(): Promise<PolicyStatus> {
    const stored = await this.world.records('policy_status').get('acme.gateway')
    const verified = must(
      verifyJws(new TextDecoder().decode(stored?.value), {
        typ: POLICY_STATUS_TYP,
        maxBytes: POLICY_STATUS_MAX_BYTES,
        keyFor: this.world.keys.public.keyFor({ role: 'audit', component: 'gateway' }),
      }),
    )
    return must(readShape(policyStatusShape, verified.payload))
  }

  async refusal(source: PolicySource, sealed: SealedBundle): Promise<unknown> {
    const before = source.refusals
    this.world.clock.advance(PACED_EVERY_MS)
    await this.publish(sealed)
    await this.world.until('the refusal', () => source.refusals > before)
    return this.events.at(-1)
  }
}

test('without a bundle there is no policy, and the status says so', async (t) => {
  const desk = await Desk.open(t)
  const source = await desk.source()
  assert.equal(source.inForce(ACME), undefined)
  assert.equal(source.inForce(GLOBEX), undefined)
  await desk.world.until(
    'the status',
    async () => (await desk.world.records('policy_status').list('acme')).length > 0,
  )
  const { epoch, refused } = await desk.status()
  assert.deepEqual([epoch, refused], [null, null])
})

test('a bundle of the operator is taken live, kept over a restart, and followed by the next', async (t) => {
  const desk = await Desk.open(t)
  const first = await desk.source()
  await desk.publish(desk.seal(3))
  await desk.world.until('the policy', () => first.epoch(ACME) === 3)
  assert.equal(first.inForce(ACME)?.layersFor(SCOPE).layers.length, 1)
  await desk.stop(first)
  const again = await desk.source()
  assert.equal(again.epoch(ACME), 3)
  await desk.publish(desk.seal(4, POLICY.replace('Refunds need a person', 'Refunds need a look')))
  await desk.world.until('the next', () => again.epoch(ACME) === 4)
  await desk.world.until('the status', async () => (await desk.status()).epoch === 4)
})

test('a bundle that the gateway sealed, or anybody but the operator, changes nothing [INV-36]', async (t) => {
  const desk = await Desk.open(t)
  await desk.publish(desk.seal(1))
  const source = await desk.source()
  const sign = desk.world.keys.of.grant.sign
  const bundle = {
    v: 1,
    tenant: ACME,
    epoch: 2,
    issued_at: 1,
    policies: [platform(POLICY)],
  } as const
  for (const kid of ['grant', 'operator']) {
    const event = await desk.refusal(
      source,
      sealBundle(sha256, bundle, { kid, sign, delegation: null }),
    )
    assert.deepEqual(event, [
      'policy_refused',
      { reason: 'bundle_seal', source: 'bundle', problems: 1, count: 1 },
    ])
  }
  await desk.refusal(source, desk.seal(2, POLICY, { by: 'stranger' }))
  assert.equal(source.epoch(ACME), 1)
  await desk.world.until(
    'the status',
    async () => (await desk.status()).refused?.reason === 'bundle_seal',
  )
})

test('an older epoch, the same epoch with other content, and another tenant are refused, over a restart too', async (t) => {
  const desk = await Desk.open(t)
  await desk.publish(desk.seal(5))
  await desk.stop(await desk.source())
  await desk.publish(desk.seal(4))
  const source = await desk.source()
  assert.equal(source.epoch(ACME), 5)
  assert.equal(source.refusals, 1)
  const other = POLICY.replace('Refunds need a person', 'Refunds need a look')
  for (const [sealed, reason] of [
    [desk.seal(5, other), 'bundle_conflict'],
    [desk.seal(6, POLICY, { tenant: GLOBEX }), 'bundle_other_tenant'],
    [{ ...desk.seal(6), bundle: '{}' }, 'bundle_malformed'],
    [{ ...desk.seal(6), proof: desk.seal(7).proof }, 'bundle_seal_differs'],
  ] as const) {
    const event = await desk.refusal(source, sealed)
    assert.equal((event as readonly [string, { reason: string }])[1].reason, reason)
  }
  assert.equal(source.epoch(ACME), 5)
})

test('a policy that does not load leaves the one in force, with every problem in the status', async (t) => {
  const desk = await Desk.open(t)
  await desk.publish(desk.seal(1))
  const source = await desk.source()
  await desk.refusal(source, desk.seal(2, POLICY.replace('priority = 10', 'prioritee = 10')))
  assert.equal(source.epoch(ACME), 1)
  await desk.world.until('the status', async () => (await desk.status()).refused !== null)
  const { refused, epoch } = await desk.status()
  assert.equal(epoch, 1)
  assert.match(refused?.details.join() ?? '', /policy\.toml:\d+:\d+: .*did you mean priority/)
  await desk.publish(desk.seal(2))
  await desk.world.until('the good one', () => source.epoch(ACME) === 2)
  await desk.world.until('the status', async () => (await desk.status()).refused === null)
})

test('files that do not load are said while they do not, and nothing else changes', async (t) => {
  const desk = await Desk.open(t)
  await desk.publish(desk.seal(1))
  const source = await desk.source()
  source.filesChecked(ACME, ['policy.toml:3:1: unknown key'])
  await desk.world.until('the status', async () => (await desk.status()).refused?.source === 'file')
  source.filesChecked(ACME, [])
  await desk.world.until('the status', async () => (await desk.status()).refused === null)
  assert.equal(source.epoch(ACME), 1)
})

test('a delegate seals while its time lasts, for its tenant and with its key only', async (t) => {
  const desk = await Desk.open(t)
  const source = await desk.source()
  const { stranger, operator } = desk.world.keys.of
  const now = desk.world.clock.now()
  const public_key = base64urlEncode(stranger.publicKey)
  const kid = keyIdOf('policy', stranger.publicKey)
  const good = { tenant: ACME, kid, public_key, not_before: now - 1_000, not_after: now + 60_000 }
  const sealed = (delegation: typeof good, signer = operator): SealedBundle =>
    sealBundle(
      sha256,
      { v: 1, tenant: ACME, epoch: 1, issued_at: now, policies: [platform(POLICY)] },
      {
        kid,
        sign: stranger.sign,
        delegation: signDelegation(delegation, { kid: 'operator', sign: signer.sign }),
      },
    )
  const bad = [
    sealed({ ...good, tenant: GLOBEX }),
    sealed({ ...good, not_after: now }),
    sealed({ ...good, not_before: now + 1 }),
    sealed({ ...good, not_after: now + 400 * 86_400_000 }),
    sealed({ ...good, kid: 'policy-other' }),
    sealed({ ...good, public_key: base64urlEncode(operator.publicKey) }),
    sealed(good, stranger),
  ]
  for (const one of bad) await desk.refusal(source, one)
  assert.equal(source.inForce(ACME), undefined)
  await desk.publish(sealed(good))
  await desk.world.until('the policy', () => source.epoch(ACME) === 1)
})

test('a delegation that is over by the time a bundle is first seen is refused, though the bundle is dated back', async (t) => {
  const desk = await Desk.open(t)
  const { stranger, operator } = desk.world.keys.of
  const now = desk.world.clock.now()
  const kid = keyIdOf('policy', stranger.publicKey)
  const public_key = base64urlEncode(stranger.publicKey)
  const word = { tenant: ACME, kid, public_key, not_before: now - 9_000, not_after: now - 1_000 }
  const delegation = signDelegation(word, { kid: 'operator', sign: operator.sign })
  const bundle = {
    v: 1,
    tenant: ACME,
    epoch: 1,
    issued_at: now - 5_000,
    policies: [platform(POLICY)],
  } as const
  await desk.publish(sealBundle(sha256, bundle, { kid, sign: stranger.sign, delegation }))
  const source = await desk.source()
  assert.equal(source.refusals, 1)
  assert.equal(source.inForce(ACME), undefined)
})

test('a bundle that a passkey sealed waits until an executor verified exactly that one', async (t) => {
  const desk = await Desk.open(t)
  const source = await desk.source()
  const assertion = {
    credential_id: 'AAAA',
    client_data_json: 'AAAA',
    authenticator_data: 'A'.repeat(52),
    signature: 'AAAA',
  }
  const sealed: SealedBundle = {
    ...desk.seal(1),
    proof: { kind: 'passkey', admin: 'alice', nonce: 'A'.repeat(22), assertion },
  }
  await desk.refusal(source, sealed)
  const read = must(readSealedBundle(utf8Encode(JSON.stringify(sealedBundleJson(sealed))), sha256))
  const { bundle_hash } = read
  desk.pinned = [{ epoch: 2, bundle_hash }]
  await desk.world.run(source.vouched(ACME))
  assert.equal(source.inForce(ACME), undefined)
  desk.pinned = [{ epoch: 1, bundle_hash }]
  await desk.world.run(source.vouched(ACME))
  assert.equal(source.epoch(ACME), 1)
})

test('a pin that was damaged refuses the start: without it an older bundle could come back', async (t) => {
  const desk = await Desk.open(t)
  await desk.publish(desk.seal(2))
  await desk.stop(await desk.source())
  const [file = ''] = await readdir(desk.dir)
  await writeFile(join(desk.dir, file), '{"v":1}', { mode: 0o600 })
  await assert.rejects(
    () => desk.source(),
    (error: unknown) => error instanceof FileFault && error.code === 'file_malformed',
  )
})

test('layers decide for their workspace and their agent only', async (t) => {
  const desk = await Desk.open(t)
  const deny =
    'version = 1\n[[rules]]\nid = "no"\npriority = 1\neffect = "deny"\nreason = "No"\n[rules.match]\ntool = ["**"]\n'
  const policies: readonly BundledPolicy[] = [
    platform(POLICY),
    { layer: 'workspace', scope: 'lab', file: 'workspaces/lab.toml', deflated: deflateText(deny) },
    { layer: 'agent', scope: 'bot', file: 'agents/bot.toml', deflated: deflateText(deny) },
  ]
  const { sign } = desk.world.keys.of.operator
  const bundle = { v: 1, tenant: ACME, epoch: 1, issued_at: 1, policies } as const
  await desk.publish(sealBundle(sha256, bundle, { kid: 'operator', sign, delegation: null }))
  const set = (await desk.source()).inForce(ACME)
  assert.ok(set !== undefined)
  const layers = (workspace: string, agent: string): readonly string[] =>
    set.layersFor({ workspace, agent }).layers.map(({ layer }) => layer)
  assert.deepEqual(layers('main', 'other'), ['platform'])
  assert.deepEqual(layers('lab', 'other'), ['platform', 'workspace'])
  assert.deepEqual(layers('main', 'bot'), ['platform', 'agent'])
  assert.deepEqual(layers('lab', 'bot'), ['platform', 'workspace', 'agent'])
  assert.equal(
    set.layersFor({ workspace: 'x', agent: 'y' }),
    set.layersFor({ workspace: 'z', agent: 'q' }),
  )
})

test('an epoch far ahead is taken from the root only, so that no other key can use them up', async (t) => {
  const desk = await Desk.open(t)
  await desk.publish(desk.seal(3))
  const source = await desk.source()
  const { stranger, operator } = desk.world.keys.of
  const now = desk.world.clock.now()
  const kid = keyIdOf('policy', stranger.publicKey)
  const public_key = base64urlEncode(stranger.publicKey)
  const word = { tenant: ACME, kid, public_key, not_before: now - 1, not_after: now + 60_000 }
  const delegation = signDelegation(word, { kid: 'operator', sign: operator.sign })
  const byDelegate = (epoch: number): SealedBundle =>
    sealBundle(
      sha256,
      { v: 1, tenant: ACME, epoch, issued_at: now, policies: [platform(POLICY)] },
      { kid, sign: stranger.sign, delegation },
    )
  for (const epoch of [Number.MAX_SAFE_INTEGER, 3 + 1_025]) {
    const event = await desk.refusal(source, byDelegate(epoch))
    assert.deepEqual(event, [
      'policy_refused',
      { reason: 'bundle_ahead', source: 'bundle', problems: 1, count: 1 },
    ])
  }
  await desk.publish(byDelegate(3 + 1_024))
  await desk.world.until('the delegate', () => source.epoch(ACME) === 1_027)
  await desk.publish(desk.seal(2 ** 41))
  await desk.world.until('the root', () => source.epoch(ACME) === 2 ** 41)
})

test('junk that changes without end is told at most every five seconds: the newest, and how many', async (t) => {
  const desk = await Desk.open(t)
  await desk.publish(desk.seal(3))
  const source = await desk.source()
  desk.events.length = 0
  const junk = async (n: number): Promise<void> => {
    await put(desk.world.records('policies'), 'acme.newest', utf8Encode(`junk ${n}`))
    await desk.world.until('the refusal', () => source.refusals === n, 0)
  }
  for (let n = 1; n <= 20; n += 1) await junk(n)
  await desk.publish(desk.seal(2))
  await desk.world.until('the last one', () => source.refusals === 21, 0)
  const event = (reason: string, count: number): unknown => [
    'policy_refused',
    { reason, source: 'bundle', problems: 1, count },
  ]
  assert.deepEqual(desk.events, [event('bundle_malformed', 1)])
  desk.world.clock.advance(PACED_EVERY_MS)
  assert.deepEqual(desk.events.slice(1), [event('bundle_old', 20)])
  desk.world.clock.advance(2 * PACED_EVERY_MS)
  await junk(22)
  await junk(23)
  await desk.publish(desk.seal(4))
  await desk.world.until('the next policy', () => source.epoch(ACME) === 4)
  assert.deepEqual(
    desk.events.slice(2).map(([type]) => type),
    ['policy_refused', 'policy_refused', 'policy_loaded'],
    'what was refused before is told before',
  )
})

test('a bundle that a passkey sealed before the one in force was made does not come after it', async (t) => {
  const desk = await Desk.open(t)
  const before = desk.world.clock.now() - 1_000
  await desk.publish(desk.seal(3))
  const source = await desk.source()
  const assertion = {
    credential_id: 'AAAA',
    client_data_json: 'AAAA',
    authenticator_data: 'A'.repeat(52),
    signature: 'AAAA',
  }
  const passkey = (epoch: number, issued_at: number): SealedBundle => {
    const { sign } = desk.world.keys.of.operator
    const bundle = { v: 1, tenant: ACME, epoch, issued_at, policies: [platform(POLICY)] } as const
    const sealed = sealBundle(sha256, bundle, { kid: 'operator', sign, delegation: null })
    return {
      ...sealed,
      proof: { kind: 'passkey', admin: 'alice', nonce: 'A'.repeat(22), assertion },
    }
  }
  const vouch = (sealed: SealedBundle): void => {
    const read = readSealedBundle(utf8Encode(JSON.stringify(sealedBundleJson(sealed))), sha256)
    const { bundle, bundle_hash } = must(read)
    desk.pinned = [{ epoch: bundle.epoch, bundle_hash }]
  }
  const hoarded = passkey(5, before)
  vouch(hoarded)
  const event = await desk.refusal(source, hoarded)
  assert.deepEqual(event, [
    'policy_refused',
    { reason: 'bundle_old', source: 'bundle', problems: 1, count: 1 },
  ])
  const ahead = passkey(3 + 65, desk.world.clock.now())
  vouch(ahead)
  await desk.refusal(source, ahead)
  const fresh = passkey(4, desk.world.clock.now())
  vouch(fresh)
  await desk.publish(fresh)
  await desk.world.until('the fresh one', () => source.epoch(ACME) === 4)
})
