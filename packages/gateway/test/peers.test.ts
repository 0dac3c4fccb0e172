import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  LEASE_MS,
  ManualClock,
  MemoryBroker,
  type RecordStore,
  SeededRandom,
  silentLogger,
} from '@trustgw/runtime'
import { Peers } from '../src/action/peers.ts'

const TURN_MS = 100

interface Side {
  readonly peers: Peers
  readonly taken: () => number
}

function side(leases: RecordStore, instance: number, clock: ManualClock): Side {
  let taken = 0
  const peers = new Peers({
    leases,
    instance,
    count: 2,
    takeUp: () => {
      taken += 1
      return Promise.resolve()
    },
    clock,
    random: new SeededRandom(`${instance}`),
    log: silentLogger,
  })
  return { peers, taken: () => taken }
}

async function pass(clocks: readonly ManualClock[], ms: number): Promise<void> {
  for (let at = 0; at < ms; at += TURN_MS) {
    for (const clock of clocks) clock.advance(TURN_MS)
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }
}

const bucket = (): RecordStore =>
  new MemoryBroker({ logger: silentLogger }).link().records({ home: 'data', bucket: 'leases' })

test('a gateway that is heard of no more is replaced once, and one that lives never', async () => {
  const leases = bucket()
  const clocks = [new ManualClock(0), new ManualClock(5_000_000)] as const
  const first = side(leases, 1, clocks[0])
  const second = side(leases, 2, clocks[1])
  first.peers.start()
  second.peers.start()
  await pass(clocks, 4 * LEASE_MS)
  assert.deepEqual([first.taken(), second.taken()], [0, 0])
  // The clock of a process that was killed stands still.
  await pass([clocks[0]], 4 * LEASE_MS)
  assert.deepEqual([first.taken(), second.taken()], [1, 0])
})

test('a gateway that stops hands its open actions on at once', async () => {
  const leases = bucket()
  const clock = new ManualClock(0)
  const first = side(leases, 1, clock)
  const second = side(leases, 2, clock)
  first.peers.start()
  second.peers.start()
  await pass([clock], LEASE_MS)
  const stopping = second.peers.stop()
  await pass([clock], LEASE_MS / 2)
  await stopping
  assert.equal(first.taken(), 1)
})
