import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import {
  hashText,
  isJsonObject,
  noPreconditionHash,
  preconditionHash,
  type ToolContract,
} from '@trustgw/protocol'
import { sha256, silentLogger } from '@trustgw/runtime'
import { clearAction } from '../src/admit/admission.ts'
import { type ClearedAction, openClearedAction } from '../src/admit/check-approvals.ts'
import {
  checkPrecondition,
  PRECONDITION_READ_MS,
  type PreconditionDeps,
} from '../src/admit/check-precondition.ts'
import { withReadablePreconditions } from '../src/connectors/precondition-problem.ts'
import { makeSafe } from '../src/run/safe-output.ts'
import { BREAKER_FAILURES, ToolGate } from '../src/run/tool-gate.ts'
import { type Bench, type Handler, typesOf, withBench } from './support/bench.ts'
import { until } from './support/connectors.ts'
import { factsFor } from './support/policy.ts'
import { BOUND, boundHash, boundWorld, ORDER, READ, ReadDouble } from './support/precondition.ts'
import { bytesOf, type Change, TENANT, World } from './support/world.ts'

async function cleared(world: World, change: Change = {}): Promise<ClearedAction> {
  const outcome = await clearAction(bytesOf(await world.granted(change)), world.admission())
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.reason)
  return outcome.value.token
}

async function outcomeOf(world: World, shop: ReadDouble, token?: ClearedAction): Promise<string> {
  const deps = world.reading({ connectors: new Map([['shop', shop]]) })
  const outcome = await checkPrecondition(token ?? (await cleared(world)), deps)
  return outcome.ok ? 'stands' : outcome.reason
}

test('the read is made with the action’s own arguments, in bounded time and under a key of its own', async () => {
  const world = boundWorld()
  const shop = new ReadDouble()
  const action = await world.granted()
  const token = await clearAction(bytesOf(action), world.admission())
  assert.ok(token.ok)
  assert.equal(await outcomeOf(world, shop, token.value.token), 'stands')
  assert.equal(shop.runs.length, 1)
  const { idempotency_key, ...run } = shop.runs[0] ?? assert.fail()
  assert.deepEqual(run, {
    tool: 'get_order',
    arguments: { order_id: 'ord_1001' },
    arguments_text: '{"order_id":"ord_1001"}',
    timeout_ms: PRECONDITION_READ_MS,
  })
  const own = world.claims(action.decision, action.approvals, {}).idempotency_key
  assert.notEqual(idempotency_key, own)
})

test('the key of a read is of its grant, and of nothing that the action itself has', async () => {
  const world = boundWorld()
  const shop = new ReadDouble()
  const token = await cleared(world)
  const { jti } = openClearedAction(token).claims
  await outcomeOf(world, shop, token)
  assert.equal(shop.runs[0]?.idempotency_key, hashText(sha256, `precondition\n${TENANT}\n${jti}`))
})

test('why a read could not be made is told to the log and in the refusal’s detail', async () => {
  const world = boundWorld()
  const lines: unknown[] = []
  const logger = { ...silentLogger, warn: (...line: unknown[]) => void lines.push(line) }
  const shop = new ReadDouble()
  const token = await cleared(world)
  const detailOf = async (change: Partial<PreconditionDeps>): Promise<string | undefined> => {
    const connectors = new Map([['shop', shop]])
    const outcome = await checkPrecondition(token, world.reading({ connectors, logger, ...change }))
    return outcome.ok ? 'stands' : outcome.detail
  }
  const gone = { find: () => undefined }
  assert.equal(await detailOf({ tools: gone }), 'no_such_read')
  const { action_id } = openClearedAction(token).claims
  assert.deepEqual(lines, [
    [
      'precondition_not_met',
      { action_id, reason: 'precondition_unreadable', detail: 'no_such_read' },
    ],
  ])
  assert.equal(await detailOf({ connectors: new Map() }), 'upstream_unreachable')
  const busy = { enter: () => ({ ok: false, reason: 'tool_busy' }) as const }
  assert.equal(await detailOf({ gate: busy }), 'tool_busy')
  shop.answer = { kind: 'succeeded', output: { items: [] }, provider_reference: null }
  assert.equal(await detailOf({}), 'value_missing')
  world.tools.replace([BOUND, { ...READ, input_schema: { type: 'object', required: ['other'] } }])
  assert.equal(await detailOf({}), 'arguments')
})

