import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import {
  type ActionId,
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
  subject,
  TOOL_REGISTRY_MAX_BYTES,
  TOOL_REGISTRY_TYP,
  type ToolContract,
  type ToolRegistry,
  toolRegistryShape,
  verifyJws,
} from '@trustgw/protocol'
import {
  type BusLink,
  type Clock,
  executorCrossings,
  type Logger,
  nodeRandom,
  PublicKeys,
  silentLogger,
  verifierOf,
} from '@trustgw/runtime'
import { publishBundle } from '@trustgw/testkit/seal-policy'
import { type RunningExecutor, runExecutor } from '../../src/index.ts'
import { tempDir, until } from './connectors.ts'
import { bytesOf, type Change, PROFILE, TENANT, World } from './world.ts'

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

export interface Bench {
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
  /** Another executor of the profile, with files of its own. */
  readonly another: () => Promise<RunningExecutor>
  readonly ask: (kind: 'exec_cancel' | 'exec_reconcile', action: ActionId) => Promise<Json>
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface BenchOptions {
  readonly handler?: Handler
  readonly wrap?: (link: BusLink) => BusLink
  readonly max_running?: number
  /** Changes the manifest of the till. */
  readonly edit?: (manifest: string) => string
  /** How many tools it serves then. */
  readonly served?: number
  /** No policy bundle is on the bus yet. */
  readonly withoutPolicy?: boolean
  readonly logger?: Logger
}

export const PAY: Handler = (_request, response) => {
  response.writeHead(200).end('{"id":"p1"}')
}

export function read<T>(shape: Shape<T>, value: Json): T {
  const outcome = readShape(shape, value)
  assert.ok(outcome.ok, JSON.stringify(outcome))
  return outcome.value
}

export async function withBench(
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
    (options.edit ?? ((text) => text))(manifestFor(`http://127.0.0.1:${port}`)),
  )
  const first = new World()
  if (options.withoutPolicy !== true) await publish(first, first.bundle)
  const base = first.broker.link({ crossings: executorCrossings(PROFILE) })
  const link = options.wrap?.(base) ?? base
  const result = { kid: 'result-1', role: 'result', component: `exec-${PROFILE}` } as const
  const { publicKey } = first.resultKey
  const trust = new PublicKeys([...first.trust.keys, { ...result, publicKey }])
  const all: RunningExecutor[] = []
  const start = async (on: BusLink, instance = 'one'): Promise<RunningExecutor> => {
    const started = await runExecutor(
      {
        profile: PROFILE,
        tenants: [TENANT],
        state_dir: temp.path,
        executor_dir: join(temp.path, instance === 'one' ? 'executor' : instance),
        connectors_dir: join(temp.path, 'connectors'),
        modules_dir: temp.path,
        instance,
        result_max_bytes: 100_000,
        tool_timeout_ms: 2_000,
        max_running: options.max_running ?? 8,
        development_policy: false,
      },
      {
        link: on,
        trust,
        keySet: { epoch: 1, refresh: () => Promise.resolve(), onNews: () => () => undefined },
        resultKey: { kid: 'result-1', sign: first.resultKey.sign },
        auditKey: { kid: 'exec-audit-1', sign: first.execAuditKey.sign },
        clock: { ...clockOf(first), setTimer: (ms, callback) => timer(ms, callback) },
        random: nodeRandom,
        logger: options.logger ?? silentLogger,
      },
    )
    all.push(started)
    first.beat()
    await new Promise((resolve) => setTimeout(resolve, 5))
    return started
  }
  let running = await start(link)
  await until(() => running.tools().length === (options.served ?? 1))
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
      another: () => start(first.broker.link({ crossings: executorCrossings(PROFILE) }), 'two'),
      ask: async (kind, action_id) => {
        const target = subject(kind, { tenant: TENANT, profile: PROFILE })
        const data = new TextEncoder().encode(JSON.stringify({ v: 1, action_id }))
        const parsed = parseJson(
          await first.gateway.bus.request(target, data, { timeoutMs: 5_000 }),
        )
        assert.ok(parsed.ok)
        return parsed.value
      },
      restart: async (next = link) => {
        running = await start(next)
      },
    })
  } finally {
    await Promise.all(all.map((one) => one.stop()))
    await seen.stop()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await temp.remove()
  }
}

/** It stands still but for sleeping, so that one beat is enough. */
function clockOf(world: World): Omit<Clock, 'setTimer'> {
  return {
    now: () => world.clock.now(),
    uptime: () => 0,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 20))),
  }
}

function timer(ms: number, callback: () => void): () => void {
  const handle = setTimeout(callback, ms)
  return () => clearTimeout(handle)
}

export async function publish(world: World, bundle: SealedBundle): Promise<void> {
  const policies = world.gateway.records({ home: 'data', bucket: 'policies' })
  await publishBundle(policies, TENANT, bundle)
}

export async function publishedRegistry(world: World): Promise<ToolRegistry> {
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

export async function publishedContract(world: World): Promise<ToolContract> {
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

export const typesOf = async (bench: Bench): Promise<readonly string[]> =>
  (await bench.events())
    .filter((event) => event.writer.startsWith('exec-'))
    .map((event) => event.type)
