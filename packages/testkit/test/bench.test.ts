import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { runSlot } from '../src/bench/load.ts'
import { messageOf } from '../src/bench/mcp-calls.ts'
import {
  cpuOf,
  descendantsOf,
  parseMachine,
  parsePeakBytes,
  parseStat,
} from '../src/bench/processes.ts'
import { CLIENT_PROCESS, type Measured, ratios, summarize, table } from '../src/bench/report.ts'
import { median, medianRatio, percentile, rotated } from '../src/bench/stats.ts'

describe('the figures of a benchmark', () => {
  it('takes the nearest rank as percentile', () => {
    const sorted = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert.equal(percentile(sorted, 0.5), 5)
    assert.equal(percentile(sorted, 0.99), 10)
    assert.equal(percentile(sorted, 0), 1)
    assert.ok(Number.isNaN(percentile([], 0.5)))
  })

  it('takes the middle of an odd and the mean of an even number of values', () => {
    assert.equal(median([9, 1, 5]), 5)
    assert.equal(median([1, 9, 5, 7]), 6)
    assert.ok(Number.isNaN(median([])))
  })

  it('gives a median that as many values lie below as above', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const middle = median(values)
        const below = values.filter((value) => value < middle).length
        const above = values.filter((value) => value > middle).length
        assert.ok(below <= values.length / 2 && above <= values.length / 2)
      }),
    )
  })

  it('begins every round with another arm and leaves none out', () => {
    const arms = ['a', 'b', 'c']
    assert.deepEqual(rotated(arms, 0), ['a', 'b', 'c'])
    assert.deepEqual(rotated(arms, 4), ['b', 'c', 'a'])
    assert.deepEqual(rotated([], 2), [])
  })

  it('compares within a round, so that one slow round changes nothing', () => {
    assert.equal(medianRatio([2, 20, 4], [1, 10, 2]), 2)
    assert.equal(median([2, 20, 4]) / median([1, 10, 2]), 2)
    assert.equal(medianRatio([2, 200, 4, 4], [1, 100, 2, 2]), 2)
  })
})

describe('the load', () => {
  it('makes the calls asked for, from every client, and no more', async () => {
    const made = [0, 0, 0]
    const clients = made.map((_, client) => async (): Promise<void> => {
      made[client] = (made[client] ?? 0) + 1
      await new Promise((resolve) => setTimeout(resolve, 1))
    })
    const result = await runSlot(clients, { calls: 30, max_ms: 5_000 })
    assert.equal(result.calls, 30)
    assert.equal(
      made.reduce((sum, count) => sum + count, 0),
      30,
    )
    assert.ok(made.every((count) => count > 0))
    assert.ok(result.p50_ms >= 0.5 && result.p99_ms >= result.p50_ms)
  })

  it('ends by its time, and counts what failed apart', async () => {
    let calls = 0
    const client = async (): Promise<void> => {
      calls += 1
      await new Promise((resolve) => setTimeout(resolve, 2))
      if (calls % 2 === 0) throw new Error('no')
    }
    const result = await runSlot([client], { calls: 1_000_000, max_ms: 60 })
    assert.ok(result.wall_ms < 2_000)
    assert.ok(result.errors > 0 && result.calls > 0)
    assert.equal(result.first_error, 'no')
    assert.equal(result.calls + result.errors, calls)
  })
})

describe('processes', () => {
  it('reads times behind a name with blanks and brackets', () => {
    const line = `42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 11 0 99 ${'0 '.repeat(28)}`
    assert.deepEqual(parseStat(line), { parent: 7, cpu_us: 2_000_000 })
    assert.equal(parseStat('42 (x) S'), undefined)
  })

  it('reads the largest size, and nothing where there is none', () => {
    assert.equal(parsePeakBytes('VmPeak:\t 9 kB\nVmHWM:\t   2048 kB\n'), 2_097_152)
    assert.equal(parsePeakBytes('Name:\tkthreadd\n'), undefined)
  })

  it('counts waiting for a disk as idle', () => {
    const machine = parseMachine('cpu  10 0 5 80 5 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\n')
    assert.deepEqual(machine, { busy_us: 150_000, total_us: 1_000_000 })
    assert.equal(parseMachine(''), undefined)
  })

  it('finds what runs below a process, with its command', async () => {
    if (cpuOf(process.pid) === undefined) return
    const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)', 'below-bench'])
    try {
      await new Promise((resolve) => child.once('spawn', resolve))
      const found = descendantsOf(process.pid).find(({ pid }) => pid === child.pid)
      assert.match(found?.command ?? '', /below-bench/)
    } finally {
      child.kill('SIGKILL')
    }
  })
})

describe('answers of an MCP server', () => {
  it('is found in a plain body and among the events of a stream', () => {
    const message = { jsonrpc: '2.0', id: 3, result: { content: [] } }
    const text = JSON.stringify(message)
    const plain = { status: 200, headers: { 'content-type': 'application/json' }, text }
    assert.deepEqual(messageOf(plain, 3)?.['result'], { content: [] })
    assert.equal(messageOf(plain, 4), undefined)
    const events = {
      status: 200,
      headers: { 'content-type': 'text/event-stream' },
      text: `id: 1\ndata: \n\nevent: message\ndata: ${text}\n\n`,
    }
    assert.deepEqual(messageOf(events, 3)?.['result'], { content: [] })
  })
})

function measured(arm: Measured['arm'], round: number, p50_ms: number): Measured {
  return {
    arm,
    title: arm,
    clients: 1,
    round,
    slot: {
      calls: 10,
      errors: 0,
      first_error: null,
      wall_ms: 10,
      p50_ms,
      p99_ms: p50_ms * 2,
      calls_per_s: 1_000 / p50_ms,
    },
    cpu_us: { gateway: 1_000 * p50_ms, [CLIENT_PROCESS]: 500 },
  }
}

describe('the report', () => {
  const rounds = [1, 2, 9].flatMap((slow, round) => [
    measured('governed-rest', round, 6 * slow),
    measured('bare-mcp-2026', round, 2 * slow),
  ])

  it('gives medians over the rounds, and the servers’ time without the client', () => {
    const [row] = summarize(rounds)
    assert.equal(row?.p50_ms, 12)
    assert.equal(row?.calls, 30)
    assert.equal(row?.cpu_us_per_call, 1_200)
    assert.equal(row?.cpu_us_per_call_by_process[CLIENT_PROCESS], 50)
  })

  it('gives ratios of the same round', () => {
    const found = ratios(rounds).find(({ under }) => under === 'bare-mcp-2026')
    assert.equal(found?.p50, 3)
    assert.equal(found?.cpu, 3)
  })

  it('lines columns up', () => {
    assert.equal(table(['a', 'bb'], [['xyz', '1']]), 'a    bb\n---  --\nxyz   1')
  })
})
