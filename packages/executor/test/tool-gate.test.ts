import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Logger, ManualClock, silentLogger } from '@trustgw/runtime'
import type { RunOutcome } from '../src/connectors/connector.ts'
import { BREAKER_OPEN_MS, type Passage, ToolGate } from '../src/run/tool-gate.ts'
import { type Handler, withBench } from './support/bench.ts'
import { until } from './support/connectors.ts'

const WELL: RunOutcome = { kind: 'succeeded', output: null, provider_reference: null }
const REFUSED: RunOutcome = { kind: 'failed', reason: 'upstream_refused', output: null }
const ERROR: RunOutcome = { kind: 'failed', reason: 'tool_error', output: null }
const AWAY: RunOutcome = { kind: 'failed', reason: 'upstream_unreachable', output: null }
const UNSEEN: RunOutcome = { kind: 'unknown_outcome', reason: 'timeout' }

function gateWith(atOnce = 64) {
  const clock = new ManualClock(1_000)
  const gate = new ToolGate({ atOnce: () => atOnce, clock, logger: silentLogger })
  const pass = (passage: Passage, id = 'till.pay'): string => {
    const entrance = gate.enter(id)
    if (!entrance.ok) return entrance.reason
    entrance.leave(passage)
    return 'in'
  }
  return { clock, gate, pass }
}

test('after five calls in a row that did not reach the tool it is left alone for 30 s', () => {
  const { clock, pass } = gateWith()
  const five = [AWAY, UNSEEN, AWAY, UNSEEN, AWAY].map((outcome) => pass(outcome))
  assert.deepEqual(five, ['in', 'in', 'in', 'in', 'in'])
  assert.equal(pass(WELL), 'tool_unavailable')
  assert.equal(pass(WELL, 'till.other'), 'in', 'another tool is none of its business')
  clock.advance(BREAKER_OPEN_MS - 1)
  assert.equal(pass(WELL), 'tool_unavailable')
  clock.advance(1)
  assert.equal(pass(WELL), 'in')
  assert.equal(pass(AWAY), 'in', 'a trial that came well counts from the beginning')
})

test('what the tool itself answers, also that it failed, begins the count anew', () => {
  for (const answer of [WELL, REFUSED, ERROR]) {
    const { pass } = gateWith()
    for (let times = 0; times < 4; times += 1) pass(AWAY)
    pass(answer)
    for (let times = 0; times < 4; times += 1) assert.equal(pass(AWAY), 'in')
  }
})

test('one trial at a time; a trial that fails closes it for as long again', () => {
  const { clock, gate, pass } = gateWith()
  for (let times = 0; times < 5; times += 1) pass(UNSEEN)
  clock.advance(BREAKER_OPEN_MS)
  const trial = gate.enter('till.pay')
  assert.ok(trial.ok)
  assert.equal(pass(WELL), 'tool_unavailable')
  trial.leave(AWAY)
  assert.equal(pass(WELL), 'tool_unavailable')
  clock.advance(BREAKER_OPEN_MS)
  assert.equal(pass('not_entered'), 'in')
  assert.equal(pass(WELL), 'in', 'a trial whose claim came to nothing is none')
})

test('calls that were on their way before do not close it for longer', () => {
  const { clock, gate, pass } = gateWith()
  const early = gate.enter('till.pay')
  for (let times = 0; times < 5; times += 1) pass(UNSEEN)
  clock.advance(BREAKER_OPEN_MS - 1)
  assert.ok(early.ok)
  early.leave(UNSEEN)
  clock.advance(1)
  assert.equal(pass(WELL), 'in')
})

test('so many calls of a tool run at once, and no more', () => {
  const { gate, pass } = gateWith(2)
  const first = gate.enter('till.pay')
  const second = gate.enter('till.pay')
  assert.ok(first.ok && second.ok)
  assert.equal(pass(WELL), 'tool_busy')
  assert.equal(pass(WELL, 'till.other'), 'in')
  first.leave(WELL)
  assert.equal(pass(WELL), 'in')
})

test('tool_busy: nothing is claimed, nothing recorded, and the same grant runs later', async () => {
  const answers: (() => void)[] = []
  const handler: Handler = (_request, response) => {
    answers.push(() => response.writeHead(200).end('{"id":"p1"}'))
  }
  const edit = (manifest: string): string =>
    manifest.replace('[limits]', '[limits]\ncalls_at_once = 1')
  await withBench({ handler, edit }, async (bench) => {
    const first = await bench.granted()
    const second = await bench.granted()
    await bench.invoke(first)
    await until(() => answers.length === 1)
    const busy = { status: 'refused', reason: 'tool_busy', retryable: true }
    assert.deepEqual(await bench.invoke(second), busy)
    assert.deepEqual(
      await bench.invoke(first),
      { status: 'claimed' },
      'what runs is not turned away',
    )
    answers[0]?.()
    await until(() => bench.results().length === 1)
    await until(async () => (await bench.invoke(second)).status === 'claimed')
    await until(() => answers.length === 2)
    answers[1]?.()
    await until(() => bench.results().length === 2)
    const refusals = (await bench.events()).filter(({ type }) => type === 'admission_refused')
    assert.deepEqual(
      refusals.map(({ payload }) => payload['reason']),
      ['grant_used'],
    )
  })
})

test('tool_unavailable: after five unseen ends nothing is claimed, until a trial comes well', async () => {
  let well = false
  const handler: Handler = (request, response) => {
    if (request.method === 'GET') response.writeHead(404).end()
    else if (well) response.writeHead(200).end('{}')
    else request.socket.destroy()
  }
  let isLeftAlone = false
  const logger: Logger = {
    ...silentLogger,
    with: () => logger,
    warn: (event) => {
      isLeftAlone ||= event === 'tool_left_alone'
    },
  }
  await withBench({ handler, logger }, async (bench) => {
    for (let times = 1; times <= 5; times += 1) {
      await bench.invoke(await bench.granted())
      await until(() => bench.results().length === times)
    }
    await until(() => isLeftAlone)
    const later = await bench.granted()
    const away = { status: 'refused', reason: 'tool_unavailable', retryable: true }
    assert.deepEqual(await bench.invoke(later), away)
    assert.equal(bench.paid(), 5)
    well = true
    bench.world.clock.advance(BREAKER_OPEN_MS)
    assert.deepEqual(await bench.invoke(await bench.granted()), { status: 'claimed' })
    await until(() => bench.results().length === 6)
    assert.equal(bench.results()[5]?.outcome, 'succeeded')
  })
})