test('a read that breaks leaves its place free, and counts as one that was not made', async () => {
  const world = boundWorld()
  const token = await cleared(world)
  const left: unknown[] = []
  const gate = {
    enter: () => ({ ok: true, leave: (how: unknown) => void left.push(how) }) as const,
  }
  const shop = Object.assign(new ReadDouble(), {
    run: () => Promise.reject(new RangeError('a defect')),
  })
  const deps = world.reading({ connectors: new Map([['shop', shop]]), gate })
  await assert.rejects(checkPrecondition(token, deps), RangeError)
  assert.deepEqual(left, ['not_entered'])
})

test('an action without the argument that its read needs is not run', async () => {
  const input_schema = { type: 'object', properties: { amount: { type: 'string' } } }
  const contract = { ...BOUND, input_schema }
  const world = new World(contract)
  world.tools.replace([contract, READ])
  world.precondition = boundHash()
  const token = await cleared(world, { arguments: '{"amount":"250.00"}' })
  const shop = new ReadDouble()
  assert.equal(await outcomeOf(world, shop, token), 'precondition_unreadable')
  assert.equal(shop.runs.length, 0)
})

test('a tool without a precondition is read nothing for', async () => {
  const world = boundWorld()
  const shop = new ReadDouble()
  const deps = world.reading({ connectors: new Map([['shop', shop]]) })
  const outcome = await checkPrecondition(await cleared(new World()), deps)
  assert.ok(outcome.ok)
  assert.equal(shop.runs.length, 0)
})

test('what cannot be read now may come again; what is not so any more may not', async () => {
  const world = boundWorld()
  const shop = new ReadDouble()
  const token = await cleared(world)
  shop.answer = { kind: 'failed', reason: 'upstream_refused', output: null }
  assert.equal(await outcomeOf(world, shop, token), 'precondition_unreadable')
  shop.answer = { kind: 'unknown_outcome', reason: 'timeout' }
  assert.equal(await outcomeOf(world, shop, token), 'precondition_unreadable')
  shop.answer = {
    kind: 'succeeded',
    output: { ...ORDER, remaining: '1' },
    provider_reference: null,
  }
  assert.equal(await outcomeOf(world, shop, token), 'precondition_changed')
  shop.answer = { kind: 'succeeded', output: ORDER, provider_reference: null }
  assert.equal(await outcomeOf(world, shop, token), 'stands')
})

test('a read tool that is gone, or reads no more, makes it unreadable', async () => {
  for (const tools of [
    [BOUND],
    [BOUND, { ...READ, operation: 'update' as const }],
    [BOUND, { ...READ, precondition: BOUND.precondition }],
    [BOUND, { ...READ, input_schema: { type: 'object', required: ['other'] } }],
  ]) {
    const world = boundWorld()
    const shop = new ReadDouble()
    const token = await cleared(world)
    world.tools.replace(tools)
    assert.equal(await outcomeOf(world, shop, token), 'precondition_unreadable')
    assert.equal(shop.runs.length, 0)
  }
  const world = boundWorld()
  const outcome = await checkPrecondition(await cleared(world), world.reading())
  assert.equal(outcome.ok ? '' : outcome.reason, 'precondition_unreadable', 'no connector')
})

test('a read that always fails is left alone like any tool', async () => {
  const world = boundWorld()
  const shop = new ReadDouble()
  shop.answer = { kind: 'failed', reason: 'upstream_unreachable', output: null }
  const token = await cleared(world)
  const { clock, logger } = world.reading()
  const deps = world.reading({
    connectors: new Map([['shop', shop]]),
    gate: new ToolGate({ atOnce: () => 8, clock, logger }),
  })
  for (let turn = 0; turn < BREAKER_FAILURES + 3; turn += 1) await checkPrecondition(token, deps)
  assert.equal(shop.runs.length, BREAKER_FAILURES)
})

