import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startShop } from '@trustgw/example-shop'
import {
  type ActionId,
  asObject,
  type Hash,
  parseJson,
  preconditionHash,
  preconditionValue,
  RESULT_MAX_BYTES,
  RESULT_TYP,
  readShape,
  subject,
  TOOL_REGISTRY_MAX_BYTES,
  TOOL_REGISTRY_TYP,
  type ToolContract,
  toolRegistryShape,
  verifyJws,
} from '@trustgw/protocol'
import {
  BusFault,
  type BusLink,
  connectNats,
  nodeRandom,
  sha256,
  silentLogger,
  startBeats,
  systemClock,
  verifierOf,
} from '@trustgw/runtime'
import { type BusWorld, startBusWorld } from '@trustgw/testkit/bus-world'
import { publishBundle } from '@trustgw/testkit/seal-policy'
import { pinFirst, runExecutor } from '../src/index.ts'
import { ROOT, SHOP_KEY, tempDir, until } from './support/connectors.ts'
import { POLICY } from './support/policy.ts'
import { bytesOf, NOW, PROFILE, REFUND, TENANT, World } from './support/world.ts'

const ARGUMENTS = '{"amount":"250.00","currency":"EUR","order_id":"ord_1001","reason":"broken"}'

/** What a person would have been shown of the order, as the contract of the refund binds it. */
async function readNow({ precondition: rule }: ToolContract, url: string): Promise<Hash> {
  const args = parseJson(ARGUMENTS)
  const response = await fetch(`${url}/v1/orders/ord_1001`, {
    headers: { authorization: `Bearer ${SHOP_KEY}` },
  })
  const order = parseJson(await response.text())
  assert.ok(args.ok && order.ok && rule !== null)
  const found = preconditionValue(rule, args.value, order.value)
  assert.ok(found.ok)
  return preconditionHash(sha256, found.value)
}

function link(world: BusWorld, creds: BusWorld['creds']['gateway']): Promise<BusLink> {
  return connectNats({ servers: [world.url], creds, logger: silentLogger, random: nodeRandom })
}

