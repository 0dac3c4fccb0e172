import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GovernedCall } from '../src/bench/grant-call.ts'
import { measureGrantParts } from '../src/bench/grant-parts.ts'
import { printGrantReport, summarizeCalls } from '../src/bench/grant-report.ts'
import type { CallRow } from '../src/bench/grant-system.ts'

test('the call of the benchmark is admitted, again and again', async () => {
  const call = new GovernedCall()
  for (let turn = 0; turn < 3; turn += 1) await call.run()
  call.signatures()
})

const slot = (p50_ms: number, errors = 0): CallRow['slots'][number] => ({
  calls: 10,
  errors,
  first_error: errors === 0 ? null : 'no',
  wall_ms: 10,
  p50_ms,
  p99_ms: 2 * p50_ms,
  calls_per_s: 1_000 / p50_ms,
})

test('a governed row stands beside the floor of its own rounds, and errors are told', async () => {
  const of = { state: 'one executor', executors: 1, in_flight: 16 }
  const [row, ...more] = summarizeCalls([
    { ...of, arm: 'governed', slots: [slot(6), slot(60, 1), slot(8)] },
    { ...of, arm: 'floor', slots: [slot(3), slot(30), slot(4)] },
    { ...of, in_flight: 1, arm: 'floor', slots: [slot(1)] },
  ])
  assert.equal(more.length, 0)
  assert.deepEqual([row?.p50_ms, row?.floor_p50_ms, row?.p50_ratio], [8, 4, 2])
  assert.deepEqual([row?.errors, row?.first_error], [1, 'no'])
  const parts = await measureGrantParts(2)
  assert.ok(parts.call_us > 0 && parts.rows.length === 3)
  const text = printGrantReport({
    at: 'now',
    node: 'v20',
    cpus: 2,
    cpu_model: 'x',
    load: { before: [1], after: [1] },
    parts,
    calls: row === undefined ? [] : [row],
    peak_rss_bytes: { gateway: 1_048_576 },
  })
  for (const said of ['grant checked', 'one executor', '1: no', 'gateway']) {
    assert.ok(text.includes(said), said)
  }
})
