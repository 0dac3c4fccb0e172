import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { type BundledPolicy, POLICY_TEXT_MAX_BYTES } from '@trustgw/protocol'
import {
  deflateText,
  inflatePolicies,
  inflateText,
  jsonLogger,
  ManualClock,
  nodeRandom,
  SeededRandom,
  sha256,
  systemClock,
} from '@trustgw/runtime'
import { parseRequester } from '../src/bus/requester.ts'
import { isLiteralSubject, subjectMatches } from '../src/bus/subject.ts'
import { WorkPool } from '../src/bus/work-pool.ts'

const ACCOUNT = `A${'B'.repeat(55)}`
const USER = `U${'C'.repeat(55)}`

describe('the requester', () => {
  it('is read from three members, and the token that may be beside them is dropped', () => {
    const info = { acc: ACCOUNT, user: USER, name_tag: 'agent', jwt: 'eyJhbGciOi', host: '1.2.3.4' }
    assert.deepEqual(parseRequester(JSON.stringify(info)), {
      account: ACCOUNT,
      user: USER,
      name: 'agent',
    })
    assert.deepEqual(parseRequester(JSON.stringify({ acc: ACCOUNT, rtt: 5 })), { account: ACCOUNT })
  })

  it('is unknown when the statement is not as the server writes it', () => {
    const bad = ['', '{', '[]', 'null', '{}', '{"acc":5}', '{"acc":"acme"}', `{"user":"${USER}"}`]
    for (const header of bad) assert.equal(parseRequester(header), undefined, header)
    assert.deepEqual(parseRequester(JSON.stringify({ acc: ACCOUNT, user: 'root' })), {
      account: ACCOUNT,
    })
  })
})

describe('subjects', () => {
  it('match token by token', () => {
    assert(subjectMatches('a.*.c', 'a.b.c'))
    assert(subjectMatches('a.>', 'a.b.c'))
    assert(!subjectMatches('a.>', 'a'))
    assert(!subjectMatches('a.*', 'a.b.c'))
    assert(!subjectMatches('a.b.c', 'a.b'))
    for (const bad of ['', 'a..b', 'a.*', '>', 'a b', 'a.\n', '.a', 'x'.repeat(600)]) {
      assert(!isLiteralSubject(bad), bad)
    }
    assert(isLiteralSubject('$KV.actions.acme.a_b-2f'))
  })
})

describe('the work pool', () => {
  it('refuses beyond its backlog and tells when it is idle', async () => {
    const pool = new WorkPool(1, 1)
    const gate = new AbortController()
    const held = once(gate.signal, 'abort')
    const done: string[] = []
    const task = (name: string) => async (): Promise<void> => {
      await held
      done.push(name)
    }
    assert.deepEqual(
      [pool.offer(task('a')), pool.offer(task('b')), pool.offer(task('c'))],
      [true, true, false],
    )
    gate.abort()
    await pool.idle()
    assert.deepEqual(done, ['a', 'b'])
  })
})

describe('the logger', () => {
  it('writes one JSON object a line and lets no secret, object or long text through', () => {
    const lines: string[] = []
    const clock = new ManualClock(0)
    const root = jsonLogger({ write: (line) => lines.push(line), clock, level: 'info' })
    const logger = root.with({ process: 'gateway' })
    const object: unknown = { password: 'hunter2' }
    logger.debug('not_written')
    logger.info('call', {
      key: 'tgk_acme_k1_s3cr3ts3cr3t',
      seed: `SU${'A'.repeat(56)}`,
      jws: 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2ln',
      pem: '-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----',
      auth: 'Authorization: Bearer abc123',
      long: 'x'.repeat(1_000),
      // A caller that slipped past the types.
      object: object as string,
      process: 'forged',
      time: 'forged',
    })
    assert.equal(lines.length, 1)
    const line = lines[0] ?? ''
    assert(!line.includes('\n'))
    for (const secret of ['s3cr3t', 'AAAA', 'eyJ', 'MC4C', 'abc123', 'hunter2', 'forged']) {
      assert(!line.includes(secret), secret)
    }
    const written = JSON.parse(line)
    assert.equal(written.time, '1970-01-01T00:00:00.000Z')
    assert.equal(written.process, 'gateway')
    assert.equal(written.event, 'call')
    assert(written.long.length < 300)
  })
})

describe('clock, random and hash', () => {
  it('a manual clock rings in the order of time and a sleep can be aborted', async () => {
    const clock = new ManualClock(1_000)
    const rung: string[] = []
    clock.setTimer(20, () => rung.push(`b@${clock.now()}`))
    clock.setTimer(10, () => rung.push(`a@${clock.now()}`))
    const cancel = clock.setTimer(15, () => rung.push('never'))
    cancel()
    const slept = clock.sleep(30)
    clock.advance(50)
    await slept
    assert.deepEqual(rung, ['a@1010', 'b@1020'])
    for (const each of [clock, systemClock]) {
      const controller = new AbortController()
      const sleeping = each.sleep(60_000, controller.signal)
      controller.abort()
      await assert.rejects(sleeping)
    }
  })

  it('random bytes have the length asked for and seeded ones repeat', () => {
    assert.equal(nodeRandom.bytes(16).length, 16)
    assert.notDeepEqual(nodeRandom.bytes(16), nodeRandom.bytes(16))
    assert.deepEqual(new SeededRandom('s').bytes(70), new SeededRandom('s').bytes(70))
    assert.notDeepEqual(new SeededRandom('s').bytes(70), new SeededRandom('t').bytes(70))
  })

  it('sha256 is the one that everybody has', () => {
    const data = new Uint8Array([1, 2, 3])
    assert.equal(sha256(data), createHash('sha256').update(data).digest('hex'))
    assert.equal(sha256('ü'), createHash('sha256').update('ü', 'utf8').digest('hex'))
  })
})

it('policies of a bundle are unpacked up to 4 MiB each and 16 MiB together', () => {
  const policy = (bytes: number, file: string): BundledPolicy => ({
    layer: 'agent',
    scope: file,
    file,
    deflated: deflateText('x'.repeat(bytes)),
  })
  const full = ['a', 'b', 'c', 'd'].map((file) => policy(POLICY_TEXT_MAX_BYTES, file))
  assert.deepEqual(
    inflatePolicies(full)?.map(({ text }) => text.length),
    [...Array(4).fill(POLICY_TEXT_MAX_BYTES)],
  )
  assert.equal(inflatePolicies([...full, policy(1, 'e')]), undefined)
  assert.equal(inflatePolicies([policy(POLICY_TEXT_MAX_BYTES + 1, 'a')]), undefined)
  assert.equal(inflateText(deflateText('é'), 1), undefined, 'in UTF-8')
})
