import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type AuditEvent,
  auditEventShape,
  type ExecutionResult,
  executionResultShape,
  type GrantedAction,
  type InvokeAnswer,
  invokeAnswerShape,
  type Json,
  parseJson,
  readShape,
  type SealedBundle,
  type Shape,
  storedKey,
  subject,
  TOOL_REGISTRY_MAX_BYTES,
  TOOL_REGISTRY_TYP,
  type ToolContract,
  type ToolRegistry,
  toolRegistryShape,
  verifyJws,
} from '@trustgw/protocol'
import {
  BusFault,
  type BusLink,
  type ClaimStore,
  executorCrossings,
  nodeRandom,
  sha256,
  silentLogger,
  verifierOf,
} from '@trustgw/runtime'
import { publishBundle } from '@trustgw/testkit/seal-policy'
import { type RunningExecutor, runExecutor } from '../src/index.ts'
import { tempDir, until } from './support/connectors.ts'
import { POLICY } from './support/policy.ts'
import { bytesOf, type Change, PROFILE, TENANT, World } from './support/world.ts'

const ARGUMENTS = '{"order_id":"o1"}'

const manifestFor = (url: string): string => `
version = 1
kind = "http"
id = "till"
title = "Till"
description = "A till for tests"
credential = "none"
base_url = "${url}"
[limits]
call_timeout_ms = 2_000
result_max_bytes = 512
[tools.pay]
title = "Pay"
description = "Pays."
operation = "transfer"
method = "POST"
path = "/pay"
idempotency_header = "Idempotency-Key"
reconcile = { path = "/pay/{idempotency_key}", not_found = "unknown" }
[tools.pay.input_schema]
type = "object"
`

