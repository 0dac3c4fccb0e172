import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { KINDS } from '../src/chaos/killer.ts'
import { runChaos } from '../src/chaos/run-chaos.ts'

const SEED_MAX = 2 ** 31

test('each kind of process is killed while refunds are under way: each is paid once, recorded and ends', async (t) => {
  const seed = randomInt(SEED_MAX)
  const report = await runChaos({
    refunds: 40,
    seconds: 5,
    seed,
    progress: (text) => t.diagnostic(text),
  })
  assert.deepEqual(report.problems, [], `seed ${seed}`)
  assert.equal(report.accepted, 40)
  assert.ok(report.paid > 0)
  for (const { kind, names } of KINDS)
    assert.ok(
      names.some((name) => (report.killed[name] ?? 0) > 0),
      `no ${kind} was killed`,
    )
})

test('a system that is stopped under load and started again loses nothing and does nothing twice', async (t) => {
  const report = await runChaos({
    refunds: 40,
    seconds: 4,
    seed: 1,
    by: 'stop',
    progress: (text) => t.diagnostic(text),
  })
  assert.deepEqual(report.problems, [])
  assert.equal(report.paid, 40)
})
