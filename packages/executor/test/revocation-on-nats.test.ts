import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  asObject,
  type GrantedAction,
  type KeyEntry,
  NEWEST_KEY_SET_KEY,
  parseJson,
  signKeyRevocation,
  storedKey,
  subject,
} from '@trustgw/protocol'
import {
  type BusLink,
  type Clock,
  connectNats,
  KeyBook,
  nodeRandom,
  sealNext,
  sha256,
  silentLogger,
  startBeats,
  systemClock,
  withRevoked,
} from '@trustgw/runtime'
import { type BusWorld, startBusWorld } from '@trustgw/testkit/bus-world'
import { keyEntry, sealedBytes, TestOperator } from '@trustgw/testkit/key-sets'
import { runExecutor } from '../src/index.ts'
import { tempDir } from './support/connectors.ts'
import { bytesOf, NOW, PROFILE, REFUND, TENANT, World } from './support/world.ts'

/** Real clocks, around the time that the world's grants are of; `skip` lets uptime pass at once. */
class Shifted implements Clock {
  skip = 0
  readonly #began = systemClock.uptime()
  now(): number {
    return NOW + Math.floor(systemClock.uptime() - this.#began)
  }
  uptime(): number {
    return systemClock.uptime() + this.skip
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal)
  }
  setTimer(ms: number, callback: () => void): () => void {
    return systemClock.setTimer(ms, callback)
  }
}

interface Stage {
  readonly bus: BusWorld
  readonly world: World
  readonly operator: TestOperator
  readonly book: KeyBook
  readonly clock: Shifted
  readonly host: BusLink
  readonly log: BusLink
  readonly provision: BusLink
  /** What a good grant of this moment is answered with: it names no tool that is served. */
  readonly ask: () => Promise<unknown>
  readonly beats: { readonly host: () => void; readonly log: () => void }
}

const PASSED_STEP_1 = 'tool_unknown'

/** An executor that serves nothing, on a real bus, with a host and a log that beat. */
async function stage(t: TestContext): Promise<Stage> {
  const bus = await startBusWorld({ tenants: [TENANT], profiles: [PROFILE] })
  const dir = await tempDir()
  const clock = new Shifted()
  const link = (creds: BusWorld['creds']['gateway']): Promise<BusLink> =>
    connectNats({ servers: [bus.url], creds, logger: silentLogger, random: nodeRandom })
  const links = await Promise.all(
    [
      bus.creds.gateway,
      bus.executor(PROFILE),
      bus.creds.host,
      bus.creds.log,
      bus.creds.provisionData,
    ].map(link),
  )
  const [gateway, executor, host, log, provision] = links
  assert.ok(gateway && executor && host && log && provision)
  const world = new World(REFUND, { gateway, executor })
  const operator = new TestOperator({ kid: 'operator-1', ...world.operatorKey })
  const trust = join(dir.path, 'executor', 'trust')
  await operator.fill(trust, operator.sealed(entriesOf(world), { issued_at: NOW - 1_000 }))
  const book = await KeyBook.open({ dir: trust, clock, log: silentLogger })
  await book.follow({
    sets: executor.records({ home: 'data', bucket: 'keys' }),
    revocations: executor.records({ home: 'data', bucket: 'key_revocations' }),
  })
  await mkdir(join(dir.path, 'connectors'))
  await writeFile(join(dir.path, 'executor', 'credentials.toml'), 'version = 1\n[credentials]\n', {
    mode: 0o600,
  })
  const running = await runExecutor(
    {
      profile: PROFILE,
      tenants: [TENANT],
      state_dir: dir.path,
      executor_dir: join(dir.path, 'executor'),
      connectors_dir: join(dir.path, 'connectors'),
      modules_dir: dir.path,
      instance: '1',
      result_max_bytes: 100_000,
      tool_timeout_ms: 5_000,
      max_running: 8,
      development_policy: false,
    },
    {
      link: executor,
      trust: book.keys,
      keySet: book,
      resultKey: { kid: 'result-1', sign: world.resultKey.sign },
      auditKey: { kid: 'exec-audit-1', sign: world.execAuditKey.sign },
      clock,
      random: nodeRandom,
      logger: silentLogger,
    },
  )
  const common = { instance: '1', clock, keySetEpoch: () => 1, freezeCount: () => ({}) }
  const beats = {
    host: startBeats({
      ...common,
      component: 'host',
      key: { kid: 'host-1', sign: world.hostKey.sign },
      bus: host.bus,
    }),
    log: startBeats({
      ...common,
      component: 'log',
      key: { kid: 'log-1', sign: world.logKey.sign },
      bus: log.bus,
    }),
  }
  t.after(async () => {
    beats.host()
    beats.log()
    await running.stop()
    await book.stop()
    await Promise.all(links.map((one) => one.bus.drain()))
    await bus.stop()
    await dir.remove()
  })
  const ask = async (): Promise<unknown> => {
    world.clock.advance(Math.max(0, clock.now() - world.clock.now()))
    return await reasonOf(gateway, await world.granted({ tier: 0 }))
  }
  return { bus, world, operator, book, clock, host, log, provision, ask, beats }
}

