import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { KINDS } from '../src/chaos/killer.ts'
import { runChaos } from '../src/chaos/run-chaos.ts'

const SEED_MAX = 2 ** 31
const REFUNDS = 60
const KILLS = 6

test('each kind of process is killed while refunds are under way: each is paid once, recorded and ends', async (t) => {
  const seed = randomInt(SEED_MAX)
  const report = await runChaos({
    refunds: REFUNDS,
    seconds: 8,
    kills: KILLS,
    seed,
    progress: (text) => t.diagnostic(text),
  })
  assert.deepEqual(report.problems, [], `seed ${seed}`)
  assert.equal(report.accepted, REFUNDS)
  assert.ok(report.paid > 0)
  const kills = Object.values(report.killed).reduce((sum, count) => sum + count, 0)
  assert.ok(kills >= KILLS, `${kills} kills`)
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
