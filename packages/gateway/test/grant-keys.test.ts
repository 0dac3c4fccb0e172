import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type KeyEntry, NEWEST_KEY_SET_KEY } from '@trustgw/protocol'
import {
  addKeyToFolder,
  KeyBook,
  KeyPublisher,
  ManualClock,
  MemoryBroker,
  type NamedKey,
  type OpenOffer,
  sealNext,
  silentLogger,
  withRevoked,
  withRotated,
} from '@trustgw/runtime'
import { keyEntry, namedKey, sealedBytes, TestOperator } from '@trustgw/testkit/key-sets'
import { GrantKeys } from '../src/grant/grant-keys.ts'

const NOW = 1_790_000_000_000
const HOUR_MS = 3_600_000

interface Ring {
  readonly clock: ManualClock
  readonly keys: GrantKeys
  readonly first: NamedKey
  readonly offers: () => Promise<readonly OpenOffer[]>
  readonly files: () => Promise<readonly string[]>
  /** The operator signs what becomes of the set. */
  readonly change: (of: (keys: readonly KeyEntry[]) => readonly KeyEntry[]) => Promise<void>
}

async function ring(t: TestContext): Promise<Ring> {
  const temp = await mkdtemp(join(tmpdir(), 'tg-grants-'))
  const dir = join(temp, 'grant')
  const clock = new ManualClock(NOW)
  const link = new MemoryBroker({ logger: silentLogger }).link()
  const records = (bucket: string) => link.records({ home: 'data', bucket })
  const operator = new TestOperator()
  const audit = namedKey('audit')
  const first = await addKeyToFolder(dir, 'grant')
  const entries = [
    keyEntry(first, { role: 'grant', component: 'gateway' }),
    keyEntry(audit, { role: 'audit', component: 'gateway' }),
  ]
  await operator.fill(join(temp, 'trust'), operator.sealed(entries, { issued_at: NOW }))
  const book = await KeyBook.open({ dir: join(temp, 'trust'), clock, log: silentLogger })
  const sets = records('keys')
  await book.follow({ sets, revocations: records('key_revocations') })
  const offers = records('key_offers')
  const deps = {
    dir,
    book,
    passphrase: undefined,
    auditKey: audit,
    offers,
    clock,
    log: silentLogger,
  }
  const keys = await GrantKeys.open(deps)
  await keys.start()
  t.after(async () => {
    await keys.stop()
    await book.stop()
    await rm(temp, { recursive: true })
  })
  const publisher = new KeyPublisher({ book, sets, offers, clock })
  return {
    clock,
    keys,
    first,
    offers: () => publisher.offers(),
    files: () => readdir(dir),
    change: async (of) => {
      const signer = { kid: operator.key.kid, sign: operator.key.sign, delegation: null }
      const next = sealNext(
        book.newest,
        { keys: of(book.newest.set.keys) },
        { ...signer, now: clock.now() },
      )
      const before = await sets.get(NEWEST_KEY_SET_KEY)
      if (before === undefined) await sets.create(NEWEST_KEY_SET_KEY, sealedBytes(next))
      else await sets.replace(NEWEST_KEY_SET_KEY, sealedBytes(next), before.revision)
      while (book.newest.sealed.set !== next.set) await book.refresh()
      for (let turn = 0; turn < 40; turn += 1) {
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    },
  }
}

test('a gateway signs with what is listed and offers the next key, which signs once its time begins', async (t) => {
  const { clock, keys, first, offers, files, change } = await ring(t)
  assert.equal(keys.current()?.kid, first.kid)
  const [open, ...more] = await offers()
  assert.ok(open !== undefined && more.length === 0)
  assert.equal(open.offer.replaces, first.kid)
  const times = { now: clock.now(), overlapMs: HOUR_MS }
  await change((set) => withRotated(set, open.offer, times))
  assert.equal(keys.current()?.kid, first.kid, 'its time has not begun')
  const [next] = await offers()
  assert.notEqual(next?.offer.kid, open.offer.kid, 'one more is offered at once')
  assert.equal(next?.offer.replaces, open.offer.kid)
  clock.advance(5_000)
  assert.equal(keys.current()?.kid, open.offer.kid)
  clock.advance(2 * HOUR_MS)
  await change((set) => set)
  assert.deepEqual(
    (await files()).toSorted(),
    [`${open.offer.kid}.key`, `${next?.offer.kid}.key`].toSorted(),
    'the key whose time is over is gone',
  )
})

test('a revoked key signs nothing from the moment on that the gateway hears of it', async (t) => {
  const { clock, keys, first, files, change, offers } = await ring(t)
  await change((set) => withRevoked(set, first.kid, clock.now()))
  assert.equal(keys.current(), undefined)
  assert.ok(!(await files()).includes(`${first.kid}.key`))
  const [open] = await offers()
  assert.equal(open?.offer.replaces, null)
})
