import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import {
  base64urlEncode,
  type KeyEntry,
  NEWEST_KEY_SET_KEY,
  type SealedKeySet,
  signKeyOffer,
  signKeyRevocation,
  signKeySet,
  storedKey,
} from '@trustgw/protocol'
import {
  FileFault,
  KeyBook,
  type KeyNews,
  loadTrust,
  ManualClock,
  MemoryBroker,
  type NamedKey,
  type RecordStore,
  sealNext,
  sha256,
  silentLogger,
  withRevoked,
  withRotated,
} from '@trustgw/runtime'
import { keyEntry, namedKey, sealedBytes, TestOperator } from '@trustgw/testkit/key-sets'

const NOW = 1_790_000_000_000
const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const SKEW_MS = 2_000

/** One installation's keys, a bus, and a reader with a trust folder of its own. */
class Ring {
  readonly operator = new TestOperator()
  readonly grant = namedKey('grant')
  readonly audit = namedKey('audit')
  readonly host = namedKey('host')
  readonly result = namedKey('result')
  readonly rotation = namedKey('rotation')
  readonly clock = new ManualClock(NOW)
  readonly news: KeyNews[] = []
  readonly dir: string
  readonly #link = new MemoryBroker({ logger: silentLogger }).link()
  readonly entries: readonly KeyEntry[] = [
    keyEntry(this.grant, { role: 'grant', component: 'gateway' }),
    keyEntry(this.audit, { role: 'audit', component: 'gateway' }),
    keyEntry(this.host, { role: 'host', component: 'host' }),
    keyEntry(this.result, { role: 'result', component: 'exec-connector' }),
  ]
  readonly first: SealedKeySet = this.operator.sealed(this.entries, { issued_at: NOW - DAY_MS })

  constructor(dir: string) {
    this.dir = dir
  }

  records(bucket: string): RecordStore {
    return this.#link.records({ home: 'data', bucket })
  }

  async open(): Promise<KeyBook> {
    const { dir, clock } = this
    const book = await KeyBook.open({ dir, clock, log: silentLogger })
    book.onNews((news) => this.news.push(news))
    await book.follow({ sets: this.records('keys'), revocations: this.records('key_revocations') })
    return book
  }

  async put(sealed: SealedKeySet | Uint8Array): Promise<void> {
    const bytes = sealed instanceof Uint8Array ? sealed : sealedBytes(sealed)
    const records = this.records('keys')
    const before = await records.get(NEWEST_KEY_SET_KEY)
    if (before === undefined) await records.create(NEWEST_KEY_SET_KEY, bytes)
    else await records.replace(NEWEST_KEY_SET_KEY, bytes, before.revision)
  }

  async say(kid: string, by: NamedKey, at = NOW): Promise<void> {
    const token = signKeyRevocation({ kid, at, reason: 'stolen' }, by)
    const key = `_all.${storedKey(sha256, kid, by.kid)}`
    await this.records('key_revocations').create(key, new TextEncoder().encode(token))
  }

  offer(next: NamedKey, by = this.audit): string {
    const offer = {
      kid: next.kid,
      public_key: base64urlEncode(next.publicKey),
      replaces: this.grant.kid,
      offered_at: NOW,
    }
    return signKeyOffer(offer, { sign: next.sign, audit: by })
  }

  /** A set as the rotation key would sign it, whatever is in it. */
  delegated(
    keys: readonly KeyEntry[],
    change: Partial<SealedKeySet> & { readonly epoch?: number; readonly issued_at?: number } = {},
  ): SealedKeySet {
    const { epoch = 2, issued_at = NOW, ...rest } = change
    return {
      v: 1,
      set: signKeySet({ v: 1, epoch, issued_at, keys }, this.rotation),
      delegation: this.operator.delegation(this.rotation, NOW - HOUR_MS),
      base: this.first.set,
      offers: [],
      ...rest,
    }
  }
}

