import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Beat, signBeat, storedKey } from '@trustgw/protocol'
import {
  type ClaimStore,
  type Clock,
  nodeRandom,
  PublicKeys,
  sha256,
  silentLogger,
} from '@trustgw/runtime'
import { clearAction } from '../src/admit/admission.ts'
import { type ClaimDeps, claimAction, HeldClaims } from '../src/admit/claim-action.ts'
import { Heartbeat } from '../src/beat/heartbeat.ts'
import { Wal } from '../src/run/wal.ts'
import { tempDir } from './support/connectors.ts'
import { bytesOf, NOW, TENANT, World } from './support/world.ts'

/** A machine whose clock can be set without time going by. */
class Machine implements Clock {
  wall = NOW
  up = 0
  now(): number {
    return this.wall
  }
  uptime(): number {
    return this.up
  }
  sleep(): Promise<void> {
    return Promise.resolve()
  }
  setTimer(): () => void {
    return () => undefined
  }
  pass(ms: number): void {
    this.wall += ms
    this.up += ms
  }
}

interface Ear {
  readonly world: World
  readonly machine: Machine
  readonly heartbeat: Heartbeat
  readonly keySet: { refreshed: number; newest: number; onRefresh: () => void }
  /** What would become of a good grant now. */
  readonly admits: () => Promise<string>
}

function listening(t: TestContext, trust?: PublicKeys): Ear {
  const world = new World()
  const machine = new Machine()
  const keySet = {
    epoch: 1,
    refreshed: 0,
    newest: 1,
    onRefresh: (): void => undefined,
    refresh(): Promise<void> {
      keySet.onRefresh()
      keySet.refreshed += 1
      keySet.epoch = keySet.newest
      return Promise.resolve()
    },
  }
  const heartbeat = new Heartbeat({
    bus: world.executor.bus,
    trust: trust ?? world.trust,
    keySet,
    clock: machine,
    logger: silentLogger,
  })
  heartbeat.start()
  t.after(() => heartbeat.stop())
  const admits = async (): Promise<string> => {
    await delivered()
    const deps = world.admission({ liveness: heartbeat })
    const outcome = await clearAction(bytesOf(await world.granted({ tier: 0 })), deps)
    return outcome.ok ? 'admitted' : outcome.reason
  }
  return { world, machine, heartbeat, keySet, admits }
}

