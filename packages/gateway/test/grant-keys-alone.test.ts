import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseJsonObject } from '@trustgw/protocol'
import {
  addKeyToFolder,
  BusFault,
  loadKeyFolder,
  ManualClock,
  MemoryBroker,
  type NamedKey,
  type PublicKey,
  PublicKeys,
  type RecordStore,
  silentLogger,
} from '@trustgw/runtime'
import { namedKey } from '@trustgw/testkit/key-sets'
import { GrantKeys, type GrantKeysDeps } from '../src/grant/grant-keys.ts'

const NOW = 1_790_000_000_000
const SECOND_MS = 1_000

type Validity = NonNullable<PublicKey['validity']>
type News = Parameters<Parameters<GrantKeysDeps['book']['onNews']>[0]>[0]

/** Grant keys beside a key set that says of each what the test says. */
class Alone {
  readonly clock = new ManualClock(NOW)
  readonly lines: (readonly [string, unknown])[] = []
  readonly offers: RecordStore
  readonly dir: string
  /** Told to whoever listens for news of the set. */
  tell: (news: News) => void = () => undefined
  isHeard = false
  /** What the next write of an offer ends with. */
  fault: Error | undefined
  #listed: readonly PublicKey[] = []

  constructor(dir: string) {
    this.dir = dir
    this.offers = new MemoryBroker({ logger: silentLogger })
      .link()
      .records({ home: 'data', bucket: 'key_offers' })
  }

  static async in(t: TestContext): Promise<Alone> {
    const temp = await mkdtemp(join(tmpdir(), 'tg-alone-'))
    t.after(() => rm(temp, { recursive: true }))
    return new Alone(join(temp, 'grant'))
  }

  list({ kid, publicKey }: NamedKey, change: Partial<Validity> = {}): void {
    const validity = { notBefore: NOW, notAfter: null, revokedSince: null, ...change }
    const others = this.#listed.filter((one) => one.kid !== kid)
    const entry = { kid, role: 'grant', component: 'gateway', publicKey, validity } as const
    this.#listed = [...others, entry]
  }

  async open(t: TestContext): Promise<GrantKeys> {
    const opened = await GrantKeys.open(this.deps())
    t.after(() => opened.stop())
    return opened
  }