test('a secret in what was read is compared as the first read was told it', async () => {
  const world = boundWorld()
  const secret = 'sk-secret-of-the-shop'
  const shop = new ReadDouble({ ...ORDER, remaining: secret })
  const token = await cleared(world)
  const connectors = new Map([['shop', shop]])
  const plain = await checkPrecondition(token, world.reading({ connectors }))
  assert.equal(plain.ok ? '' : plain.reason, 'precondition_changed')
  const limits = { max_bytes: 65_536, secrets: [secret] }
  const safe = makeSafe({ ...ORDER, remaining: secret }, limits, sha256).output
  assert.ok(isJsonObject(safe))
  assert.ok(!JSON.stringify(safe).includes(secret))
  world.precondition = boundHash(safe)
  const bound = await cleared(world)
  const outcome = await checkPrecondition(bound, world.reading({ connectors, secrets: [secret] }))
  assert.ok(outcome.ok)
})

test('a grant that ended while it was read is not used', async () => {
  const world = boundWorld()
  const shop = new ReadDouble()
  const token = await cleared(world)
  const connectors = new Map([['shop', shop]])
  world.clock.advance(40_000)
  const outcome = await checkPrecondition(token, world.reading({ connectors }))
  assert.equal(outcome.ok ? '' : outcome.reason, 'grant_expired')
})

const TILL = (manifest: string): string => `${manifest}
[tools.pay.precondition]
tool = "look"
arguments = { order_id = { pointer = "/order_id" }, deep = true }
select = ["/left"]
title = "What is left"
[tools.look]
title = "Look"
description = "Looks."
operation = "read"
method = "GET"
path = "/look/{order_id}"
[tools.look.input_schema]
type = "object"
required = ["order_id"]
`
const LOOKED = { tool: 'till.look', arguments: { order_id: 'o1', deep: true } }

/** An upstream whose value is what `left` says. */
function till(state: { left: string; looks?: number }): Handler {
  return (request, response: ServerResponse) => {
    if (request.method === 'GET' && request.url?.startsWith('/look') === true) {
      state.looks = (state.looks ?? 0) + 1
      if (state.left === '') response.writeHead(503).end()
      else response.writeHead(200).end(JSON.stringify({ left: state.left }))
    } else response.writeHead(200).end('{"id":"p1"}')
  }
}

function bind(bench: Bench, left: string): void {
  const values = { '/left': left }
  Object.assign(bench.world, { precondition: preconditionHash(sha256, { ...LOOKED, values }) })
}

test('an executor reads again before it claims: changed is refused, and the tool is not entered', async () => {
  const state = { left: '90' }
  await withBench({ edit: TILL, handler: till(state), served: 2 }, async (bench) => {
    bind(bench, '90')
    const action = await bench.granted()
    state.left = ''
    const later = { status: 'refused', reason: 'precondition_unreadable', retryable: true }
    assert.deepEqual(await bench.invoke(action), later)
    state.left = '90'
    assert.deepEqual(
      await bench.invoke(action),
      { status: 'claimed' },
      'nothing was claimed before',
    )
    await until(() => bench.results().length === 1)
    const other = await bench.granted()
    state.left = '80'
    const refused = { status: 'refused', reason: 'precondition_changed', retryable: false }
    assert.deepEqual(await bench.invoke(other), refused)
    state.left = '90'
    assert.deepEqual(
      await bench.invoke(other),
      refused,
      'refused for good: a successor may be there',
    )
    assert.equal(bench.paid(), 1)
    await bench.running().stop()
    const types = await typesOf(bench)
    const refusals = ['admission_refused', 'admission_refused']
    assert.deepEqual(types, ['policy_pinned', 'started', 'finished', ...refusals])
    const started = (await bench.events()).find(({ type }) => type === 'started')
    assert.equal(started?.payload['precondition_hash'], bench.world.precondition)
  })
})

test('what an action itself changed makes no successor of it: a repeat elsewhere is told that it ran', async () => {
  const state = { left: '90' }
  await withBench({ edit: TILL, handler: till(state), served: 2 }, async (bench) => {
    bind(bench, '90')
    const action = await bench.granted()
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    await until(() => bench.results().length === 1)
    await bench.running().stop()
    await bench.another()
    for (const left of ['0', '']) {
      state.left = left
      assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    }
    const again = await bench.granted({ decision: { action_id: action.decision.action_id } })
    state.left = '0'
    assert.deepEqual(await bench.invoke(again), { status: 'claimed' }, 'under another grant')
    assert.equal(bench.paid(), 1)
  })
})

