import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  type AuditEvent,
  auditEventHash,
  chainStart,
  parseComponent,
  parseTenantId,
} from '@trustgw/protocol'
import {
  AuditFault,
  type AuditWriter,
  BusFault,
  type BusLink,
  generateSigningKey,
  nodeRandom,
  type StartAuditWriterOptions,
  type StoredPublisher,
  type StoredReader,
  sha256,
  startAuditWriter,
  systemClock,
  verifierOf,
} from '@trustgw/runtime'
import { ADAPTERS, bytes, type Links, text } from './links.ts'

const ACTOR = { kind: 'system', id: 'gateway' } as const
const key = generateSigningKey()

function options(link: BusLink, tenant: string, component = 'gateway'): StartAuditWriterOptions {
  const slug = parseTenantId(tenant)
  const name = parseComponent(component)
  assert(slug.ok && name.ok)
  return {
    tenant: slug.value,
    component: name.value,
    instance: '1',
    local: component.startsWith('exec-'),
    kid: 'audit-1',
    sign: key.sign,
    sha256,
    clock: systemClock,
    random: nodeRandom,
    bus: link.bus,
    publisher: link.publisher({ stream: 'AUDIT' }),
    reader: link.reader({ home: 'data', stream: 'AUDIT' }),
    keyFor: (kid) => (kid === 'audit-1' ? verifierOf(key.publicKey) : undefined),
  }
}

function assertChained(events: readonly AuditEvent[], first = chainStart(sha256)): void {
  let previous: string = first
  for (const event of events) {
    assert.equal(event.prev_hash, previous)
    previous = auditEventHash(sha256, event)
  }
}

/** A publisher that fails as it is told, in front of a real one. */
function faulty(inner: StoredPublisher): StoredPublisher & { failing: boolean } {
  return {
    failing: false,
    async publishStored(subject, data, publish) {
      if (this.failing) throw new BusFault('store_unreachable', 'told to')
      return inner.publishStored(subject, data, publish)
    },
  }
}

async function code(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert(error instanceof AuditFault)
  return error.code
}

