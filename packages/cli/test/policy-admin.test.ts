import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  bundleText,
  type PolicyBundle,
  parseTenantId,
  type SealedBundle,
  sealBundle,
  sealedBundleJson,
  signJws,
  type TenantId,
  TOOL_REGISTRY_TYP,
  utf8Encode,
} from '@trustgw/protocol'
import {
  deflateText,
  generateSigningKey,
  MemoryBroker,
  PublicKeys,
  type RecordStore,
  sha256,
  silentLogger,
} from '@trustgw/runtime'
import { PolicyAdmin } from '../src/policy/policy-admin.ts'

const tenant = parseTenantId('acme')
assert.ok(tenant.ok)
const TENANT: TenantId = tenant.value
const FILE = { layer: 'platform', scope: null, file: 'policy.toml', text: 'version = 1\n' } as const
const ASSERTION = {
  credential_id: 'AAAA',
  client_data_json: 'AAAA',
  authenticator_data: 'A'.repeat(52),
  signature: 'AAAA',
}

/** An operator's hand on a bus in memory, and what else writes there. */
class Desk {
  readonly #operator = generateSigningKey()
  readonly #executor = generateSigningKey()
  readonly #link = new MemoryBroker({ logger: silentLogger }).link()
  readonly sealer = { kid: 'operator', sign: this.#operator.sign, delegation: null } as const
  readonly admin = new PolicyAdmin(
    this.#link,
    new PublicKeys([
      {
        kid: 'operator',
        role: 'operator',
        component: 'operator',
        publicKey: this.#operator.publicKey,
      },
      {
        kid: 'result',
        role: 'result',
        component: 'exec-connector',
        publicKey: this.#executor.publicKey,
      },
    ]),
    TENANT,
  )
  readonly policies: RecordStore = this.#link.records({ home: 'own', bucket: 'policies' })

  /** A bundle under an epoch, as a passkey sealed it in the portal. */
  async byPasskey(epoch: number): Promise<PolicyBundle> {
    const { text, ...named } = FILE
    const policies = [{ ...named, deflated: deflateText(`${text}# by Ann\n`) }]
    const bundle: PolicyBundle = { v: 1, tenant: TENANT, epoch, issued_at: 1, policies }
    const sealed: SealedBundle = {
      ...sealBundle(sha256, bundle, this.sealer),
      proof: { kind: 'passkey', admin: 'ann', nonce: 'n'.repeat(22), assertion: ASSERTION },
    }
    await this.policies.create(`acme.e${epoch}`, json(sealed))
    return bundle
  }

  /** An executor says what it verified. */
  async pin(bundle: PolicyBundle, as: { readonly tenant?: string; readonly key?: string } = {}) {
    const { tenant: of = 'acme', key = 'acme.connector' } = as
    const payload = {
      v: 1,
      tenant: of,
      profile: 'connector',
      published_at: 1,
      bundles: [],
      tools: [],
      agents: [],
      policy: { epoch: bundle.epoch, bundle_hash: bundleText(sha256, bundle).bundle_hash },
    }
    const token = signJws({ typ: TOOL_REGISTRY_TYP, kid: 'result', payload }, this.#executor.sign)
    const tools = this.#link.records({ home: 'own', bucket: 'tools' })
    await tools.create(key, utf8Encode(token))
  }

  async epochs(): Promise<readonly string[]> {
    const known = await this.admin.history()
    return known.map(({ bundle, by }) => `${bundle.epoch} ${by}`)
  }
}

const json = (sealed: SealedBundle): Uint8Array =>
  utf8Encode(JSON.stringify(sealedBundleJson(sealed)))

test('a bundle that a passkey just sealed is never written over: the next epoch is taken', async () => {
  const desk = new Desk()
  await desk.admin.publish([FILE], desk.sealer)
  const ann = await desk.byPasskey(2)
  const before = await desk.policies.get('acme.e2')
  const { bundle } = await desk.admin.publish([FILE], desk.sealer)
  assert.equal(bundle.epoch, 3)
  assert.deepEqual(await desk.policies.get('acme.e2'), before)
  assert.deepEqual(await desk.epochs(), ['3 operator', '1 operator'], 'nobody vouches for it yet')
  await desk.pin(ann)
  assert.deepEqual(await desk.epochs(), ['3 operator', '2 passkey of ann', '1 operator'])
})

test('what nobody vouches for stops no policy: junk under the next epoch is written over', async () => {
  const desk = new Desk()
  await desk.policies.create('acme.e1', utf8Encode('junk'))
  const { bundle, by } = await desk.admin.publish([FILE], desk.sealer)
  assert.deepEqual([bundle.epoch, by], [1, 'operator'])
  assert.deepEqual(await desk.epochs(), ['1 operator'])
})

test('only an executor of the tenant, under its own name, vouches for a passkey', async () => {
  const desk = new Desk()
  const ann = await desk.byPasskey(1)
  await desk.pin(ann, { tenant: 'globex' })
  await desk.pin(ann, { key: 'acme.shell' })
  await desk.pin(ann, { key: 'acme.Not-A-Profile' })
  assert.deepEqual(await desk.epochs(), [])
})

test('files that are too long together are not sealed', async () => {
  const desk = new Desk()
  const text = `${FILE.text}#${'x'.repeat(2_000_000)}\n`
  const files = Array.from({ length: 9 }, (_, n) => ({
    ...FILE,
    layer: 'agent' as const,
    scope: `bot-${n}`,
    text,
  }))
  await assert.rejects(desk.admin.publish(files, desk.sealer), { code: 'bundle_too_large' })
  assert.ok(await desk.admin.isEmpty())
})