async function reasonOf(gateway: BusLink, action: GrantedAction): Promise<unknown> {
  const to = subject('exec_invoke', { tenant: TENANT, profile: PROFILE })
  const answer = parseJson(await gateway.bus.request(to, bytesOf(action), { timeoutMs: 5_000 }))
  return answer.ok ? asObject(answer.value)?.['reason'] : answer
}

function entriesOf(world: World): readonly KeyEntry[] {
  const of = (kid: string, publicKey: Uint8Array): { kid: string; publicKey: Uint8Array } => ({
    kid,
    publicKey,
  })
  return [
    keyEntry(of('grant-1', world.grantKey.publicKey), { role: 'grant', component: 'gateway' }),
    keyEntry(of('audit-1', world.auditKey.publicKey), { role: 'audit', component: 'gateway' }),
    keyEntry(of('host-1', world.hostKey.publicKey), { role: 'host', component: 'host' }),
    keyEntry(of('log-1', world.logKey.publicKey), { role: 'log', component: 'log' }),
    keyEntry(of('exec-audit-1', world.execAuditKey.publicKey), {
      role: 'audit',
      component: `exec-${PROFILE}`,
    }),
  ]
}

const heard = (book: KeyBook): Promise<number> =>
  new Promise((resolve) => {
    const stop = book.onNews(() => {
      stop()
      resolve(performance.now())
    })
  })

/** Until the first beat was heard: nothing else stands between a good grant and step 2. */
async function untilHeard({ ask }: Stage): Promise<void> {
  let reason = await ask()
  while (reason === 'beat_missing') reason = await ask()
  assert.equal(reason, PASSED_STEP_1)
}

test('a key set that revokes a grant key stops a connected executor [INV-52]', async (t) => {
  const at = await stage(t)
  await untilHeard(at)
  const { kid, sign } = at.operator.key
  const next = sealNext(
    at.book.newest,
    { keys: withRevoked(at.book.newest.set.keys, 'grant-1', at.clock.now()) },
    { kid, sign, delegation: null, now: at.clock.now() },
  )
  const news = heard(at.book)
  const began = performance.now()
  const sets = at.provision.records({ home: 'own', bucket: 'keys' })
  assert.ok((await sets.create(NEWEST_KEY_SET_KEY, sealedBytes(next))).ok)
  t.diagnostic(`revoked after ${((await news) - began).toFixed(1)} ms, by a key set`)
  assert.equal(await at.ask(), 'grant_key_unknown')
  assert.equal(at.book.epoch, 2)
})

for (const plane of ['gateway', 'host'] as const) {
  test(`the ${plane} alone stops a grant key at a connected executor [INV-52]`, async (t) => {
    const at = await stage(t)
    await untilHeard(at)
    const by = {
      gateway: { kid: 'audit-1', sign: at.world.auditKey.sign, link: at.world.gateway },
      host: { kid: 'host-1', sign: at.world.hostKey.sign, link: at.host },
    }[plane]
    const token = signKeyRevocation({ kid: 'grant-1', at: at.clock.now(), reason: 'stolen' }, by)
    const records = by.link.records({ home: 'data', bucket: 'key_revocations' })
    const news = heard(at.book)
    const began = performance.now()
    await records.create(`_all.${storedKey(sha256, 'grant-1')}`, new TextEncoder().encode(token))
    t.diagnostic(`revoked after ${((await news) - began).toFixed(1)} ms, by a notice`)
    assert.equal(await at.ask(), 'grant_key_unknown')
  })
}

test('host or log may fall silent; without both nothing is admitted [INV-51]', async (t) => {
  const at = await stage(t)
  await untilHeard(at)
  at.beats.host()
  at.clock.skip += 2_500
  await untilHeard(at)
  at.beats.log()
  at.clock.skip += 2_500
  assert.equal(await at.ask(), 'beat_missing')
})