for (const adapter of ADAPTERS) {
  describe(`the audit writer over ${adapter.name}`, { concurrency: 1 }, () => {
    let links: Links
    before(async () => {
      links = await adapter.start()
    })
    after(async () => {
      await links.stop()
    })

    it('chains what is appended at once in the order of the calls, and goes on after a restart', async () => {
      const writer = await startAuditWriter(options(links.gateway, 'acme'))
      const first = await Promise.all(
        Array.from({ length: 30 }, () => writer.append('proposed', { actor: ACTOR })),
      )
      const seqs = first.map(({ event }) => event.seq)
      assert.deepEqual(
        seqs,
        Array.from({ length: 30 }, (_, i) => i + 1),
      )
      assert.equal(first[0]?.event.writer, 'gateway/1')
      const again = await startAuditWriter(options(links.gateway, 'acme'))
      const next = await again.append('evaluated', { actor: ACTOR, payload: { tier: 2 } })
      assert.equal(next.event.seq, 31)
      assertChained([...first.map(({ event }) => event), next.event])
      const reader = links.gateway.reader({ home: 'data', stream: 'AUDIT' })
      const stored = await reader.getBySeq(next.stored.seq)
      assert.deepEqual(JSON.parse(text(stored?.data ?? bytes(''))), { ...next.event })
    })

    it('finds its own chain at once, however busy the others of its component are', async () => {
      const busy = await startAuditWriter(options(links.gateway, 'busy'))
      const setup = { ...options(links.gateway, 'busy'), instance: 'second' }
      const { event } = await (await startAuditWriter(setup)).append('proposed', { actor: ACTOR })
      assert.deepEqual([event.seq, event.prev_hash], [1, chainStart(sha256)])
      await Promise.all(Array.from({ length: 50 }, () => busy.append('proposed', { actor: ACTOR })))
      const asked: string[] = []
      const reader: StoredReader = {
        getBySeq: (seq) => {
          asked.push(`${seq}`)
          return setup.reader.getBySeq(seq)
        },
        getLast: (subject) => {
          asked.push(subject)
          return setup.reader.getLast(subject)
        },
      }
      const again = await startAuditWriter({ ...setup, reader })
      const next = await again.append('evaluated', { actor: ACTOR })
      assert.equal(next.event.seq, 2)
      assertChained([event, next.event])
      assert.deepEqual(asked, ['audit.v1.busy.gateway.second.*'])
    })

    it('writes under the executor profile that the boundary stamps in', async () => {
      const writer = await startAuditWriter(options(links.executor, 'acme', 'exec-connector'))
      const { event, stored } = await writer.append('started', { actor: ACTOR })
      assert.equal(event.writer, 'exec-connector/1')
      const reader = links.executor.reader({ home: 'data', stream: 'AUDIT' })
      const found = await reader.getBySeq(stored.seq)
      assert.equal(found?.subject, 'audit.v1.acme.exec-connector.1.started')
      const again = await startAuditWriter(options(links.executor, 'acme', 'exec-connector'))
      assert.equal((await again.append('finished', { actor: ACTOR })).event.seq, 2)
    })

    it('makes no later event while an earlier one is not stored, and then loses none', async () => {
      const setup = options(links.gateway, 'globex')
      const publisher = faulty(setup.publisher)
      const writer: AuditWriter = await startAuditWriter({ ...setup, publisher })
      await writer.append('proposed', { actor: ACTOR })
      publisher.failing = true
      assert.equal(await code(writer.append('evaluated', { actor: ACTOR })), 'audit_not_stored')
      assert.equal(await code(writer.append('grant_issued', { actor: ACTOR })), 'audit_broken')
      publisher.failing = false
      const { event } = await writer.append('denied', { actor: ACTOR })
      assert.equal(event.seq, 3)
      const reader = links.gateway.reader({ home: 'data', stream: 'AUDIT' })
      const late = await reader.getLast('audit.v1.globex.gateway.1.evaluated')
      assert.equal(JSON.parse(text(late?.data ?? bytes('{}'))).seq, 2)
      assert.equal(await reader.getLast('audit.v1.globex.gateway.1.grant_issued'), undefined)
    })

    it('stores an event once whose acknowledgement was lost for longer than repeats are known', async () => {
      const base = options(links.gateway, 'echo')
      let lost = false
      let times = 0
      const publisher: StoredPublisher = {
        async publishStored(subject, data, publish) {
          times += 1
          // The stream forgot the id by now.
          const stored = await base.publisher.publishStored(subject, data, {
            ...publish,
            msgId: `${publish.msgId}.${times}`,
          })
          if (lost) throw new BusFault('store_ambiguous', 'the answer was lost')
          return stored
        },
      }
      const writer = await startAuditWriter({ ...base, publisher })
      const stored = [(await writer.append('proposed', { actor: ACTOR })).stored.seq]
      lost = true
      assert.equal(await code(writer.append('evaluated', { actor: ACTOR })), 'audit_not_stored')
      lost = false
      stored.push((await writer.append('started', { actor: ACTOR })).stored.seq)
      const [from = 0, to = 0] = stored
      const seqs: unknown[] = []
      for (let seq = from; seq <= to; seq += 1) {
        const message = await base.reader.getBySeq(seq)
        if (message?.subject.startsWith('audit.v1.echo.') !== true) continue
        seqs.push((JSON.parse(text(message.data)) as AuditEvent).seq)
      }
      assert.deepEqual(seqs, [1, 2, 3])
    })

    it('sends no event before the earlier one is stored, so that none can get lost alone', async () => {
      const setup = options(links.gateway, 'lonely')
      const sent: string[] = []
      let goOn = (): void => undefined
      const held = new Promise<void>((resolve) => {
        goOn = resolve
      })
      const publisher: StoredPublisher = {
        publishStored: async (to, data, publish) => {
          sent.push(to)
          await held
          return setup.publisher.publishStored(to, data, publish)
        },
      }
      const writer = await startAuditWriter({ ...setup, publisher })
      const first = writer.append('proposed', { actor: ACTOR })
      const second = writer.append('evaluated', { actor: ACTOR })
      await new Promise((resolve) => setImmediate(resolve))
      assert.deepEqual(sent, ['audit.v1.lonely.gateway.1.proposed'])
      goOn()
      assertChained([(await first).event, (await second).event])
      assert.equal(sent.length, 2)
    })

    it('does not continue a chain whose last event it did not sign', async () => {
      const mine = await startAuditWriter(options(links.gateway, 'forged'))
      const { event } = await mine.append('proposed', { actor: ACTOR })
      const forged = { ...event, seq: 2, prev_hash: auditEventHash(sha256, event) }
      await links.gateway
        .publisher({ stream: 'AUDIT' })
        .publishStored('audit.v1.forged.gateway.1.denied', bytes(JSON.stringify(forged)), {
          msgId: 'forged',
        })
      assert.equal(await code(startAuditWriter(options(links.gateway, 'forged'))), 'audit_tail')
    })

    it('refuses an event that is too large without taking a place in the chain', async () => {
      const writer = await startAuditWriter(options(links.gateway, 'large'))
      const payload = Object.fromEntries(
        Array.from({ length: 40 }, (_, i) => [`n${i}`, 'x'.repeat(500)]),
      )
      assert.equal(
        await code(writer.append('proposed', { actor: ACTOR, payload })),
        'audit_too_large',
      )
      assert.equal((await writer.append('proposed', { actor: ACTOR })).event.seq, 1)
    })
  })
}