interface Bench {
  readonly world: World
  readonly link: BusLink
  readonly dir: string
  readonly running: () => RunningExecutor
  readonly invoke: (action: GrantedAction) => Promise<InvokeAnswer>
  readonly granted: (change?: Change) => Promise<GrantedAction>
  readonly results: () => readonly ExecutionResult[]
  readonly events: () => Promise<readonly AuditEvent[]>
  /** How often the upstream was asked to pay. */
  readonly paid: () => number
  readonly restart: (link?: BusLink) => Promise<void>
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

interface BenchOptions {
  readonly handler?: Handler
  readonly wrap?: (link: BusLink) => BusLink
  readonly max_running?: number
  /** No policy bundle is on the bus yet. */
  readonly withoutPolicy?: boolean
}

const PAY: Handler = (_request, response) => {
  response.writeHead(200).end('{"id":"p1"}')
}

function read<T>(shape: Shape<T>, value: Json): T {
  const outcome = readShape(shape, value)
  assert.ok(outcome.ok, JSON.stringify(outcome))
  return outcome.value
}

async function withBench(
  options: BenchOptions,
  use: (bench: Bench) => Promise<void>,
): Promise<void> {
  const temp = await tempDir()
  let paid = 0
  const server = createServer((request, response) => {
    if (request.method === 'POST') paid += 1
    ;(options.handler ?? PAY)(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await mkdir(join(temp.path, 'connectors'))
  await writeFile(
    join(temp.path, 'connectors', 'till.toml'),
    manifestFor(`http://127.0.0.1:${port}`),
  )
  const first = new World()
  if (options.withoutPolicy !== true) await publish(first, first.bundle)
  const base = first.broker.link({ crossings: executorCrossings(PROFILE) })
  const link = options.wrap?.(base) ?? base
  const start = (on: BusLink): Promise<RunningExecutor> =>
    runExecutor(
      {
        profile: PROFILE,
        tenants: [TENANT],
        state_dir: temp.path,
        executor_dir: join(temp.path, 'executor'),
        connectors_dir: join(temp.path, 'connectors'),
        modules_dir: temp.path,
        instance: 'one',
        result_max_bytes: 100_000,
        tool_timeout_ms: 2_000,
        max_running: options.max_running ?? 8,
        development_policy: false,
      },
      {
        link: on,
        trust: first.trust,
        resultKey: { kid: 'result-1', sign: first.resultKey.sign },
        auditKey: { kid: 'exec-audit-1', sign: first.execAuditKey.sign },
        clock: { ...clockOf(first), setTimer: (ms, callback) => timer(ms, callback) },
        random: nodeRandom,
        logger: silentLogger,
      },
    )
  let running = await start(link)
  await until(() => running.tools().length === 1)
  const contract = await publishedContract(first)
  const world = new Proxy(first, {
    get: (target, name) => (name === 'contract' ? contract : Reflect.get(target, name, target)),
  })
  Object.assign(first, { contract })
  const results: ExecutionResult[] = []
  const seen = first.gateway.bus.listen(`exec.v1.${TENANT}.${PROFILE}.*.result`, ({ data }) => {
    const keyFor = (): ReturnType<typeof verifierOf> => verifierOf(first.resultKey.publicKey)
    const verified = verifyJws(new TextDecoder().decode(data), {
      typ: 'execution-result+jwt',
      maxBytes: 800_000,
      keyFor,
    })
    assert.ok(verified.ok)
    results.push(read(executionResultShape, verified.value.payload))
  })
  try {
    await use({
      world,
      link,
      dir: temp.path,
      running: () => running,
      paid: () => paid,
      results: () => results,
      granted: (change = {}) => first.granted({ tier: 0, arguments: ARGUMENTS, ...change }),
      invoke: async (action) => {
        const target = subject('exec_invoke', { tenant: TENANT, profile: PROFILE })
        const answer = await first.gateway.bus.request(target, bytesOf(action), {
          timeoutMs: 5_000,
        })
        const parsed = parseJson(answer)
        assert.ok(parsed.ok)
        return read(invokeAnswerShape, parsed.value)
      },
      events: () => auditOf(first),
      restart: async (next = link) => {
        running = await start(next)
      },
    })
  } finally {
    await running.stop()
    await seen.stop()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await temp.remove()
  }
}

function clockOf(world: World): { now: () => number; sleep: (ms: number) => Promise<void> } {
  return {
    now: () => world.clock.now(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 20))),
  }
}

function timer(ms: number, callback: () => void): () => void {
  const handle = setTimeout(callback, ms)
  return () => clearTimeout(handle)
}

async function publish(world: World, bundle: SealedBundle): Promise<void> {
  const policies = world.gateway.records({ home: 'data', bucket: 'policies' })
  await publishBundle(policies, TENANT, bundle)
}

async function publishedRegistry(world: World): Promise<ToolRegistry> {
  const record = await world.gateway
    .records({ home: 'data', bucket: 'tools' })
    .get(`${TENANT}.${PROFILE}`)
  assert.ok(record !== undefined, 'the registry is stored')
  const verified = verifyJws(new TextDecoder().decode(record.value), {
    typ: TOOL_REGISTRY_TYP,
    maxBytes: TOOL_REGISTRY_MAX_BYTES,
    keyFor: (kid) => (kid === 'result-1' ? verifierOf(world.resultKey.publicKey) : undefined),
  })
  assert.ok(verified.ok)
  return read(toolRegistryShape, verified.value.payload)
}

async function publishedContract(world: World): Promise<ToolContract> {
  const registry = await publishedRegistry(world)
  assert.deepEqual(
    registry.bundles.map(({ id }) => id),
    ['till'],
  )
  const contract = registry.tools[0]
  assert.ok(contract?.id === 'till.pay')
  return contract
}

async function auditOf(world: World): Promise<readonly AuditEvent[]> {
  const reader = world.gateway.reader({ home: 'data', stream: 'AUDIT' })
  const last = await reader.getLast('audit.v1.>')
  const events: AuditEvent[] = []
  for (let seq = 1; seq <= (last?.seq ?? 0); seq++) {
    const message = await reader.getBySeq(seq)
    const parsed = message === undefined ? undefined : parseJson(message.data)
    if (parsed?.ok === true) events.push(read(auditEventShape, parsed.value))
  }
  return events
}

const typesOf = async (bench: Bench): Promise<readonly string[]> =>
  (await bench.events())
    .filter((event) => event.writer.startsWith('exec-'))
    .map((event) => event.type)

test('an allowed call runs once and its signed result is stored', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    await until(() => bench.results().length === 1)
    const result = bench.results()[0]
    assert.equal(result?.outcome, 'succeeded')
    assert.deepEqual(result?.output, { id: 'p1' })
    assert.equal(result?.action_id, action.decision.action_id)
    await until(() => bench.paid() === 1)
    await bench.running().stop()
    assert.deepEqual(await typesOf(bench), ['policy_pinned', 'started', 'finished'])
    const left = await bench.world.gateway
      .records({ home: 'exd', bucket: 'executions' })
      .list(TENANT)
    assert.deepEqual(left, [], 'a stored result is taken out of executions')
  })
})