  deps(): GrantKeysDeps {
    const { offers } = this
    const log = {
      ...silentLogger,
      info: (event: string, fields?: unknown) => void this.lines.push([event, fields]),
      warn: (event: string, fields?: unknown) => void this.lines.push([event, fields]),
    }
    const failing: RecordStore = {
      get: (key) => offers.get(key),
      replace: (key, value, revision) => offers.replace(key, value, revision),
      remove: (key, revision) => offers.remove(key, revision),
      list: (prefix) => offers.list(prefix),
      watch: (handler) => offers.watch(handler),
      create: async (key, value) => {
        if (this.fault !== undefined) throw this.fault
        return await offers.create(key, value)
      },
    }
    const keysNow = (): PublicKeys => new PublicKeys(this.#listed)
    return {
      dir: this.dir,
      book: {
        get keys() {
          return keysNow()
        },
        onNews: (hear) => {
          this.tell = hear
          this.isHeard = true
          return () => {
            this.isHeard = false
          }
        },
      },
      passphrase: undefined,
      auditKey: namedKey('audit'),
      offers: failing,
      clock: this.clock,
      log,
    }
  }

  async offered(): Promise<number> {
    return (await this.offers.list()).length
  }

  /** The offers that wait, each with the key that it takes over from. */
  async waiting(): Promise<readonly { readonly key: string; readonly replaces: unknown }[]> {
    return (await this.offers.list()).map(({ key, value }) => {
      const [, payload = ''] = Buffer.from(value).toString().split('.')
      const json = parseJsonObject(Buffer.from(payload, 'base64url'))
      return { key, replaces: json.ok ? json.value['replaces'] : undefined }
    })
  }
}

const NEWS = { kind: 'newer' } as unknown as News
const REFUSED = { kind: 'refused' } as unknown as News

async function settled(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
}

test('a key signs from its beginning to its end, and of two the one that began last', async (t) => {
  const alone = await Alone.in(t)
  const first = await addKeyToFolder(alone.dir, 'grant')
  const second = await addKeyToFolder(alone.dir, 'grant')
  const keys = await alone.open(t)
  assert.equal(keys.current(), undefined, 'none is listed')
  alone.list(first, { notBefore: NOW - SECOND_MS, notAfter: NOW + 2 * SECOND_MS })
  alone.list(second, { notBefore: NOW + SECOND_MS })
  assert.equal(keys.current()?.kid, first.kid)
  alone.clock.advance(SECOND_MS)
  assert.equal(keys.current()?.kid, second.kid)
  alone.list(second, { notBefore: NOW + SECOND_MS, revokedSince: NOW })
  assert.equal(keys.current()?.kid, first.kid)
  alone.clock.advance(SECOND_MS)
  assert.equal(keys.current(), undefined, 'at its very end')
})

test('a key whose time is over is removed, and that is told; one that is not over stays', async (t) => {
  const alone = await Alone.in(t)
  const over = await addKeyToFolder(alone.dir, 'grant')
  const revoked = await addKeyToFolder(alone.dir, 'grant')
  const inTime = await addKeyToFolder(alone.dir, 'grant')
  alone.list(over, { notAfter: NOW })
  alone.list(revoked, { revokedSince: NOW })
  alone.list(inTime, { notAfter: NOW + 1 })
  const keys = await alone.open(t)
  await rm(join(alone.dir, `${revoked.kid}.key`))
  await keys.start()
  const removed = alone.lines.filter(([event]) => event === 'grant_key_removed')
  const told = removed.map(([, fields]) => JSON.stringify(fields))
  const gone = [over, revoked].map(({ kid }) => JSON.stringify({ kid }))
  assert.deepEqual(told.toSorted(), gone.toSorted(), 'also one whose file is gone already')
  const files = await readdir(alone.dir)
  assert.ok(!files.includes(`${over.kid}.key`))
  assert.ok(files.includes(`${inTime.kid}.key`))
})

test('an offer that cannot be stored is made again after a while, and the log says why', async (t) => {
  const alone = await Alone.in(t)
  const keys = await alone.open(t)
  alone.fault = new BusFault('store_unreachable', 'down')
  await keys.start()
  assert.deepEqual(alone.lines, [['key_not_offered', { code: 'store_unreachable' }]])
  alone.clock.advance(4_999)
  await settled()
  assert.equal(alone.lines.length, 1)
  alone.fault = undefined
  alone.clock.advance(1)
  await settled()
  assert.equal(await alone.offered(), 1)
  alone.clock.advance(60_000)
  await settled()
  assert.equal(alone.lines.length, 1, 'nothing is due any more')
})

test('what is a defect is not taken for a bus that is down', async (t) => {
  const alone = await Alone.in(t)
  const keys = await GrantKeys.open(alone.deps())
  alone.fault = new RangeError('a defect')
  await assert.rejects(keys.start(), RangeError)
})

test('news of the set lead to a look; news of a refused one do not, nor any once it is stopped', async (t) => {
  const alone = await Alone.in(t)
  const first = await addKeyToFolder(alone.dir, 'grant')
  alone.list(first)
  const keys = await alone.open(t)
  await keys.start()
  const before = await alone.waiting()
  alone.list(first, { notAfter: NOW })
  alone.tell(REFUSED)
  await settled()
  assert.deepEqual(alone.lines, [])
  alone.tell(NEWS)
  await settled()
  assert.equal(alone.lines.length, 1)
  const after = await alone.waiting()
  assert.deepEqual(
    after.map(({ key }) => key),
    before.map(({ key }) => key),
    'the same key stays offered',
  )
  assert.equal(after[0]?.replaces, null, 'its offer is made anew')
  const { tell } = alone
  await keys.stop()
  assert.equal(alone.isHeard, false)
  const [next] = before
  assert.ok(next !== undefined)
  await alone.offers.remove(next.key, (await alone.offers.get(next.key))?.revision ?? 0)
  tell(NEWS)
  await settled()
  assert.equal(await alone.offered(), 0, 'it is stopped')
})

test('a stop while an offer is to be made again makes none', async (t) => {
  const alone = await Alone.in(t)
  const keys = await alone.open(t)
  alone.fault = new BusFault('store_unreachable', 'down')
  await keys.start()
  await keys.stop()
  alone.fault = undefined
  alone.clock.advance(10_000)
  await settled()
  assert.equal(await alone.offered(), 0)
})

test('what was offered and is listed by now is taken back, and names from which key it takes over', async (t) => {
  const alone = await Alone.in(t)
  const old = await addKeyToFolder(alone.dir, 'grant')
  const newer = await addKeyToFolder(alone.dir, 'grant')
  const ending = await addKeyToFolder(alone.dir, 'grant')
  alone.list(old, { notBefore: NOW - 2 })
  alone.list(newer, { notBefore: NOW - 1 })
  alone.list(ending, { notAfter: NOW + SECOND_MS })
  const keys = await alone.open(t)
  await keys.start()
  const [offer] = await alone.waiting()
  assert.equal(offer?.replaces, newer.kid)
  const files = await readdir(alone.dir)
  const own = [old, newer, ending].map(({ kid }) => `${kid}.key`)
  const [made] = files.filter((name) => !own.includes(name))
  const taken = (await loadKeyFolder(alone.dir, 'grant')).find(({ kid }) => `${kid}.key` === made)
  assert.ok(taken !== undefined)
  alone.list(taken)
  alone.tell(NEWS)
  await settled()
  const [next, ...more] = await alone.waiting()
  assert.deepEqual([next?.replaces, more.length], [taken.kid, 0], 'one waits, and it is another')
})
