import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { HostKey } from '@trustgw/host'
import {
  type ActionId,
  actionId,
  approvalStatement,
  base64urlEncode,
  bundleText,
  canonicalize,
  contractHash,
  isJsonArray,
  isJsonObject,
  type Json,
  type PinnedPolicy,
  POLICY_STATUS_TYP,
  type PolicyBundle,
  type PolicyStatement,
  type PolicyStatus,
  policyStatement,
  policyStatusJson,
  readSealedBundle,
  type SignedStatement,
  sealBundle,
  sealedBundleJson,
  signDelegation,
  signJws,
  statementHash,
  TOOL_REGISTRY_TYP,
  type ToolContract,
  toolRegistryJson,
  utf8Encode,
} from '@trustgw/protocol'
import {
  deflateText,
  generateSigningKey,
  inflateText,
  keyIdOf,
  nodeRandom,
  type RecordStore,
  sha256,
} from '@trustgw/runtime'
import type { SoftwarePasskey, Twist } from './support/authenticator.ts'
import {
  type Answer,
  approvalRequest,
  ask,
  at,
  CONTRACT,
  enrol,
  newKey,
  type SignedIn,
  startWorld,
  TENANT,
  tenantOf,
  text,
  type World,
} from './support/world.ts'

const PLATFORM = {
  layer: 'platform',
  scope: null,
  file: 'policy.toml',
  text: 'version = 1\n# ünïcode\n',
} as const

function bundleOf(epoch: number, change: Partial<PolicyBundle> = {}): PolicyBundle {
  const { text: policy, ...rest } = PLATFORM
  const policies = [{ ...rest, deflated: deflateText(policy) }]
  return { v: 1, tenant: TENANT, epoch, issued_at: 1_000, policies, ...change }
}

function challengeOf(statement: SignedStatement): string {
  const hash = statementHash(sha256, statement).slice('sha256:'.length)
  return Buffer.from(hash, 'hex').toString('base64url')
}

const signStatus = (status: PolicyStatus, { kid, sign }: HostKey): string =>
  signJws({ typ: POLICY_STATUS_TYP, kid, payload: policyStatusJson(status) }, sign)

async function put(store: RecordStore, key: string, value: Uint8Array): Promise<void> {
  const known = await store.get(key)
  const written =
    known === undefined
      ? await store.create(key, value)
      : await store.replace(key, value, known.revision)
  assert.ok(written.ok)
}