test('an approved call of tier 2 runs only with a pin in the file of this executor [INV-24]', async () => {
  await withBench({}, async (bench) => {
    const refused = await bench.invoke(await bench.granted({ tier: 2 }))
    assert.deepEqual(refused, {
      status: 'refused',
      reason: 'credential_not_pinned',
      retryable: false,
    })
    const { pinFirst } = await import('../src/index.ts')
    const pinned = await pinFirst(join(bench.dir, 'executor', 'pins.json'), bench.world.pin())
    assert.ok(pinned.ok)
    assert.deepEqual(await bench.invoke(await bench.granted({ tier: 2 })), { status: 'claimed' })
    await until(() => bench.results().length === 1)
    assert.equal(bench.paid(), 1)
  })
})

test('without a policy nothing is admitted, and everything once one is pinned', async () => {
  await withBench({ withoutPolicy: true }, async (bench) => {
    assert.equal((await publishedRegistry(bench.world)).policy, null)
    const action = await bench.granted()
    assert.deepEqual(await bench.invoke(action), {
      status: 'refused',
      reason: 'policy_missing',
      retryable: true,
    })
    await publish(bench.world, bench.world.bundle)
    await until(async () => (await publishedRegistry(bench.world)).policy?.epoch === 1)
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    await until(() => bench.paid() === 1)
  })
})

test('a new policy is pinned, told and recorded; the old one decides no more [INV-36]', async () => {
  await withBench({}, async (bench) => {
    const { world } = bench
    const before = await publishedRegistry(world)
    assert.equal(before.policy?.epoch, 1)
    const old = await bench.granted()
    await publish(world, world.sealed([{ text: POLICY }], 2))
    await until(async () => (await publishedRegistry(world)).policy?.epoch === 2)
    const after = await publishedRegistry(world)
    assert.notEqual(after.policy?.bundle_hash, before.policy?.bundle_hash)
    assert.deepEqual(after.tools, before.tools)
    assert.deepEqual(await bench.invoke(old), {
      status: 'refused',
      reason: 'policy_superseded',
      retryable: true,
    })
    await publish(world, world.bundle)
    await until(async () => (await typesOf(bench)).includes('policy_refused'))
    await bench.running().stop()
    await bench.restart()
    assert.equal((await bench.invoke(old)).status, 'refused')
    const told = (await bench.events()).filter(({ type }) => type.startsWith('policy_'))
    assert.deepEqual(
      told.map(({ payload }) => [
        payload['epoch'] ?? payload['reason'],
        payload['by'] ?? payload['details'],
      ]),
      [
        [1, 'operator'],
        [2, 'operator'],
        ['bundle_old', 'epoch 1'],
        [2, 'own pin'],
        ['bundle_old', 'epoch 1'],
      ],
    )
    assert.equal(told[0]?.payload['bundle_hash'], before.policy?.bundle_hash)
    assert.equal(bench.paid(), 0)
  })
})

test('a grant that comes again never enters the tool again; its result is published again', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    await bench.invoke(action)
    await until(() => bench.results().length === 1)
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    const again = await bench.granted({ decision: action.decision })
    assert.deepEqual(await bench.invoke(again), { status: 'claimed' })
    assert.equal(bench.paid(), 1)
    await bench.running().stop()
    const refusals = (await bench.events()).filter(({ type }) => type === 'admission_refused')
    assert.deepEqual(
      refusals.map(({ payload }) => payload['reason']),
      ['grant_used', 'grant_used'],
    )
  })
})

test('grant_used, action_claimed: what another process claimed is not entered again', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    await bench.invoke(action)
    await until(() => bench.results().length === 1)
    await bench.running().stop()
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    const fresh = await bench.granted({ decision: action.decision })
    assert.deepEqual(await bench.invoke(fresh), { status: 'claimed' })
    await bench.running().stop()
    const refusals = (await bench.events()).filter(({ type }) => type === 'admission_refused')
    const reasons = refusals.map(({ payload }) => payload['reason'])
    assert.deepEqual(reasons, ['grant_used', 'action_claimed'])
    assert.equal(bench.paid(), 1)
  })
})