/** The bus in memory hands on at the next turn. */
async function delivered(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

test('beat_missing: an executor that never heard host or log admits nothing [INV-51]', async (t) => {
  const { admits } = listening(t)
  assert.equal(await admits(), 'beat_missing')
})

for (const component of ['host', 'log'] as const) {
  test(`the ${component} alone is enough, for two seconds by the own clock [INV-51]`, async (t) => {
    const { world, machine, admits } = listening(t)
    world.beat({ component })
    assert.equal(await admits(), 'admitted')
    machine.up += 2_000
    assert.equal(await admits(), 'admitted')
    machine.up += 1
    assert.equal(await admits(), 'beat_missing')
    machine.wall -= 60_000
    assert.equal(await admits(), 'beat_missing', 'a clock that is set back revives nothing')
  })
}

test('what is old, of the future, kept, of another plane or unsigned does not count [INV-51]', async (t) => {
  const { world, machine, admits } = listening(t)
  const say = (token: Uint8Array, subject: string): void =>
    world.gateway.bus.publish(subject, token)
  const first = world.beat()
  assert.equal(await admits(), 'admitted')
  machine.pass(1_999)
  world.clock.advance(1_999)
  say(first, 'beat.v1.host')
  machine.up += 2
  assert.equal(await admits(), 'beat_missing', 'played again within its time')
  for (const at of [machine.now() - 2_001, machine.now() + 2_001]) world.beat({ at })
  assert.equal(await admits(), 'beat_missing', 'not of now')
  say(world.beat({ component: 'log', at: 1 }), 'beat.v1.host')
  const forged: Beat = {
    v: 1,
    component: 'host',
    instance: '2',
    at: machine.now(),
    key_set_epoch: 1,
    freeze_count: {},
  }
  const signers = [
    { kid: 'log-1', sign: world.logKey.sign },
    { kid: 'grant-1', sign: world.grantKey.sign },
    { kid: 'audit-1', sign: world.auditKey.sign },
    { kid: 'host-1', sign: world.grantKey.sign },
  ]
  for (const signer of signers) {
    say(new TextEncoder().encode(signBeat(forged, signer)), 'beat.v1.host')
  }
  const asLog = signBeat(forged, { kid: 'log-1', sign: world.logKey.sign })
  say(new TextEncoder().encode(asLog), 'beat.v1.log')
  say(new Uint8Array(20_000), 'beat.v1.host')
  assert.equal(await admits(), 'beat_missing', 'not of the plane that it names')
  const genuine = signBeat(forged, { kid: 'host-1', sign: world.hostKey.sign })
  say(new TextEncoder().encode(genuine), 'beat.v1.host')
  assert.equal(await admits(), 'admitted')
})

test('key_set_behind: who hears of a newer key set looks for it, and admits nothing before [INV-52]', async (t) => {
  const { world, machine, keySet, admits } = listening(t)
  world.beat({ key_set_epoch: 3 })
  assert.equal(await admits(), 'key_set_behind')
  assert.equal(keySet.refreshed, 1, 'at once, and not for each that asks')
  keySet.newest = 2
  machine.pass(300)
  assert.equal(await admits(), 'key_set_behind')
  keySet.newest = 3
  machine.pass(300)
  assert.equal(await admits(), 'admitted')
})

test('a plane whose key is believed no more has said nothing', async (t) => {
  const trust = new PublicKeys([])
  const ear = listening(t, trust)
  const mine = ear.world.trust.keys
  trust.replace(mine)
  ear.world.beat({ component: 'log' })
  ear.world.beat({ key_set_epoch: 9 })
  assert.equal(await ear.admits(), 'key_set_behind')
  trust.replace(mine.filter(({ kid }) => kid !== 'host-1'))
  assert.equal(await ear.admits(), 'admitted', 'the log is heard, and knows of nothing newer')
  assert.equal(ear.heartbeat.freezesHeard(TENANT), 0)
  trust.replace(mine.filter(({ role }) => role !== 'host' && role !== 'log'))
  assert.equal(await ear.admits(), 'beat_missing')
})

test('a key that only a newer key set has is looked for before it is refused', async (t) => {
  const { world, keySet, admits } = listening(t)
  const all = world.trust.keys
  world.trust.replace(all.filter(({ role }) => role !== 'grant'))
  assert.equal(await admits(), 'beat_missing', 'nobody says that there is no such key')
  world.beat()
  assert.equal(await admits(), 'grant_key_unknown')
  keySet.newest = 2
  keySet.onRefresh = () => world.trust.replace(all)
  world.beat({ key_set_epoch: 2 })
  assert.equal(await admits(), 'admitted')
})

test('what is revoked between the checks and the claim claims nothing [INV-52]', async (t) => {
  const temp = await tempDir()
  t.after(() => temp.remove())
  const { world, heartbeat } = listening(t)
  world.beat()
  await delivered()
  const action = await world.granted({ tier: 0 })
  const cleared = await clearAction(bytesOf(action), world.admission({ liveness: heartbeat }))
  assert.ok(cleared.ok)
  world.trust.replace(world.trust.keys.filter(({ role }) => role !== 'grant'))
  const { wal } = await Wal.open(join(temp.path, 'wal.ndjson'), NOW)
  const claims = (bucket: string): ClaimStore => world.executor.claims({ home: 'exd', bucket })
  const audit = await world.gatewayAudit()
  const deps: ClaimDeps = {
    ...world.beliefs(),
    liveness: heartbeat,
    nonces: claims('grant_nonces'),
    journal: claims('journal'),
    wal,
    auditOf: () => audit,
    clock: world.clock,
    random: nodeRandom,
    sha256,
  }
  const claimed = await claimAction(cleared.value.token, deps, new HeldClaims([]))
  assert.equal(claimed.ok ? 'admitted' : claimed.reason, 'grant_key_unknown')
  const { action_id } = cleared.value
  assert.equal(await deps.journal.read(`${TENANT}.${storedKey(sha256, action_id)}`), undefined)
  await wal.close()
})
