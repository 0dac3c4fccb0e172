import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  base64urlEncode,
  type KeyEntry,
  signKeyOffer,
  signKeyRevocation,
  storedKey,
} from '@trustgw/protocol'
import {
  KeyBook,
  KeyPublisher,
  ManualClock,
  MemoryBroker,
  type NamedKey,
  type RecordStore,
  sha256,
  silentLogger,
} from '@trustgw/runtime'
import { keyEntry, namedKey, TestOperator } from '@trustgw/testkit/key-sets'
import { KeyRotation, ROTATION_SWEEP_MS } from '../src/keys/key-rotation.ts'

const NOW = 1_790_000_000_000
const HOUR_MS = 3_600_000

interface Desk {
  readonly clock: ManualClock
  readonly rotation: KeyRotation
  readonly book: KeyBook
  readonly grant: NamedKey
  readonly audit: NamedKey
  readonly offer: (next: NamedKey, replaces: string | null) => Promise<void>
  readonly revoke: (kid: string) => Promise<void>
  readonly entry: (kid: string) => KeyEntry | undefined
}

async function desk(t: TestContext): Promise<Desk> {
  const temp = await mkdtemp(join(tmpdir(), 'tg-rotation-'))
  const clock = new ManualClock(NOW)
  const link = new MemoryBroker({ logger: silentLogger }).link()
  const records = (bucket: string): RecordStore => link.records({ home: 'data', bucket })
  const operator = new TestOperator()
  const [grant, audit, rotating] = [namedKey('grant'), namedKey('audit'), namedKey('rotation')]
  const entries = [
    keyEntry(grant, { role: 'grant', component: 'gateway', not_before: NOW, since: NOW }),
    keyEntry(audit, { role: 'audit', component: 'gateway' }),
  ]
  await operator.fill(temp, operator.sealed(entries, { issued_at: NOW }))
  const book = await KeyBook.open({ dir: temp, clock, log: silentLogger })
  const [sets, offers, revocations] = ['keys', 'key_offers', 'key_revocations'].map(records)
  assert.ok(sets && offers && revocations)
  await book.follow({ sets, revocations })
  const rotation = new KeyRotation({
    book,
    publisher: new KeyPublisher({ book, sets, offers, clock }),
    offers,
    signer: {
      kid: rotating.kid,
      sign: rotating.sign,
      delegation: operator.delegation(rotating, NOW),
    },
    rotateEveryMs: 2 * HOUR_MS,
    overlapMs: HOUR_MS,
    clock,
    log: silentLogger,
  })
  rotation.start()
  t.after(async () => {
    await rotation.stop()
    await book.stop()
    await rm(temp, { recursive: true })
  })
  const put = async (store: RecordStore, kid: string, token: string): Promise<void> => {
    await store.create(`_all.${storedKey(sha256, kid)}`, new TextEncoder().encode(token))
  }
  return {
    clock,
    rotation,
    book,
    grant,
    audit,
    offer: (next, replaces) =>
      put(
        offers,
        next.kid,
        signKeyOffer(
          {
            kid: next.kid,
            public_key: base64urlEncode(next.publicKey),
            replaces,
            offered_at: clock.now(),
          },
          { sign: next.sign, audit },
        ),
      ),
    revoke: (kid) =>
      put(revocations, kid, signKeyRevocation({ kid, at: clock.now(), reason: 'stolen' }, audit)),
    entry: (kid) => book.newest.set.keys.find((key) => key.kid === kid),
  }
}

test('a grant key is rotated when it is due, with overlap, and not before', async (t) => {
  const { clock, rotation, book, grant, offer, entry } = await desk(t)
  const next = namedKey('grant')
  await offer(next, grant.kid)
  await rotation.sweep()
  assert.equal(book.epoch, 1, 'not due yet')
  clock.advance(2 * HOUR_MS - 1)
  await rotation.sweep()
  assert.equal(book.epoch, 1)
  clock.advance(ROTATION_SWEEP_MS)
  await rotation.sweep()
  assert.deepEqual([book.epoch, book.newest.by], [2, 'delegate'])
  const since = entry(next.kid)?.not_before ?? 0
  assert.ok(since > 2 * HOUR_MS + NOW && entry(next.kid)?.not_after === null)
  assert.equal(entry(grant.kid)?.not_after, since + HOUR_MS)
  await rotation.sweep()
  assert.equal(book.epoch, 2, 'nothing more is due')
})

test('what a plane revoked goes into the set; a gateway without a key gets none by itself', async (t) => {
  const { clock, rotation, book, grant, offer, revoke, entry } = await desk(t)
  await offer(namedKey('grant'), null)
  await offer(namedKey('grant'), 'grant-unknown')
  clock.advance(3 * HOUR_MS)
  await revoke(grant.kid)
  while (book.epoch === 1) {
    await new Promise((resolve) => setImmediate(resolve))
    await rotation.sweep()
  }
  assert.equal(entry(grant.kid)?.status, 'revoked')
  await offer(namedKey('grant'), grant.kid)
  await rotation.sweep()
  assert.equal(book.newest.set.keys.filter(({ role }) => role === 'grant').length, 1)
})
