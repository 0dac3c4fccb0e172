import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  BusFault,
  type ClaimOutcome,
  LiveCopy,
  type RecordStore,
  silentLogger,
  systemClock,
} from '@trustgw/runtime'
import fc from 'fast-check'
import { type Adapter, bytes, type Links, memoryAdapter, natsAdapter, text } from './links.ts'

/** Orders that are tried; a real server answers each call over a socket. */
const ADAPTERS: readonly (readonly [Adapter, number])[] = [
  [memoryAdapter, 150],
  [natsAdapter, 20],
]
const WORKERS = 3

/** Makes each call wait for its turn, before it is sent and before its answer is seen. */
type InTurn = <T>(call: () => Promise<T>) => Promise<T>

function inTurn(scheduler: fc.Scheduler): InTurn {
  return async (call) => {
    await scheduler.schedule(Promise.resolve())
    const answer = await call().then(
      (value) => ({ ok: true, value }) as const,
      (error: unknown) => ({ ok: false, error }) as const,
    )
    await scheduler.schedule(Promise.resolve())
    if (!answer.ok) throw answer.error
    return answer.value
  }
}

function workers<T>(work: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: WORKERS }, (_, index) => work(index)))
}

for (const [adapter, numRuns] of ADAPTERS) {
  describe(`in any order of calls, over ${adapter.name}`, { concurrency: 1 }, () => {
    let links: Links
    let keys = 0
    const freshKey = (): string => `acme.i${keys++}`
    const holds = (property: (turn: InTurn) => Promise<void>): Promise<void> =>
      fc.assert(
        fc.asyncProperty(fc.scheduler(), (scheduler) =>
          scheduler.waitFor(property(inTurn(scheduler))),
        ),
        { numRuns },
      )
    before(async () => {
      links = await adapter.start()
    })
    after(async () => {
      await links.stop()
    })

    it('a record counts every change that it said it took, and no other', async () => {
      await holds(async (turn) => {
        const key = freshKey()
        const records = links.gateway.records({ home: 'data', bucket: 'actions' })
        const taken = await workers(() => addThrice(records, key, turn))
        const last = await records.get(key)
        assert.equal(Number(text(last?.value ?? bytes('-1'))), sum(taken))
        assert.equal(sum(taken), WORKERS * 3)
      })
    })

    it('a record that is removed by one and changed by another is either, never both', async () => {
      await holds(async (turn) => {
        const key = freshKey()
        const records = links.gateway.records({ home: 'data', bucket: 'actions' })
        const made = await records.create(key, bytes('made'))
        assert.ok(made.ok)
        const outcomes = await Promise.all([
          turn(() => records.remove(key, made.revision)),
          turn(() => records.replace(key, bytes('changed'), made.revision)),
          turn(() => records.create(key, bytes('anew'))),
        ])
        const [removed, changed, anew] = outcomes.map(({ ok }) => ok)
        assert.notEqual(removed, changed)
        if (anew === true) assert.equal(removed, true, 'made anew only where it was gone')
        const found = await records.get(key)
        const expected = changed === true ? 'changed' : anew === true ? 'anew' : undefined
        assert.equal(found === undefined ? undefined : text(found.value), expected)
      })
    })

    it('a key is claimed by exactly one attempt, and its repeats say so [INV-16]', async () => {
      await holds(async (turn) => {
        const key = freshKey()
        const claims = links.executor.claims({ home: 'exd', bucket: 'grant_nonces' })
        const outcomes = await workers(async (index) => {
          const attempt = `attempt-${String(index).padStart(16, 'a')}`
          const said: ClaimOutcome[] = []
          for (let time = 0; time < 2; time += 1)
            said.push(await turn(() => claims.claim(key, { attempt, note: attempt })))
          return { attempt, said: said.join(' ') }
        })
        const [winner, ...others] = outcomes.toSorted((a, b) => a.said.localeCompare(b.said))
        assert.equal(winner?.said, 'claimed mine')
        for (const { said } of others) assert.equal(said, 'taken taken')
        assert.equal((await claims.read(key))?.attempt, winner.attempt)
      })
    })

    it('a chain grows by one writer at each place, and a message is stored once for its id', async () => {
      await holds(async (turn) => {
        const publisher = links.gateway.publisher({ stream: 'AUDIT' })
        const subject = `audit.v1.acme.gateway.${keys++}.proposed`
        const first = await publisher.publishStored(subject, bytes('0'), { msgId: `${subject} 0` })
        const outcomes = await workers(async (index) => {
          const msgId = `${subject} ${index % 2}x`
          const expectLastSubjectSeq = first.seq
          try {
            const stored = await turn(() =>
              publisher.publishStored(subject, bytes(msgId), { msgId, expectLastSubjectSeq }),
            )
            return stored.seq
          } catch (error) {
            assert.ok(error instanceof BusFault && error.code === 'store_refused', String(error))
            return undefined
          }
        })
        const stored = new Set(outcomes.filter((seq) => seq !== undefined))
        assert.equal(stored.size, 1)
        const last = await links.gateway.reader({ home: 'data', stream: 'AUDIT' }).getLast(subject)
        assert.equal(last?.seq, [...stored][0])
      })
    })

    it('a live copy ends with what the store ends with', async () => {
      await holds(async (turn) => {
        const key = freshKey()
        const store = links.host.records({ home: 'data', bucket: 'policies' })
        let seen: string | undefined
        const reload = async (): Promise<void> => {
          const found = await turn(() => store.get(key))
          seen = found === undefined ? undefined : text(found.value)
        }
        const name = 'policies'
        const copy = new LiveCopy({
          store: links.gateway.records({ home: 'data', bucket: 'policies' }),
          clock: systemClock,
          log: silentLogger,
          name,
          reload: (changed) => (changed === key ? reload() : Promise.resolve()),
          reloadAll: reload,
        })
        await copy.start()
        const made = await turn(() => store.create(key, bytes('1')))
        assert.ok(made.ok)
        const next = await turn(() => store.replace(key, bytes('2'), made.revision))
        assert.ok(next.ok)
        for (let looks = 0; looks < 500 && seen !== '2'; looks += 1) await systemClock.sleep(2)
        await copy.stop()
        assert.equal(seen, '2')
      })
    })

    it('a stored message is handled once, whoever of two readers has it when one stops', async () => {
      await holds(async (turn) => {
        const mark = freshKey()
        const publisher = links.executor.publisher({ stream: 'RESULTS' })
        const handled: string[] = []
        const read = (): { stop(): Promise<void> } =>
          links.gateway
            .consumer({ home: 'data', stream: 'RESULTS', durable: 'gateway' })
            .consume(async ({ data }) => {
              await turn(() => Promise.resolve())
              handled.push(text(data))
              return 'ack'
            }, WORKERS)
        const first = read()
        const sent = await workers(async (index) => {
          const body = `${mark} ${index}`
          const subject = 'execout.v1.acme.act_aaaaaaaaaaaaaaaaaaaaaaaaaa.result'
          await turn(() => publisher.publishStored(subject, bytes(body), { msgId: body }))
          return body
        })
        await turn(() => first.stop())
        const second = read()
        // What a stopped reader was given at its last moment comes again after a while.
        for (let looks = 0; looks < 5_000 && handled.length < WORKERS; looks += 1)
          await systemClock.sleep(2)
        await second.stop()
        assert.deepEqual(handled.toSorted(), sent)
      })
    })
  })
}

/** Three additions, each tried until it is taken; how many were. */
async function addThrice(records: RecordStore, key: string, turn: InTurn): Promise<number> {
  let taken = 0
  while (taken < 3) {
    const found = await turn(() => records.get(key))
    const next = bytes(String(Number(text(found?.value ?? bytes('0'))) + 1))
    const write = async (): Promise<boolean> =>
      found === undefined
        ? (await records.create(key, next)).ok
        : (await records.replace(key, next, found.revision)).ok
    if (await turn(write)) taken += 1
  }
  return taken
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