describe('policy on the host', () => {
  let world: World
  let ann: SignedIn
  let bob: SignedIn
  let stores: {
    policies: RecordStore
    status: RecordStore
    tools: RecordStore
    actions: RecordStore
  }
  before(async () => {
    world = await startWorld()
    ann = await enrol(world, 'ann', ['admin', 'approver'])
    bob = await enrol(world, 'bob', ['approver'])
    const records = (bucket: string): RecordStore =>
      world.gateway.link.records({ home: 'data', bucket })
    stores = {
      policies: records('policies'),
      status: records('policy_status'),
      tools: records('tools'),
      actions: records('actions'),
    }
  })
  after(async () => {
    await world.stop()
  })

  const get = (path: string, who: SignedIn = ann): Promise<Answer> =>
    world.call('GET', path, { cookies: who.cookies })

  async function putBundle(bundle: PolicyBundle, signer = world.signers.operator): Promise<string> {
    const sealed = sealBundle(sha256, bundle, { ...signer, delegation: null })
    await put(
      stores.policies,
      `${TENANT}.newest`,
      utf8Encode(canonicalize(sealedBundleJson(sealed))),
    )
    return bundleText(sha256, bundle).bundle_hash
  }

  const begin = (who: SignedIn = ann, policies: readonly object[] = [PLATFORM]): Promise<Answer> =>
    world.call('POST', '/api/policy/challenge', { body: { policies }, cookies: who.cookies })

  function signed(
    begun: Answer,
    options: {
      readonly passkey?: SoftwarePasskey
      readonly twist?: Twist
      readonly change?: Partial<PolicyStatement>
    } = {},
  ): unknown {
    const statement = {
      ...(JSON.parse(canonicalize(at(begun.json, 'statement'))) as PolicyStatement),
      ...options.change,
    }
    return (options.passkey ?? ann.approval).assert(challengeOf(statement), options.twist)
  }

  const apply = (begun: Answer, assertion: unknown, who: SignedIn = ann): Promise<Answer> =>
    world.call('POST', '/api/policy/apply', {
      body: { nonce: text(begun.json, 'nonce'), assertion },
      cookies: who.cookies,
    })

  const sealedBy = async (): Promise<string> =>
    text((await get('/api/policy')).json, 'in_force', 'sealed_by')

  it('shows and takes nothing without a session', async () => {
    for (const path of ['/api/policy', '/api/policy/status', '/api/policy/recorded']) {
      assert.equal((await world.call('GET', path)).status, 401, path)
    }
    for (const path of ['/api/policy/challenge', '/api/policy/apply']) {
      assert.equal((await world.call('POST', path, { body: {} })).status, 401, path)
    }
  })

  it('says that no policy is in force, and that nobody has spoken', async () => {
    const { json } = await get('/api/policy')
    assert.deepEqual(json, {
      in_force: null,
      unreadable: false,
      gateway: null,
      executors: [],
      policies: [],
      tools: [],
    })
  })

  it('shows the newest bundle with the text of its policies and whose seal it has', async () => {
    const hash = await putBundle(bundleOf(1))
    const { json } = await get('/api/policy', bob)
    const summary = { epoch: 1, bundle_hash: hash, issued_at: 1_000, sealed_by: 'operator' }
    assert.deepEqual(json['in_force'], summary)
    assert.deepEqual(json['policies'], [{ ...PLATFORM }])
    const status = await get('/api/policy/status')
    assert.deepEqual(status.json['in_force'], summary)
    assert.equal(status.json['policies'], undefined)
  })

  it('says so when nobody known vouches for the newest bundle, and builds nothing on it', async () => {
    await putBundle(bundleOf(2), newKey('operator'))
    assert.equal(await sealedBy(), 'unverified:bundle_seal')
    const begun = await begin()
    assert.equal(begun.status, 409)
    assert.equal(begun.json['code'], 'policy_unverified')
    await put(stores.policies, `${TENANT}.newest`, utf8Encode('{}'))
    const { json } = await get('/api/policy')
    assert.equal(json['unreadable'], true)
    assert.equal(json['in_force'], null)
    assert.equal((await begin()).json['code'], 'policy_unverified')
    await putBundle(bundleOf(1, { tenant: tenantOf('globex') }))
    assert.equal((await get('/api/policy')).json['unreadable'], true)
  })

  it('vouches for a passkey only of an admin, with the key that is known here', async () => {
    const nonce = 'n'.repeat(43)
    const seal = async (admin: string, passkey: SoftwarePasskey, over = admin): Promise<string> => {
      const bundle = bundleOf(1)
      const { text: bytes, bundle_hash } = bundleText(sha256, bundle)
      const statement = policyStatement({ bundle, bundle_hash }, { admin: over, nonce })
      const { id, response } = passkey.assert(challengeOf(statement)) as {
        readonly id: string
        readonly response: Readonly<Record<string, string>>
      }
      const assertion = {
        credential_id: id,
        client_data_json: response['clientDataJSON'] ?? '',
        authenticator_data: response['authenticatorData'] ?? '',
        signature: response['signature'] ?? '',
      }
      const proof = { kind: 'passkey', admin, nonce, assertion } as const
      const sealed = sealedBundleJson({ v: 1, bundle: bytes, proof })
      await put(stores.policies, `${TENANT}.newest`, utf8Encode(canonicalize(sealed)))
      return await sealedBy()
    }
    assert.equal(await seal('ann', ann.approval), 'passkey:ann')
    assert.equal(await seal('bob', bob.approval), 'unverified:not_an_admin')
    assert.equal(await seal('ann', bob.approval), 'unverified:passkey_unknown')
    assert.equal(await seal('ann', ann.login), 'unverified:passkey_unknown')
    assert.equal(await seal('ann', ann.approval, 'eve'), 'unverified:bundle_passkey')
    assert.equal(await seal('eve', ann.approval), 'unverified:person_unknown')
    await putBundle(bundleOf(1))
  })

  it('shows the status of the gateway only with the signature of its audit key', async () => {
    const { gatewayAudit, operator } = world.signers
    const status: PolicyStatus = {
      v: 1,
      tenant: TENANT,
      epoch: 1,
      bundle_hash: bundleText(sha256, bundleOf(1)).bundle_hash,
      refused: {
        at: 5,
        reason: 'policy_refused',
        details: ['policy.toml:3:1: what is this'],
        source: 'file',
      },
      at: 6,
    }
    const key = `${TENANT}.gateway`
    await put(stores.status, key, utf8Encode(signStatus(status, gatewayAudit)))
    const { json } = await get('/api/policy/status')
    assert.deepEqual(at(json, 'gateway', 'refused'), { ...status.refused })
    assert.equal(at(json, 'gateway', 'epoch'), 1)
    for (const token of [
      signStatus(status, operator),
      signStatus({ ...status, tenant: tenantOf('globex') }, gatewayAudit),
      signJws({ ...gatewayAudit, typ: POLICY_STATUS_TYP, payload: { v: 1 } }, gatewayAudit.sign),
    ]) {
      await put(stores.status, key, utf8Encode(token))
      assert.equal((await get('/api/policy/status')).json['gateway'], null)
    }
  })

  const publishTools = async (
    tools: readonly ToolContract[],
    signer = world.signers.executor,
    policy: PinnedPolicy = {
      epoch: 1,
      bundle_hash: bundleText(sha256, bundleOf(1)).bundle_hash,
    },
  ) => {
    const payload = toolRegistryJson({
      v: 1,
      tenant: TENANT,
      profile: CONTRACT.profile,
      published_at: 1,
      agents: [],
      bundles: [],
      tools,
      policy,
    })
    const token = signJws({ typ: TOOL_REGISTRY_TYP, kid: signer.kid, payload }, signer.sign)
    await put(stores.tools, `${TENANT}.${CONTRACT.profile}`, utf8Encode(token))
  }
  const served: ToolContract = { ...CONTRACT, digest: `sha256:${'ab'.repeat(32)}` }

  it('shows what executors serve and pinned, only over their own signature', async () => {
    await publishTools([served])
    const { json } = await get('/api/policy')
    const { id, title, operation, category, tags, bundle, amount } = served
    assert.deepEqual(json['tools'], [{ id, title, operation, category, tags, bundle, amount }])
    assert.deepEqual(at(json, 'executors'), [
      {
        profile: 'connector',
        policy: { epoch: 1, bundle_hash: bundleText(sha256, bundleOf(1)).bundle_hash },
      },
    ])
    await publishTools([served], world.signers.gatewayAudit)
    assert.deepEqual((await get('/api/policy')).json['executors'], [])
  })

  it("vouches for a delegate's bundle in the delegate's time, later only for what an executor took up", async () => {
    const now = world.clock.now()
    const { publicKey, sign } = generateSigningKey()
    const kid = keyIdOf('policy', publicKey)
    const public_key = base64urlEncode(publicKey)
    const offer = async (epoch: number, not_after: number): Promise<PolicyBundle> => {
      const word = { tenant: TENANT, kid, public_key, not_before: now - 2_000, not_after }
      const delegation = signDelegation(word, world.signers.operator)
      const bundle = bundleOf(epoch, { issued_at: now - 1_000 })
      const sealed = sealBundle(sha256, bundle, { kid, sign, delegation })
      const bytes = utf8Encode(canonicalize(sealedBundleJson(sealed)))
      await put(stores.policies, `${TENANT}.newest`, bytes)
      return bundle
    }
    await offer(2, now + 3_600_000)
    assert.equal(await sealedBy(), 'delegate')
    const late = await offer(3, now)
    assert.equal(await sealedBy(), 'unverified:bundle_delegation')
    assert.equal((await begin()).json['code'], 'policy_unverified')
    const { bundle_hash } = bundleText(sha256, late)
    await publishTools([served], world.signers.executor, { epoch: 3, bundle_hash })
    assert.equal(await sealedBy(), 'delegate')
    await offer(4, now)
    assert.equal(await sealedBy(), 'unverified:bundle_delegation', 'not one beside it')
    await putBundle(bundleOf(1))
  })

  describe('recorded proposals', () => {
    const recorded = async (
      change: { readonly contract?: ToolContract; readonly id?: ActionId } = {},
    ): Promise<string> => {
      const contract = change.contract ?? served
      const id = change.id ?? actionId(nodeRandom.bytes(16))
      const { decision } = approvalRequest(world, { id })
      const { obligations, ...rest } = decision
      const value = {
        v: 1,
        proposal: {
          action_id: id,
          trace: 'trc',
          tenant: TENANT,
          workspace: 'default',
          source: 'mcp',
          principal: { ...decision.principal },
          auth_level: 1,
          on_behalf_of: null,
          tool_id: contract.id,
          arguments: { order: 'o-1' },
          input_hash: decision.input_hash,
          client_key: null,
          received_at: decision.decided_at,
        },
        tool: { contract_hash: 'x', operation: 'transfer', amount: '25.00 EUR' },
        state: { anything: [1, 2] },
        decision: {
          ...rest,
          contract_hash: contractHash(sha256, contract),
          principal: { ...decision.principal },
          obligations: {
            ...obligations,
            approvers: [{ roles: [], quorum: 1 }],
            channels: [],
          },
          facts: [],
          unknown: [],
        },
      }
      await put(stores.actions, `${TENANT}.${id}`, utf8Encode(canonicalize(value)))
      return id
    }

    const list = async (query = ''): Promise<readonly Json[]> => {
      const { json } = await get(`/api/policy/recorded${query}`)
      const { actions } = json
      assert.ok(actions !== undefined && isJsonArray(actions))
      return actions
    }
    const idsOf = (actions: readonly Json[]): readonly unknown[] =>
      actions.map((one) => (isJsonObject(one) ? one['action_id'] : undefined))

    before(async () => {
      await publishTools([served])
    })

    it('are listed newest first, with arguments, decision and the tool as it was decided about', async () => {
      const first = await recorded()
      const second = await recorded({ contract: { ...served, description: 'Was another.' } })
      const actions = await list()
      assert.deepEqual(idsOf(actions).slice(0, 2), [second, first])
      const [changed, same] = actions
      assert.equal(at(changed ?? null, 'tool'), null)
      assert.equal(text(same ?? null, 'tool', 'id'), served.id)
      assert.deepEqual(at(same ?? null, 'arguments'), { order: 'o-1' })
      assert.equal(text(same ?? null, 'decision', 'rule_id'), 'refunds')
    })

    it('know a tool that changed since from the approval that was asked for', async () => {
      const old = { ...CONTRACT }
      const request = approvalRequest(world)
      assert.equal((await ask(world, request))['status'], 'stored')
      await recorded({ contract: old, id: request.action_id })
      assert.equal(text((await list())[0] ?? null, 'tool', 'id'), CONTRACT.id)
    })

    it('are bounded, keep other tenants out, and leave out what cannot be read', async () => {
      const mine = await recorded()
      await put(stores.actions, `globex.${mine}`, utf8Encode('{}'))
      await put(stores.actions, `${TENANT}.odd`, utf8Encode('{"v":1}'))
      const one = await get('/api/policy/recorded?limit=1')
      assert.deepEqual(idsOf(one.json['actions'] as readonly Json[]), [mine])
      assert.equal(one.json['truncated'], true)
      assert.equal((await get('/api/policy/recorded')).json['truncated'], false)
      for (const limit of ['0', '501', '-1', 'x', '1e2']) {
        assert.equal((await get(`/api/policy/recorded?limit=${limit}`)).status, 400, limit)
      }
    })

    it('are for admins only', async () => {
      const { status, json } = await get('/api/policy/recorded', bob)
      assert.equal(status, 403)
      assert.equal(json['code'], 'role_missing')
    })
  })

  describe('applying', () => {
    beforeEach(async () => {
      const newest = await stores.policies.get(`${TENANT}.newest`)
      const read = newest === undefined ? undefined : readSealedBundle(newest.value, sha256)
      if (read?.ok !== true || read.value.bundle.tenant !== TENANT) await putBundle(bundleOf(1))
    })

    const refusedWith = async (answer: Promise<Answer>, code: string): Promise<void> => {
      const known = await stores.policies.get(`${TENANT}.newest`)
      const { json } = await answer
      assert.equal(json['code'], code)
      const now = await stores.policies.get(`${TENANT}.newest`)
      assert.equal(now?.revision, known?.revision, 'nothing was written')
    }

    it('stores the bundle under its epoch and as the newest, sealed by the passkey', async () => {
      const begun = await begin()
      assert.equal(begun.status, 200, begun.text)
      const done = await apply(begun, signed(begun))
      assert.equal(done.status, 200, done.text)
      const epoch = Number(done.json['epoch'])
      const newest = await stores.policies.get(`${TENANT}.newest`)
      const archived = await stores.policies.get(`${TENANT}.e${epoch}`)
      assert.deepEqual(newest?.value, archived?.value)
      const read = readSealedBundle(newest?.value ?? new Uint8Array(), sha256)
      assert.ok(read.ok)
      assert.equal(read.value.bundle.epoch, epoch)
      assert.equal(read.value.bundle_hash, text(begun.json, 'bundle_hash'))
      assert.equal(inflateText(read.value.bundle.policies[0]?.deflated ?? ''), PLATFORM.text)
      assert.equal(read.value.proof.kind, 'passkey')
      assert.equal(await sealedBy(), 'passkey:ann')
      const types = world.audit.map(({ type }) => type)
      assert.deepEqual(types.slice(-2), ['policy_sealed', 'policy_applied'])
    })

    it('goes on from a bundle that a passkey sealed, one epoch each', async () => {
      const epochs: number[] = []
      for (let round = 0; round < 2; round += 1) {
        const begun = await begin()
        epochs.push(Number((await apply(begun, signed(begun))).json['epoch']))
      }
      const [first = 0, second = 0] = epochs
      assert.equal(second, first + 1)
    })

    it('is for admins with an approval passkey', async () => {
      const answer = await begin(bob)
      assert.equal(answer.status, 403)
      assert.equal(answer.json['code'], 'role_missing')
    })

    it('refuses a signature over anything else, and one by another passkey', async () => {
      const twists: readonly (readonly [string, Parameters<typeof signed>[1]])[] = [
        ['the login passkey', { passkey: ann.login }],
        ["another person's passkey", { passkey: bob.approval }],
        ['another bundle', { change: { bundle_hash: `sha256:${'00'.repeat(32)}` as never } }],
        ['another epoch', { change: { epoch: 99 } }],
        ['another admin', { change: { admin: 'bob' } }],
        ['another nonce', { change: { nonce: 'A'.repeat(43) } }],
        ['another kind of statement', { change: { typ: 'trustgw/login/1' as never } }],
        ['no user verification', { twist: { userVerified: false } }],
        ['another origin', { twist: { origin: 'https://evil.example' } }],
        ['a framed page', { twist: { crossOrigin: true } }],
        ['a registration', { twist: { type: 'webauthn.create' } }],
        ['a broken signature', { twist: { flipSignature: true } }],
      ]
      for (const [what, options] of twists) {
        const begun = await begin()
        const assertion = signed(begun, options)
        await refusedWith(apply(begun, assertion), 'seal_refused').catch((error: unknown) => {
          throw new Error(what, { cause: error })
        })
      }
      assert.equal(world.audit.at(-1)?.type, 'policy_seal_refused')
    })

    it('refuses the assertion of a login and of an approval', async () => {
      const login = await world.call('POST', '/api/login/begin', { body: {} })
      const begun = await begin()
      const loginAssertion = ann.login.assert(text(login.json, 'options', 'challenge'))
      await refusedWith(apply(begun, loginAssertion), 'seal_refused')
      const request = approvalRequest(world)
      assert.equal((await ask(world, request))['status'], 'stored')
      const asked = await world.call('POST', `/api/approvals/${request.action_id}/begin`, {
        body: {},
        cookies: ann.cookies,
      })
      const statement = approvalStatement(
        request,
        { ...request, ...request.decision },
        {
          approver: 'ann',
          verdict: 'approve',
          nonce: text(asked.json, 'nonce'),
          decide_by: request.decide_by,
          run_by: request.run_by,
        },
      )
      const again = await begin()
      await refusedWith(apply(again, ann.approval.assert(challengeOf(statement))), 'seal_refused')
      const sealing = await begin()
      const approved = await world.call('POST', `/api/approvals/${request.action_id}/approve`, {
        body: { nonce: text(asked.json, 'nonce'), assertion: signed(sealing) },
        cookies: ann.cookies,
      })
      assert.equal(approved.json['code'], 'assertion_refused', 'nor the other way round')
    })

    it('takes each challenge once, in its own session, in its time', async () => {
      const begun = await begin()
      const assertion = signed(begun)
      const amy = await enrol(world, 'amy', ['admin'])
      await refusedWith(apply(begun, assertion, amy), 'ceremony_unknown')
      await refusedWith(apply(begun, assertion), 'ceremony_unknown')
      const late = await begin()
      world.clock.advance(5 * 60_000)
      await refusedWith(apply(late, signed(late)), 'ceremony_unknown')
    })

    it('lets the first of two win, and what somebody else wrote meanwhile stand', async () => {
      const mine = await begin()
      const theirs = await begin()
      assert.equal((await apply(theirs, signed(theirs))).status, 200)
      await refusedWith(apply(mine, signed(mine)), 'policy_changed')
    })

    it('never uses an epoch again whose archive somebody claimed', async () => {
      const begun = await begin()
      const { epoch } = JSON.parse(text(begun.json, 'bundle')) as PolicyBundle
      await put(stores.policies, `${TENANT}.e${epoch}`, utf8Encode('{}'))
      await refusedWith(apply(begun, signed(begun)), 'policy_changed')
      const again = JSON.parse(text((await begin()).json, 'bundle')) as PolicyBundle
      assert.equal(again.epoch, epoch + 1)
    })

    it('writes nothing that cannot be recorded', async () => {
      const begun = await begin()
      world.auditDown = true
      await refusedWith(apply(begun, signed(begun)), 'bus_unavailable')
      world.auditDown = false
    })

    it('refuses what does not fit a bundle, and a body that is something else', async () => {
      const noise = nodeRandom.bytes(700_000)
      const big = { ...PLATFORM, text: `# ${Buffer.from(noise).toString('base64')}` }
      assert.equal((await begin(ann, [big])).json['code'], 'policy_too_large')
      for (const policies of [
        [],
        [{ ...PLATFORM, layer: 'galaxy' }],
        [{ ...PLATFORM, more: 1 }],
        [{ ...PLATFORM, scope: 'a b' }],
      ]) {
        assert.equal((await begin(ann, policies)).json['code'], 'body_invalid')
      }
    })
  })
})