test('grant_used: a grant for another action under a used nonce is refused for good', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    await bench.invoke(action)
    await until(() => bench.results().length === 1)
    const jti = bench.results()[0]?.jti
    assert.ok(jti !== undefined)
    const other = await bench.invoke(await bench.granted({ claims: { jti } }))
    assert.deepEqual(other, { status: 'refused', reason: 'grant_used', retryable: false })
    assert.equal(bench.paid(), 1)
  })
})

test('grant_used: while another executor has used the nonce for this action and not claimed it yet, it may come again', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    const { jti, action_id } = readGrantClaims(action)
    const { nonces, journal } = claimsOf(bench.link)
    const attempt = 'another-executors-attempt'
    const key = `${TENANT}.${storedKey(sha256, jti)}`
    await nonces.claim(key, { attempt, note: action_id })
    const early = await bench.invoke(action)
    assert.deepEqual(early, { status: 'refused', reason: 'grant_used', retryable: true })
    await journal.claim(`${TENANT}.${storedKey(sha256, action_id)}`, { attempt })
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    assert.equal(bench.paid(), 0)
  })
})

function claimsOf(link: BusLink): { readonly nonces: ClaimStore; readonly journal: ClaimStore } {
  return {
    nonces: link.claims({ home: 'exd', bucket: 'grant_nonces' }),
    journal: link.claims({ home: 'exd', bucket: 'journal' }),
  }
}

function readGrantClaims(action: GrantedAction): { jti: string; action_id: string } {
  const [, body = ''] = action.grant.split('.')
  return JSON.parse(Buffer.from(body, 'base64url').toString())
}

test('two deliveries at once enter the tool once [INV-16]', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    const answers = await Promise.all([
      bench.invoke(action),
      bench.invoke(action),
      bench.invoke(action),
    ])
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['claimed', 'claimed', 'claimed'],
    )
    await until(() => bench.results().length >= 1)
    assert.equal(bench.paid(), 1)
  })
})

test('store_unreachable: nothing runs, and the same grant is taken up later', async () => {
  let down = true
  const flaky = (store: ClaimStore): ClaimStore => ({
    read: (key) => store.read(key),
    verifyInsertOnly: () => store.verifyInsertOnly(),
    claim: async (key, claim) => {
      const outcome = await store.claim(key, claim)
      // The claim is stored, but the answer is lost.
      if (down) throw new BusFault('store_ambiguous', 'lost')
      return outcome
    },
  })
  const wrap = (link: BusLink): BusLink => ({
    ...link,
    claims: (options) => flaky(link.claims(options)),
  })
  await withBench({ wrap }, async (bench) => {
    const action = await bench.granted()
    const refused = { status: 'refused', reason: 'store_unreachable', retryable: true }
    assert.deepEqual(await bench.invoke(action), refused)
    assert.equal(bench.paid(), 0)
    await bench.running().stop()
    await bench.restart()
    down = false
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    await until(() => bench.results().length === 1)
    assert.equal(bench.paid(), 1)
  })
})

test('audit_unreachable: no tool is entered before `started` is stored', async () => {
  let down = false
  const wrap = (link: BusLink): BusLink => ({
    ...link,
    publisher: (options) => {
      const publisher = link.publisher(options)
      return {
        publishStored: async (target, data, how) => {
          if (down && options.stream === 'AUDIT') throw new BusFault('store_unreachable', 'down')
          return await publisher.publishStored(target, data, how)
        },
      }
    },
  })
  await withBench({ wrap }, async (bench) => {
    const action = await bench.granted()
    down = true
    const refused = { status: 'refused', reason: 'audit_unreachable', retryable: true }
    assert.deepEqual(await bench.invoke(action), refused)
    assert.equal(bench.paid(), 0)
    down = false
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    await until(() => bench.results().length === 1)
    assert.equal(bench.paid(), 1)
  })
})