async function ring(t: TestContext): Promise<Ring> {
  const dir = await mkdtemp(join(tmpdir(), 'tg-keys-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const made = new Ring(join(dir, 'trust'))
  await made.operator.fill(made.dir, made.first)
  return made
}

async function opened(t: TestContext): Promise<{ readonly keys: Ring; readonly book: KeyBook }> {
  const keys = await ring(t)
  const book = await keys.open()
  t.after(() => book.stop())
  return { keys, book }
}

const grants = (book: KeyBook, kid: string): boolean =>
  book.keys.keyFor({ role: 'grant', component: 'gateway' })(kid) !== undefined

/** What becomes of a set that appears on the bus. */
async function fate(
  { keys, book }: { keys: Ring; book: KeyBook },
  sealed: SealedKeySet | Uint8Array,
): Promise<string> {
  keys.news.length = 0
  await keys.put(sealed)
  await book.refresh()
  const news = keys.news.at(-1)
  if (news?.kind === 'refused') return news.reason
  return news?.kind === 'set' ? `epoch ${news.epoch} by ${news.by}` : 'nothing'
}

describe('a key book', () => {
  it('takes what the pinned root signed, and hands out lookups that see it [INV-53]', async (t) => {
    const at = await opened(t)
    const next = namedKey('grant')
    assert.ok(grants(at.book, at.keys.grant.kid))
    const lookup = at.book.keys.keyFor({ role: 'grant', component: 'gateway' })
    assert.equal(lookup(next.kid), undefined)
    const more = [...at.keys.entries, keyEntry(next, { role: 'grant', component: 'gateway' })]
    assert.equal(await fate(at, at.keys.operator.sealed(more, { epoch: 2 })), 'epoch 2 by operator')
    assert.notEqual(lookup(next.kid), undefined)
    assert.notEqual(at.book.keys.keyFor({ role: 'operator' })(at.keys.operator.key.kid), undefined)
  })

  it('never goes back, over a restart neither, and takes nothing of another root [INV-53]', async (t) => {
    const at = await opened(t)
    const { operator, entries } = at.keys
    const old = operator.sealed(entries, { epoch: 2 })
    assert.equal(await fate(at, operator.sealed(entries, { epoch: 3 })), 'epoch 3 by operator')
    assert.equal(await fate(at, old), 'key_set_old')
    const other = operator.sealed(entries.slice(1), { epoch: 3 })
    assert.equal(await fate(at, other), 'key_set_conflict')
    const stranger = new TestOperator()
    assert.equal(await fate(at, stranger.sealed(entries, { epoch: 9 })), 'key_set_signature')
    assert.equal(await fate(at, new TextEncoder().encode('{"v":1}')), 'key_set_malformed')
    const twice = operator.sealed([...entries, ...entries], { epoch: 9 })
    assert.equal(await fate(at, twice), 'key_set_malformed')
    await at.keys.put(old)
    const again = await at.keys.open()
    assert.equal(again.epoch, 3)
    await again.stop()
  })

  it('does not start on a damaged file of its own, nor without a pinned root', async (t) => {
    for (const file of ['root.json', 'key-set.json', 'revoked.json']) {
      const keys = await ring(t)
      await writeFile(join(keys.dir, file), '{"v":1', { mode: 0o600 })
      await assert.rejects(keys.open(), FileFault, file)
    }
    const keys = await ring(t)
    await rm(join(keys.dir, 'root.json'))
    await assert.rejects(keys.open(), FileFault)
  })

  it('believes a key in its time only, with the skew of grants', async (t) => {
    const { keys } = await opened(t)
    const timed = keyEntry(keys.grant, {
      role: 'grant',
      component: 'gateway',
      not_before: NOW,
      not_after: NOW + HOUR_MS,
    })
    const at = { keys, book: await keys.open() }
    t.after(() => at.book.stop())
    await fate(at, keys.operator.sealed([timed], { epoch: 2 }))
    const believed = at.book.keys.keyFor({ role: 'grant' })
    keys.clock.advance(HOUR_MS + SKEW_MS - 1)
    assert.notEqual(believed(keys.grant.kid), undefined)
    keys.clock.advance(1)
    assert.equal(believed(keys.grant.kid), undefined)
    const then = (time: number): boolean =>
      at.book.keys.keyFor({ role: 'grant', at: time })(keys.grant.kid) !== undefined
    assert.deepEqual(
      [NOW - SKEW_MS - 1, NOW - SKEW_MS, NOW + HOUR_MS, NOW + 2 * HOUR_MS].map(then),
      [false, true, true, false],
      'what it signed in its time still verifies',
    )
  })
})

describe('a rotation key', () => {
  it('brings a key that a gateway offers and retires the one before', async (t) => {
    const at = await opened(t)
    const next = namedKey('grant')
    const token = at.keys.offer(next)
    const offer = {
      v: 1,
      kid: next.kid,
      public_key: base64urlEncode(next.publicKey),
      replaces: at.keys.grant.kid,
      offered_at: NOW,
      possession: '',
    } as const
    const keys = withRotated(at.keys.entries, offer, { now: NOW, overlapMs: HOUR_MS })
    const { sign, kid } = at.keys.rotation
    const delegation = at.keys.operator.delegation(at.keys.rotation, NOW - HOUR_MS)
    const signer = { kid, sign, delegation, now: NOW }
    const sealed = sealNext(at.book.newest, { keys, offers: [token] }, signer)
    assert.equal(await fate(at, sealed), 'epoch 2 by delegate')
    at.keys.clock.advance(10_000)
    assert.ok(grants(at.book, next.kid) && grants(at.book, at.keys.grant.kid), 'both, for a while')
    at.keys.clock.advance(HOUR_MS)
    assert.ok(grants(at.book, next.kid) && !grants(at.book, at.keys.grant.kid))
    const third = sealNext(
      at.book.newest,
      { keys: withRevoked(keys, next.kid, NOW + HOUR_MS) },
      { ...signer, now: NOW + HOUR_MS },
    )
    assert.equal(await fate(at, third), 'epoch 3 by delegate')
    assert.ok(!grants(at.book, next.kid))
  })

  it('changes nothing else, and brings nothing that no gateway offers [INV-53]', async (t) => {
    const at = await opened(t)
    const { keys } = at
    const next = namedKey('grant')
    const added = keyEntry(next, {
      role: 'grant',
      component: 'gateway',
      not_before: NOW,
      since: NOW,
    })
    const offers = [keys.offer(next)]
    const stranger = namedKey('audit')
    const changed = (entry: KeyEntry, change: Partial<KeyEntry>): readonly KeyEntry[] =>
      keys.entries.map((one) => (one === entry ? { ...one, ...change } : one))
    const [grant, audit, host] = keys.entries
    assert.ok(grant !== undefined && audit !== undefined && host !== undefined)
    const cases: readonly (readonly [string, SealedKeySet, string])[] = [
      ['no offer', keys.delegated([...keys.entries, added]), 'key_set_not_allowed'],
      [
        'an offer for which the host vouches',
        keys.delegated([...keys.entries, added], { offers: [keys.offer(next, keys.host)] }),
        'key_set_not_allowed',
      ],
      [
        'an offer for which nobody vouches',
        keys.delegated([...keys.entries, added], { offers: [keys.offer(next, stranger)] }),
        'key_set_not_allowed',
      ],
      [
        'another key under an offered name',
        keys.delegated(
          [...keys.entries, { ...added, public_key: base64urlEncode(stranger.publicKey) }],
          { offers },
        ),
        'key_set_not_allowed',
      ],
      [
        'an offered key in another role',
        keys.delegated([...keys.entries, { ...added, role: 'host', component: 'host' }], {
          offers,
        }),
        'key_set_not_allowed',
      ],
      [
        'an offered key that is dated back',
        keys.delegated([...keys.entries, { ...added, not_before: 0 }], { offers }),
        'key_set_not_allowed',
      ],
      ['a key less', keys.delegated(keys.entries.slice(0, 3)), 'key_set_not_allowed'],
      ['another host key', keys.delegated(changed(host, { kid: 'host-x' })), 'key_set_not_allowed'],
      [
        'the host retired',
        keys.delegated(changed(host, { not_after: NOW })),
        'key_set_not_allowed',
      ],
      [
        'the audit key revoked',
        keys.delegated(changed(audit, { status: 'revoked', since: NOW })),
        'key_set_not_allowed',
      ],
      [
        'a revocation that voids the past',
        keys.delegated(changed(grant, { status: 'revoked', since: 0 })),
        'key_set_not_allowed',
      ],
      [
        'no newer epoch than the root',
        keys.delegated(keys.entries, { epoch: 1 }),
        'key_set_not_allowed',
      ],
      ['too far ahead', keys.delegated(keys.entries, { epoch: 1_026 }), 'key_set_ahead'],
      [
        'signed before its time',
        keys.delegated(keys.entries, { issued_at: NOW - 2 * HOUR_MS }),
        'key_set_delegation',
      ],
      [
        'a delegation over',
        keys.delegated(keys.entries, {
          delegation: keys.operator.delegation(keys.rotation, NOW - 2 * DAY_MS),
          issued_at: NOW - DAY_MS - HOUR_MS,
        }),
        'key_set_delegation',
      ],
      [
        'a delegation that it wrote itself',
        keys.delegated(keys.entries, {
          delegation: new TestOperator().delegation(keys.rotation, NOW - HOUR_MS),
        }),
        'key_set_delegation',
      ],
      [
        'a base of its own',
        keys.delegated(keys.entries, {
          base: signKeySet({ v: 1, epoch: 1, issued_at: 0, keys: keys.entries }, keys.rotation),
        }),
        'key_set_signature',
      ],
      ['no base', keys.delegated(keys.entries, { base: null }), 'key_set_malformed'],
    ]
    for (const [name, sealed, reason] of cases) assert.equal(await fate(at, sealed), reason, name)
    assert.equal(at.book.epoch, 1)
  })

  it('takes nothing back: no retirement, no newer word of the root', async (t) => {
    const at = await opened(t)
    const { keys } = at
    const retired = keys.entries.map((entry) =>
      entry.role === 'grant' ? { ...entry, not_after: NOW + HOUR_MS } : entry,
    )
    assert.equal(await fate(at, keys.delegated(retired)), 'epoch 2 by delegate')
    const back = keys.delegated(keys.entries, { epoch: 3 })
    assert.equal(await fate(at, back), 'key_set_not_allowed')
    const root = keys.operator.sealed(retired, { epoch: 4, issued_at: NOW })
    assert.equal(await fate(at, root), 'epoch 4 by operator')
    assert.equal(await fate(at, keys.delegated(retired, { epoch: 5 })), 'key_set_old')
  })
})

describe('a revocation', () => {
  it('is believed of the operator, the host and a gateway alone, for grant keys only [INV-52]', async (t) => {
    for (const by of ['operator', 'host', 'gateway', 'executor'] as const) {
      const { keys, book } = await opened(t)
      const signer = {
        operator: keys.operator.key,
        host: keys.host,
        gateway: keys.audit,
        executor: keys.result,
      }
      for (const other of [keys.host, keys.audit, keys.result])
        await keys.say(other.kid, signer[by])
      await keys.say(keys.grant.kid, signer[by])
      while (keys.news.length === 0 && by !== 'executor') {
        await new Promise((resolve) => setImmediate(resolve))
      }
      await book.refresh()
      assert.equal(grants(book, keys.grant.kid), by === 'executor', by)
      assert.notEqual(book.keys.keyFor({ role: 'host' })(keys.host.kid), undefined, by)
      assert.notEqual(book.keys.keyFor({ role: 'audit' })(keys.audit.kid), undefined, by)
    }
  })

  it('holds over a restart, without the bus, and whatever a later set says [INV-52]', async (t) => {
    const { keys, book } = await opened(t)
    await keys.say(keys.grant.kid, keys.audit)
    while (grants(book, keys.grant.kid)) await new Promise((resolve) => setImmediate(resolve))
    const alone = await KeyBook.open({ dir: keys.dir, clock: keys.clock, log: silentLogger })
    assert.ok(!grants(alone, keys.grant.kid))
    assert.ok(!grantsIn(await loadTrust(keys.dir), keys.grant.kid))
    assert.equal(
      await fate({ keys, book }, keys.operator.sealed(keys.entries, { epoch: 2 })),
      'epoch 2 by operator',
    )
    assert.ok(!grants(book, keys.grant.kid))
    const revoked = withRevoked(keys.entries, keys.grant.kid, NOW)
    await fate({ keys, book }, keys.operator.sealed(revoked, { epoch: 3 }))
    await fate({ keys, book }, keys.operator.sealed(keys.entries, { epoch: 4 }))
    assert.ok(!grants(book, keys.grant.kid), 'never again')
  })

  it('that comes before its key is heard once the key is known', async (t) => {
    const { keys, book } = await opened(t)
    const next = namedKey('grant')
    await keys.say(next.kid, keys.host)
    const more = [...keys.entries, keyEntry(next, { role: 'grant', component: 'gateway' })]
    await fate({ keys, book }, keys.operator.sealed(more, { epoch: 2 }))
    while (grants(book, next.kid)) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(keys.news.at(-1)?.kind, 'revoked')
  })
})

function grantsIn(keys: Awaited<ReturnType<typeof loadTrust>>, kid: string): boolean {
  return keys.keyFor({ role: 'grant' })(kid) !== undefined
}
