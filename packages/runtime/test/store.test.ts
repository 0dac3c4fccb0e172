import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { BusFault, RECORD_VALUE_MAX_BYTES, type RecordStore } from '@trustgw/runtime'
import { ADAPTERS, bytes, eventually, type Links, text } from './links.ts'

const A = 'attempt-aaaaaaaaaaaaaaaa'
const B = 'attempt-bbbbbbbbbbbbbbbb'

for (const adapter of ADAPTERS) {
  describe(`the stores over ${adapter.name}`, { concurrency: 1 }, () => {
    let links: Links
    let records: RecordStore
    before(async () => {
      links = await adapter.start()
      records = links.gateway.records({ home: 'data', bucket: 'actions' })
    })
    after(async () => {
      await links.stop()
    })

    it('keeps the latest value, and replaces it only on the revision that was read', async () => {
      assert.equal(await records.get('acme.a1'), undefined)
      const made = await records.create('acme.a1', bytes('one'))
      assert(made.ok)
      assert.deepEqual(await records.create('acme.a1', bytes('two')), {
        ok: false,
        reason: 'exists',
      })
      const next = await records.replace('acme.a1', bytes('two'), made.revision)
      assert(next.ok && next.revision > made.revision)
      assert.deepEqual(await records.replace('acme.a1', bytes('three'), made.revision), {
        ok: false,
        reason: 'conflict',
      })
      const found = await records.get('acme.a1')
      assert.equal(text(found?.value ?? bytes('')), 'two')
      assert.equal(found?.revision, next.revision)
      assert.equal(found?.key, 'acme.a1')
    })

    it('lets exactly one of many writers on the same revision win', async () => {
      const made = await records.create('acme.race', bytes('0'))
      assert(made.ok)
      const outcomes = await Promise.all(
        Array.from({ length: 16 }, (_, i) =>
          records.replace('acme.race', bytes(`w${i}`), made.revision),
        ),
      )
      assert.equal(outcomes.filter((outcome) => outcome.ok).length, 1)
      const creators = await Promise.all(
        Array.from({ length: 16 }, (_, i) => records.create('acme.race2', bytes(`w${i}`))),
      )
      assert.equal(creators.filter((outcome) => outcome.ok).length, 1)
    })

    it('forgets a removed value, refuses a stale removal, and lets it be made anew', async () => {
      const made = await records.create('acme.gone', bytes('x'))
      assert(made.ok)
      assert.deepEqual(await records.remove('acme.gone', made.revision + 1_000), {
        ok: false,
        reason: 'conflict',
      })
      const removed = await records.remove('acme.gone', made.revision)
      assert(removed.ok)
      assert.equal(await records.get('acme.gone'), undefined)
      assert.equal((await records.list('acme')).filter(({ key }) => key === 'acme.gone').length, 0)
      assert.equal((await records.create('acme.gone', bytes('y'))).ok, true)
      assert.equal(text((await records.get('acme.gone'))?.value ?? bytes('')), 'y')
    })

    it('lists one tenant over several pages, by revision, each key once', async () => {
      const keys = Array.from({ length: 600 }, (_, i) => `pages.k${i}`)
      for (let at = 0; at < keys.length; at += 50) {
        await Promise.all(keys.slice(at, at + 50).map((key) => records.create(key, bytes(key))))
      }
      const first = await records.get('pages.k0')
      await records.replace('pages.k0', bytes('again'), first?.revision ?? 0)
      const listed = await records.list('pages')
      assert.deepEqual(listed.map(({ key }) => key).sort(), [...keys].sort())
      assert.equal(listed.at(-1)?.key, 'pages.k0')
      const revisions = listed.map(({ revision }) => revision)
      assert.deepEqual(
        revisions,
        [...revisions].sort((a, b) => a - b),
      )
      assert.deepEqual(await records.list('nobody'), [])
      assert((await records.list()).length >= 601)
    })

    it('takes no key that is not tenant and key, no empty value and no revision zero', async () => {
      for (const key of ['acme', 'acme.a.b', 'acme.*', 'acme.>', 'acme.', '.a', 'acme.a b']) {
        await assert.rejects(records.get(key), TypeError, key)
      }
      await assert.rejects(records.create('acme.empty', bytes('')), TypeError)
      await assert.rejects(records.replace('acme.zero', bytes('x'), 0), TypeError)
      await assert.rejects(
        records.create('acme.big', new Uint8Array(RECORD_VALUE_MAX_BYTES + 1)),
        TypeError,
      )
    })

    it('hints at changes where the bucket is imported as a stream', async () => {
      const tools = links.gateway.records({ home: 'data', bucket: 'tools' })
      const seen: string[] = []
      const watching = tools.watch((change) => {
        seen.push(change.kind === 'changed' ? change.key : '*')
      })
      const publisher = links.executor.publisher({ stream: 'KV_tools' })
      for (let i = 0; i < 100 && seen.length === 0; i += 1) {
        await publisher.publishStored('toolsout.v1.acme', bytes(`c${i}`), { msgId: `tools-${i}` })
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      assert.equal(seen[0], 'acme.connector')
      assert.match(text((await tools.get('acme.connector'))?.value ?? bytes('')), /^c/)
      await watching.stop()
    })

    it('stores a message once for its id, and reads it by sequence and as the last', async () => {
      const publisher = links.gateway.publisher({ stream: 'AUDIT' })
      const reader = links.gateway.reader({ home: 'data', stream: 'AUDIT' })
      const subject = 'audit.v1.acme.gateway.1.proposed'
      assert.equal(await reader.getLast('audit.v1.acme.gateway.>'), undefined)
      const one = await publisher.publishStored(subject, bytes('one'), { msgId: 'm1' })
      const again = await publisher.publishStored(subject, bytes('one'), { msgId: 'm1' })
      assert.deepEqual([one.stream, one.duplicate], ['AUDIT', false])
      assert.deepEqual([again.seq, again.duplicate], [one.seq, true])
      const two = await publisher.publishStored(subject, bytes('two'), {
        msgId: 'm2',
        expectLastSubjectSeq: one.seq,
      })
      await assert.rejects(
        publisher.publishStored(subject, bytes('x'), {
          msgId: 'm3',
          expectLastSubjectSeq: one.seq,
        }),
        (error) => error instanceof BusFault && error.code === 'store_refused',
      )
      const bySeq = await reader.getBySeq(one.seq)
      assert.deepEqual([bySeq?.subject, text(bySeq?.data ?? bytes(''))], [subject, 'one'])
      const last = await reader.getLast('audit.v1.acme.gateway.>')
      assert.deepEqual([last?.seq, text(last?.data ?? bytes(''))], [two.seq, 'two'])
      assert.equal(await reader.getBySeq(two.seq + 100), undefined)
    })

    it('keeps the order of publishes that are in flight together', async () => {
      const publisher = links.host.publisher({ stream: 'AUDIT' })
      const stored = await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          publisher.publishStored('audit.v1.acme.host.1.signed_in', bytes(`e${i}`), {
            msgId: `order-${i}`,
          }),
        ),
      )
      const seqs = stored.map(({ seq }) => seq)
      assert.deepEqual(
        seqs,
        [...seqs].sort((a, b) => a - b),
      )
    })

    it('lets a key be claimed by one attempt only, for ever', async () => {
      const nonces = links.executor.claims({ home: 'exd', bucket: 'grant_nonces' })
      assert.deepEqual(await nonces.verifyInsertOnly(), { ok: true })
      assert.equal(await nonces.read('acme.n1'), undefined)
      assert.equal(await nonces.claim('acme.n1', { attempt: A, note: 'first' }), 'claimed')
      assert.equal(await nonces.claim('acme.n1', { attempt: A, note: 'first' }), 'mine')
      assert.equal(await nonces.claim('acme.n1', { attempt: B }), 'taken')
      const entry = await nonces.read('acme.n1')
      assert.deepEqual([entry?.attempt, entry?.note], [A, 'first'])
    })

    it('lets exactly one of many attempts win a key [INV-16]', async () => {
      const journal = links.executor.claims({ home: 'exd', bucket: 'journal' })
      assert.deepEqual(await journal.verifyInsertOnly(), { ok: true })
      const outcomes = await Promise.all(
        Array.from({ length: 32 }, (_, i) =>
          journal.claim('acme.contended', { attempt: `attempt-number-0000${i}` }),
        ),
      )
      assert.equal(outcomes.filter((outcome) => outcome === 'claimed').length, 1)
      assert.equal(outcomes.filter((outcome) => outcome === 'taken').length, 31)
    })

    it('says of an ordinary bucket that it is not insert-only', async () => {
      const ordinary = links.gateway.claims({ home: 'data', bucket: 'actions' })
      const outcome = await ordinary.verifyInsertOnly()
      assert.equal(outcome.ok, false)
    })

    it('takes no attempt id that could be guessed by accident', async () => {
      const nonces = links.executor.claims({ home: 'exd', bucket: 'grant_nonces' })
      await assert.rejects(nonces.claim('acme.n2', { attempt: 'short' }), TypeError)
    })

    it('delivers stored messages to the durable consumer until each is acknowledged', async () => {
      const publisher = links.executor.publisher({ stream: 'RESULTS' })
      const consumer = links.gateway.consumer({
        home: 'data',
        stream: 'RESULTS',
        durable: 'gateway',
      })
      const seen: string[] = []
      const redelivered: string[] = []
      let failures = 0
      const handle = async (delivery: {
        readonly data: Uint8Array
        readonly redelivered: boolean
      }): Promise<'ack' | 'retry'> => {
        const body = text(delivery.data)
        seen.push(body)
        if (delivery.redelivered) redelivered.push(body)
        if (body === 'r1' && failures === 0) {
          failures += 1
          return 'retry'
        }
        if (body === 'r2' && failures === 1) {
          failures += 1
          throw new Error('handler')
        }
        return 'ack'
      }
      const running = consumer.consume(handle)
      for (const name of ['r0', 'r1', 'r2', 'r3']) {
        const subject = 'execout.v1.acme.act_aaaaaaaaaaaaaaaaaaaaaaaaaa.result'
        await publisher.publishStored(subject, bytes(name), { msgId: `result-${name}` })
      }
      await eventually(() => redelivered.includes('r1') && redelivered.includes('r2'))
      await eventually(() => seen.includes('r3'))
      await running.stop()
      assert.equal(seen.filter((body) => body === 'r0').length, 1)
      const handled = seen.length
      const second = consumer.consume(handle)
      await publisher.publishStored(
        'execout.v1.acme.act_aaaaaaaaaaaaaaaaaaaaaaaaaa.result',
        bytes('r4'),
        { msgId: 'result-r4' },
      )
      await eventually(() => seen.includes('r4'))
      await second.stop()
      assert.deepEqual(seen.slice(handled), ['r4'])
    })

    it('handles several messages at once, no more than asked for, each until it is acknowledged', async () => {
      const consumer = links.gateway.consumer(RESULTS)
      const gates = new Map<string, () => void>()
      const begun: string[] = []
      const ended: string[] = []
      let running = 0
      let most = 0
      const reading = consumer.consume(async ({ data, redelivered }) => {
        const body = text(data)
        begun.push(body)
        running += 1
        most = Math.max(most, running)
        if (!redelivered) await new Promise<void>((resolve) => gates.set(body, resolve))
        running -= 1
        if (body === 'c1' && !redelivered) return 'retry'
        if (body === 'c2' && !redelivered) throw new Error('handler')
        ended.push(body)
        return 'ack'
      }, 3)
      await publishAll(links, ['c0', 'c1', 'c2', 'c3', 'c4', 'c5'])
      await eventually(() => begun.length === 3)
      await pause(50)
      assert.deepEqual(begun, ['c0', 'c1', 'c2'], 'in order, and the fourth waits')
      gates.get('c2')?.()
      await eventually(() => begun.includes('c3'))
      assert.deepEqual(ended, [], 'later ones do not wait for the first')
      const open = setInterval(() => {
        for (const release of gates.values()) release()
      }, 5)
      await eventually(() => ended.length === 6)
      clearInterval(open)
      await reading.stop()
      assert.equal(most, 3)
      assert.deepEqual(new Set(ended), new Set(['c0', 'c1', 'c2', 'c3', 'c4', 'c5']))
      assert.equal(begun.filter((body) => body === 'c1' || body === 'c2').length, 4)
    })

    it('ends what several handlers began when it stops, and leaves the rest to the next reader', async () => {
      const consumer = links.gateway.consumer(RESULTS)
      const first: string[] = []
      let release: () => void = () => undefined
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      const reading = consumer.consume(async ({ data }) => {
        first.push(text(data))
        await held
        return 'ack'
      }, 2)
      const all = ['d0', 'd1', 'd2', 'd3', 'd4']
      await publishAll(links, all)
      await eventually(() => first.length === 2)
      let stopped = false
      const stopping = reading.stop().then(() => {
        stopped = true
      })
      await pause(50)
      assert.equal(stopped, false, 'what is being handled is waited for')
      release()
      await stopping
      assert.equal(first.length, 2, 'nothing new is begun')
      const second: string[] = []
      const next = consumer.consume(async ({ data }) => {
        second.push(text(data))
        return 'ack'
      }, 2)
      await eventually(() => first.length + second.length >= all.length)
      await next.stop()
      assert.deepEqual([...first, ...second].toSorted(), all)
    })
  })
}

const RESULTS = { home: 'data', stream: 'RESULTS', durable: 'gateway' } as const

async function publishAll(links: Links, names: readonly string[]): Promise<void> {
  const publisher = links.executor.publisher({ stream: 'RESULTS' })
  const to = 'execout.v1.acme.act_aaaaaaaaaaaaaaaaaaaaaaaaaa.result'
  for (const name of names) {
    await publisher.publishStored(to, bytes(name), { msgId: `result-${name}` })
  }
}