test('executor_busy: more than the limit is refused and may come again', async () => {
  const waiting: ServerResponse[] = []
  await withBench(
    { handler: (_request, response) => void waiting.push(response), max_running: 1 },
    async (bench) => {
      await bench.invoke(await bench.granted())
      await until(() => waiting.length === 1)
      const answer = await bench.invoke(await bench.granted())
      assert.deepEqual(answer, { status: 'refused', reason: 'executor_busy', retryable: true })
      waiting[0]?.writeHead(200).end('{}')
      await until(() => bench.results().length === 1)
    },
  )
})

test('an output over the limit is withheld whole, and its hash kept', async () => {
  const big: Handler = (_request, response) => {
    response.writeHead(200).end(JSON.stringify({ data: 'x'.repeat(2_000) }))
  }
  await withBench({ handler: big }, async (bench) => {
    await bench.invoke(await bench.granted())
    await until(() => bench.results().length === 1)
    const result = bench.results()[0]
    assert.equal(result?.outcome, 'succeeded')
    assert.deepEqual(result?.output, { withheld: 'result_too_large', bytes: 2_011 })
    assert.notEqual(result?.raw_hash, result?.result_hash)
  })
})

async function crashDuringCall(bench: Bench): Promise<string> {
  const wal = join(bench.dir, 'executor', 'wal.ndjson')
  const copy = await readFile(wal, 'utf8')
  await bench.running().stop()
  // What a killed process leaves: the entry of the claim and no end.
  await writeFile(wal, copy, { mode: 0o600 })
  return wal
}

test('after a crash in a call the upstream is asked by key, and the tool not entered again', async () => {
  let hang = true
  const handler: Handler = (request, response) => {
    if (request.method === 'GET') response.writeHead(200).end('{"id":"p7"}')
    else if (!hang) response.writeHead(200).end('{}')
  }
  await withBench({ handler }, async (bench) => {
    await bench.invoke(await bench.granted())
    await until(() => bench.paid() === 1)
    await crashDuringCall(bench)
    hang = false
    bench.world.clock.advance(1_000)
    const before = bench.results().length
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    await until(() => bench.results().length === before + 1)
    assert.equal(bench.results().at(-1)?.outcome, 'succeeded')
    assert.deepEqual(bench.results().at(-1)?.output, { id: 'p7' })
    assert.equal(bench.paid(), 1)
  })
})

test('after a crash in a call that nobody can tell about the outcome is unknown [INV-17]', async () => {
  const handler: Handler = (request, response) => {
    if (request.method === 'GET') response.writeHead(404).end()
  }
  await withBench({ handler }, async (bench) => {
    const action = await bench.granted()
    await bench.invoke(action)
    await until(() => bench.paid() === 1)
    await crashDuringCall(bench)
    const before = bench.results().length
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    await until(() => bench.results().length === before + 1)
    assert.equal(bench.results().at(-1)?.outcome, 'unknown_outcome')
    assert.equal(bench.results().at(-1)?.reason, 'executor_stopped')
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    assert.equal(bench.paid(), 1)
  })
})

test('a result that could not be stored is delivered by the next process', async () => {
  let down = false
  const wrap = (link: BusLink): BusLink => ({
    ...link,
    publisher: (options) => {
      const publisher = link.publisher(options)
      return {
        publishStored: async (target, data, how) => {
          if (down && options.stream === 'RESULTS') throw new BusFault('store_unreachable', 'down')
          return await publisher.publishStored(target, data, how)
        },
      }
    },
  })
  await withBench({ wrap }, async (bench) => {
    down = true
    await bench.invoke(await bench.granted())
    await until(() => bench.paid() === 1)
    const executions = bench.world.gateway.records({ home: 'exd', bucket: 'executions' })
    while ((await executions.list(TENANT)).length === 0)
      await new Promise((go) => setTimeout(go, 10))
    await bench.running().stop()
    assert.equal(bench.results().length, 0)
    down = false
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    await until(() => bench.results().length === 1)
    assert.equal(bench.results()[0]?.outcome, 'succeeded')
    assert.equal(bench.paid(), 1)
  })
})

test('executor_stopping: a stopped executor takes nothing', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    await bench.running().stop()
    await assert.rejects(bench.invoke(action))
    assert.equal(bench.paid(), 0)
  })
})