test('on a real bus, an approved refund runs at the shop once; a new policy is pinned at once', async () => {
  const bus = await startBusWorld({ tenants: [TENANT], profiles: [PROFILE] })
  const dir = await tempDir()
  const shop = await startShop({ stateDir: join(dir.path, 'shop'), apiKey: SHOP_KEY })
  const before = shop.ledger().length
  const gateway = await link(bus, bus.creds.gateway)
  const executor = await link(bus, bus.executor(PROFILE))
  const host = await link(bus, bus.creds.host)
  const draft = new World(REFUND, { gateway, executor })
  const operator = await link(bus, bus.creds.provisionData)
  const policies = operator.records({ home: 'own', bucket: 'policies' })
  await publishBundle(policies, TENANT, draft.bundle)
  const executorDir = join(dir.path, 'executor')
  const connectors = join(dir.path, 'connectors')
  await mkdir(executorDir)
  await mkdir(connectors)
  const manifest = await readFile(join(ROOT, 'examples/connectors/shop.toml'), 'utf8')
  await writeFile(
    join(connectors, 'shop.toml'),
    manifest.replace(/base_url {4}= ".*"/, `base_url = "${shop.url}"`),
  )
  const allow = '{ tenant = "*", issuer = "*", client = "*", subject = "*" }'
  await writeFile(
    join(executorDir, 'credentials.toml'),
    `version = 1\n[credentials.shop]\nsecret = "${SHOP_KEY}"\nallow = [${allow}]\n`,
    { mode: 0o600 },
  )
  await pinFirst(join(executorDir, 'pins.json'), draft.pin())
  const running = await runExecutor(
    {
      profile: PROFILE,
      tenants: [TENANT],
      state_dir: dir.path,
      executor_dir: executorDir,
      connectors_dir: connectors,
      modules_dir: ROOT,
      instance: '1',
      result_max_bytes: 100_000,
      tool_timeout_ms: 5_000,
      max_running: 8,
      development_policy: false,
    },
    {
      link: executor,
      trust: draft.trust,
      keySet: { epoch: 1, refresh: () => Promise.resolve(), onNews: () => () => undefined },
      resultKey: { kid: 'result-1', sign: draft.resultKey.sign },
      auditKey: { kid: 'exec-audit-1', sign: draft.execAuditKey.sign },
      clock: { ...systemClock, now: () => NOW },
      random: nodeRandom,
      logger: silentLogger,
    },
  )
  const stopBeats = startBeats({
    component: 'host',
    instance: '1',
    key: { kid: 'host-1', sign: draft.hostKey.sign },
    bus: host.bus,
    clock: { ...systemClock, now: () => NOW },
    keySetEpoch: () => 1,
    freezeCount: () => ({}),
  })
  try {
    const tools = gateway.records({ home: 'data', bucket: 'tools' })
    while ((await tools.get(`${TENANT}.${PROFILE}`)) === undefined) await systemClock.sleep(20)
    const record = await tools.get(`${TENANT}.${PROFILE}`)
    const resultKey = verifierOf(draft.resultKey.publicKey)
    const keyFor = (): typeof resultKey => resultKey
    const signed = verifyJws(new TextDecoder().decode(record?.value), {
      typ: TOOL_REGISTRY_TYP,
      maxBytes: TOOL_REGISTRY_MAX_BYTES,
      keyFor,
    })
    assert.ok(signed.ok)
    const registry = readShape(toolRegistryShape, signed.value.payload)
    const contract = registry.ok
      ? registry.value.tools.find(({ id }) => id === 'shop.refund')
      : undefined
    assert.ok(contract !== undefined)
    Object.assign(draft, { contract, precondition: await readNow(contract, shop.url) })

    const action = await draft.granted({
      tier: 2,
      arguments: ARGUMENTS,
    })
    const target = subject('exec_invoke', { tenant: TENANT, profile: PROFILE })
    const ask = async (): Promise<unknown> => {
      const answer = parseJson(
        await gateway.bus.request(target, bytesOf(action), { timeoutMs: 5_000 }),
      )
      return answer.ok ? answer.value : answer
    }
    const results: unknown[] = []
    const consumer = gateway
      .consumer({ home: 'data', stream: 'RESULTS', durable: 'gateway' })
      .consume(async ({ data }) => {
        const result = verifyJws(new TextDecoder().decode(data), {
          typ: RESULT_TYP,
          maxBytes: RESULT_MAX_BYTES,
          keyFor,
        })
        results.push(result.ok ? result.value.payload['outcome'] : result.reason)
        return await Promise.resolve('ack' as const)
      })
    assert.deepEqual(await ask(), { status: 'claimed' })
    await until(() => results.length === 1)
    assert.deepEqual(results, ['succeeded'])
    assert.deepEqual(await ask(), { status: 'claimed' })
    assert.equal(shop.ledger().length, before + 1)
    const query = async (kind: 'exec_cancel' | 'exec_reconcile', id: ActionId) => {
      const to = subject(kind, { tenant: TENANT, profile: PROFILE })
      const data = new TextEncoder().encode(JSON.stringify({ v: 1, action_id: id }))
      const said = parseJson(await gateway.bus.request(to, data, { timeoutMs: 5_000 }))
      return said.ok ? said.value : said
    }
    const done = action.decision.action_id
    assert.deepEqual(await query('exec_cancel', done), { status: 'claimed' })
    assert.deepEqual(await query('exec_reconcile', done), { status: 'told' })
    const unwanted = await draft.granted({ tier: 2, arguments: ARGUMENTS })
    const cancelled = await query('exec_cancel', unwanted.decision.action_id)
    assert.deepEqual(cancelled, { status: 'cancelled' })
    const refusal = { status: 'refused', reason: 'action_cancelled', retryable: false }
    const late = parseJson(
      await gateway.bus.request(target, bytesOf(unwanted), { timeoutMs: 5_000 }),
    )
    assert.deepEqual(late.ok && late.value, refusal)
    assert.equal(shop.ledger().length, before + 1)
    await consumer.stop()

    const newer = draft.sealed([{ text: POLICY }], 2)
    await publishBundle(policies, TENANT, newer)
    const old = await draft.granted({ tier: 2, arguments: ARGUMENTS })
    const answer = async (): Promise<unknown> => {
      const said = await gateway.bus.request(target, bytesOf(old), { timeoutMs: 5_000 })
      const parsed = parseJson(said)
      return parsed.ok ? asObject(parsed.value)?.['reason'] : parsed
    }
    await until(
      async () => (await tools.get(`${TENANT}.${PROFILE}`))?.revision !== record?.revision,
    )
    assert.equal(await answer(), 'policy_superseded')
    const written = gateway.records({ home: 'data', bucket: 'policies' })
    await assert.rejects(publishBundle(written, TENANT, newer), BusFault)
  } finally {
    stopBeats()
    await running.stop()
    await executor.bus.drain()
    await host.bus.drain()
    await gateway.bus.drain()
    await operator.bus.drain()
    await shop.stop()
    await bus.stop()
    await dir.remove()
  }
})
