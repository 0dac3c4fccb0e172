import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  type Clock,
  LEASE_MS,
  Lease,
  type LeaseDeps,
  ManualClock,
  type RecordStore,
  silentLogger,
} from '@trustgw/runtime'
import fc from 'fast-check'
import { ADAPTERS, type Links, memoryAdapter } from './links.ts'

const KEY = '_all.gateway_1'

interface Told {
  readonly held: number[]
  lost: number
}

function leaseOver(
  store: LeaseDeps['store'],
  holder: string,
  clock: Clock,
  more: Partial<LeaseDeps> = {},
): { readonly lease: Lease; readonly told: Told } {
  const told: Told = { held: [], lost: 0 }
  const lease = new Lease({
    store,
    key: KEY,
    holder,
    clock,
    log: silentLogger,
    onHeld: (term) => told.held.push(term),
    onLost: () => {
      told.lost += 1
    },
    ...more,
  })
  return { lease, told }
}

for (const adapter of ADAPTERS) {
  describe(`a lease over ${adapter.name}`, { concurrency: 1 }, () => {
    let links: Links
    let store: RecordStore
    before(async () => {
      links = await adapter.start()
      store = links.gateway.records({ home: 'data', bucket: 'leases' })
    })
    after(() => links.stop())

    it('is held by one; who gives it up hands it on at once, in the next term', async () => {
      const clock = new ManualClock(0)
      const a = leaseOver(store, 'a', clock)
      const b = leaseOver(store, 'b', clock)
      await a.lease.turn()
      await b.lease.turn()
      assert.equal(a.lease.held(), 1)
      assert.equal(b.lease.held(), undefined)
      await a.lease.release()
      assert.equal(a.told.lost, 1)
      await b.lease.turn()
      assert.equal(b.lease.held(), 2)
      await b.lease.release()
    })

    it('is taken from a holder that renews no more, only after the whole time, and the holder knows before', async () => {
      const clock = new ManualClock(0)
      const a = leaseOver(store, 'a', clock)
      const b = leaseOver(store, 'b', clock)
      await a.lease.turn()
      await b.lease.turn()
      const term = a.lease.held() ?? 0
      clock.advance(LEASE_MS - 1)
      assert.equal(a.lease.held(), undefined, 'the holder stops before another may begin')
      assert.equal(a.told.lost, 1)
      await b.lease.turn()
      assert.equal(b.lease.held(), undefined)
      clock.advance(1)
      await b.lease.turn()
      assert.equal(b.lease.held(), term + 1)
      await b.lease.release()
    })

    it('is not taken from a holder that renews, however slow its clock says it is', async () => {
      const own = new ManualClock(0)
      const other = new ManualClock(1_000_000_000)
      const a = leaseOver(store, 'a', own)
      const b = leaseOver(store, 'b', other)
      await a.lease.turn()
      for (let turn = 0; turn < 8; turn += 1) {
        await a.lease.turn()
        other.advance(LEASE_MS - 1)
        await b.lease.turn()
        assert.equal(b.lease.held(), undefined)
      }
      await a.lease.release()
    })

    it('is lost to a holder of the same name that may take it at once', async () => {
      const clock = new ManualClock(0)
      const a = leaseOver(store, 'one:a', clock)
      const b = leaseOver(store, 'one:b', clock, {
        mayTake: (entry) => entry === undefined || entry.holder.startsWith('one:'),
      })
      await store.get(KEY)
      await a.lease.turn()
      await b.lease.turn()
      assert.notEqual(b.lease.held(), undefined)
      await a.lease.turn()
      assert.equal(a.lease.held(), undefined)
      assert.equal(a.told.lost, 1)
      await b.lease.release()
    })
  })
}

describe('a lease under any order of events', () => {
  /** What a holder does with a store whose answers come late, or never. */
  function shaken(store: RecordStore, pass: <T>(task: () => Promise<T>) => Promise<T>) {
    return {
      get: (key: string) => pass(() => store.get(key)),
      create: (key: string, value: Uint8Array) => pass(() => store.create(key, value)),
      replace: (key: string, value: Uint8Array, revision: number) =>
        pass(() => store.replace(key, value, revision)),
    }
  }

  it('has never two holders at the same moment, and terms only grow', async () => {
    const steps = fc.array(
      fc.record({
        who: fc.nat(2),
        what: fc.constantFrom('turn', 'turn', 'turn', 'release', 'wait', 'wait'),
        ms: fc.constantFrom(LEASE_MS, LEASE_MS / 2, 100),
        answers: fc.nat(8),
      }),
      { minLength: 5, maxLength: 60 },
    )
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), steps, async (scheduler, script) => {
        const links = await memoryAdapter.start()
        const store = links.gateway.records({ home: 'data', bucket: 'leases' })
        const clock = new ManualClock(0)
        const pass = async <T>(task: () => Promise<T>): Promise<T> => {
          await scheduler.schedule(Promise.resolve())
          const done = await task()
          await scheduler.schedule(Promise.resolve())
          return done
        }
        const terms: number[] = []
        const leases = ['a', 'b', 'c'].map((holder) =>
          leaseOver(shaken(store, pass), holder, clock, { onHeld: (term) => terms.push(term) }),
        )
        const check = (): void => {
          const holders = leases.filter(({ lease }) => lease.held() !== undefined)
          assert.ok(holders.length <= 1, `${holders.length} holders`)
        }
        const running = new Map<number, Promise<void>>()
        for (const { who, what, ms, answers } of script) {
          const lease = leases[who]?.lease
          if (what === 'wait') clock.advance(ms)
          else if (!running.has(who) && lease !== undefined) {
            const work = (what === 'turn' ? lease.turn() : lease.release()).finally(() =>
              running.delete(who),
            )
            running.set(who, work)
          }
          check()
          for (let i = 0; i < answers; i += 1) {
            // A write that was answered is followed by more: let it.
            if (scheduler.count() > 0) await scheduler.waitOne()
            else await Promise.resolve()
            check()
          }
        }
        await scheduler.waitFor(Promise.all(running.values()))
        check()
        assert.deepEqual(
          terms,
          terms.toSorted((x, y) => x - y),
        )
        assert.equal(new Set(terms).size, terms.length)
        await links.stop()
      }),
      { numRuns: 300 },
    )
  })
})