test('a stale action is not cancelled once more, nor asked about at its provider', async () => {
  const state = { left: '80' }
  await withBench({ edit: TILL, handler: till(state), served: 2 }, async (bench) => {
    bind(bench, '90')
    const action = await bench.granted()
    const { action_id } = action.decision
    await bench.invoke(action)
    assert.deepEqual(await bench.ask('exec_cancel', action_id), { status: 'cancelled' })
    const unclear = { status: 'unclear', reason: 'claimed_never_to_run' }
    assert.deepEqual(await bench.ask('exec_reconcile', action_id), unclear)
    const cancelled = await bench.granted()
    await bench.ask('exec_cancel', cancelled.decision.action_id)
    const refused = { status: 'refused', reason: 'action_cancelled', retryable: false }
    assert.deepEqual(await bench.invoke(cancelled), refused)
  })
})

test('an action that runs is not read for once more when its grant comes again', async () => {
  const state = { left: '90', looks: 0 }
  await withBench({ edit: TILL, handler: till(state), served: 2 }, async (bench) => {
    bind(bench, '90')
    const action = await bench.granted()
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    await until(() => bench.results().length === 1)
    state.left = '80'
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    assert.equal(state.looks, 1)
  })
})

function served(twist: Partial<ToolContract>, read: Partial<ToolContract> = {}): string {
  const problems: string[] = []
  const contracts = [
    { ...BOUND, ...twist },
    { ...READ, ...read },
  ]
  withReadablePreconditions(contracts, {
    output: (tool) => tool.output_schema ?? true,
    onRefused: (_, problem) => problems.push(problem),
  })
  return problems.join()
}

test('a tool whose precondition can never be read is not served', () => {
  const rule = BOUND.precondition ?? assert.fail()
  const bound = (change: object): Partial<ToolContract> => ({
    precondition: { ...rule, ...change },
  })
  assert.equal(served({}), '')
  assert.equal(served(bound({ tool: 'shop.other' })), 'precondition_tool_missing')
  assert.equal(served({}, { operation: 'create' }), 'precondition_not_a_read')
  assert.equal(served({}, { precondition: rule }).split(',')[0], 'precondition_nested')
  const args = (value: object): string => served(bound({ arguments: value }))
  assert.equal(args({}), 'precondition_arguments', 'the read needs one')
  assert.equal(args({ order_id: 'o', more: 1 }), 'precondition_arguments', 'it takes no other')
  assert.equal(args({ order_id: { pointer: '/nowhere' } }), 'precondition_arguments')
  assert.equal(args({ order_id: { pointer: '/amount/deep' } }), 'precondition_arguments')
  assert.equal(args({ order_id: { pointer: '/amount' } }), '')
  const output_schema = {
    type: 'object',
    additionalProperties: false,
    properties: {
      remaining: { type: ['string', 'null'] },
      items: { type: 'array', items: { type: 'object', properties: { state: {} } } },
    },
  }
  assert.equal(served({}, { output_schema }), '')
  const select = (pointer: string): string =>
    served(bound({ select: [pointer] }), { output_schema })
  for (const pointer of ['/other', '/remaining/deep', '/items/x/state', '/items/state'])
    assert.equal(select(pointer), 'precondition_select', pointer)
  const open = { ...output_schema, anyOf: [{ required: ['other'] }] }
  assert.equal(served(bound({ select: ['/other'] }), { output_schema: open }), '')
})

test('a bound grant of a tool that binds nothing, and the other way round, is refused', async () => {
  const world = boundWorld()
  const none = { precondition_hash: noPreconditionHash(sha256) }
  for (const tier of [0, 2] as const) {
    const change = { tier, facts: factsFor(tier), claims: none }
    const outcome = await clearAction(bytesOf(await world.granted(change)), world.admission())
    assert.equal(outcome.ok ? '' : outcome.reason, 'precondition_differs')
  }
})
