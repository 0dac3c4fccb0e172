import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { type GrantedAction, storedKey } from '@trustgw/protocol'
import {
  BusFault,
  type BusLink,
  type ClaimStore,
  executorCrossings,
  sha256,
} from '@trustgw/runtime'
import {
  type Bench,
  type Handler,
  publish,
  publishedRegistry,
  typesOf,
  withBench,
} from './support/bench.ts'
import { until } from './support/connectors.ts'
import { POLICY } from './support/policy.ts'
import { PROFILE, TENANT } from './support/world.ts'

test('an allowed call runs once and its signed result is stored', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    await until(() => bench.results().length === 1)
    const result = bench.results()[0]
    assert.equal(result?.outcome, 'succeeded')
    assert.deepEqual(result?.output, { id: 'p1' })
    assert.equal(result?.action_id, action.decision.action_id)
    await until(() => bench.paid() === 1)
    await bench.running().stop()
    assert.deepEqual(await typesOf(bench), ['policy_pinned', 'started', 'finished'])
    const left = await bench.world.gateway
      .records({ home: 'exd', bucket: 'executions' })
      .list(TENANT)
    assert.deepEqual(left, [], 'a stored result is taken out of executions')
  })
})

test('an approved call of tier 2 runs only with a pin in the file of this executor [INV-24]', async () => {
  await withBench({}, async (bench) => {
    const refused = await bench.invoke(await bench.granted({ tier: 2 }))
    assert.deepEqual(refused, {
      status: 'refused',
      reason: 'credential_not_pinned',
      retryable: false,
    })
    const { pinFirst } = await import('../src/index.ts')
    const pinned = await pinFirst(join(bench.dir, 'executor', 'pins.json'), bench.world.pin())
    assert.ok(pinned.ok)
    assert.deepEqual(await bench.invoke(await bench.granted({ tier: 2 })), { status: 'claimed' })
    await until(() => bench.results().length === 1)
    assert.equal(bench.paid(), 1)
  })
})

test('without a policy nothing is admitted, and everything once one is pinned', async () => {
  await withBench({ withoutPolicy: true }, async (bench) => {
    assert.equal((await publishedRegistry(bench.world)).policy, null)
    const action = await bench.granted()
    assert.deepEqual(await bench.invoke(action), {
      status: 'refused',
      reason: 'policy_missing',
      retryable: true,
    })
    await publish(bench.world, bench.world.bundle)
    await until(async () => (await publishedRegistry(bench.world)).policy?.epoch === 1)
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    await until(() => bench.paid() === 1)
  })
})

test('a new policy is pinned, told and recorded; the old one decides no more [INV-36]', async () => {
  await withBench({}, async (bench) => {
    const { world } = bench
    const before = await publishedRegistry(world)
    assert.equal(before.policy?.epoch, 1)
    const old = await bench.granted()
    await publish(world, world.sealed([{ text: POLICY }], 2))
    await until(async () => (await publishedRegistry(world)).policy?.epoch === 2)
    const after = await publishedRegistry(world)
    assert.notEqual(after.policy?.bundle_hash, before.policy?.bundle_hash)
    assert.deepEqual(after.tools, before.tools)
    assert.deepEqual(await bench.invoke(old), {
      status: 'refused',
      reason: 'policy_superseded',
      retryable: true,
    })
    await publish(world, world.bundle)
    await until(async () => (await typesOf(bench)).includes('policy_refused'))
    await bench.running().stop()
    await bench.restart()
    assert.equal((await bench.invoke(old)).status, 'refused')
    const told = (await bench.events()).filter(({ type }) => type.startsWith('policy_'))
    assert.deepEqual(
      told.map(({ payload }) => [
        payload['epoch'] ?? payload['reason'],
        payload['by'] ?? payload['details'],
      ]),
      [
        [1, 'operator'],
        [2, 'operator'],
        ['bundle_old', 'epoch 1'],
        [2, 'own pin'],
        ['bundle_old', 'epoch 1'],
      ],
    )
    assert.equal(told[0]?.payload['bundle_hash'], before.policy?.bundle_hash)
    assert.equal(bench.paid(), 0)
  })
})

test('a grant that comes again never enters the tool again; its result is published again', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    await bench.invoke(action)
    await until(() => bench.results().length === 1)
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    const again = await bench.granted({ decision: action.decision })
    assert.deepEqual(await bench.invoke(again), { status: 'claimed' })
    assert.equal(bench.paid(), 1)
    await bench.running().stop()
    const refusals = (await bench.events()).filter(({ type }) => type === 'admission_refused')
    assert.deepEqual(
      refusals.map(({ payload }) => payload['reason']),
      ['grant_used', 'grant_used'],
    )
  })
})

test('grant_used, action_claimed: what another process claimed is not entered again', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    await bench.invoke(action)
    await until(() => bench.results().length === 1)
    await bench.running().stop()
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    const fresh = await bench.granted({ decision: action.decision })
    assert.deepEqual(await bench.invoke(fresh), { status: 'claimed' })
    await bench.running().stop()
    const refusals = (await bench.events()).filter(({ type }) => type === 'admission_refused')
    const reasons = refusals.map(({ payload }) => payload['reason'])
    assert.deepEqual(reasons, ['grant_used', 'action_claimed'])
    assert.equal(bench.paid(), 1)
  })
})

test('grant_used: a grant for another action under a used nonce is refused for good', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    await bench.invoke(action)
    await until(() => bench.results().length === 1)
    const jti = bench.results()[0]?.jti
    assert.ok(jti !== undefined)
    const other = await bench.invoke(await bench.granted({ claims: { jti } }))
    assert.deepEqual(other, { status: 'refused', reason: 'grant_used', retryable: false })
    assert.equal(bench.paid(), 1)
  })
})

test('grant_used: while another executor has used the nonce for this action and not claimed it yet, it may come again', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    const { jti, action_id } = readGrantClaims(action)
    const { nonces, journal } = claimsOf(bench.link)
    const attempt = 'another-executors-attempt'
    const key = `${TENANT}.${storedKey(sha256, jti)}`
    await nonces.claim(key, { attempt, note: action_id })
    const early = await bench.invoke(action)
    assert.deepEqual(early, { status: 'refused', reason: 'grant_used', retryable: true })
    await journal.claim(`${TENANT}.${storedKey(sha256, action_id)}`, { attempt })
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    assert.equal(bench.paid(), 0)
  })
})

function claimsOf(link: BusLink): { readonly nonces: ClaimStore; readonly journal: ClaimStore } {
  return {
    nonces: link.claims({ home: 'exd', bucket: 'grant_nonces' }),
    journal: link.claims({ home: 'exd', bucket: 'journal' }),
  }
}

function readGrantClaims(action: GrantedAction): { jti: string; action_id: string } {
  const [, body = ''] = action.grant.split('.')
  return JSON.parse(Buffer.from(body, 'base64url').toString())
}

test('two deliveries at once enter the tool once [INV-16]', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    const answers = await Promise.all([
      bench.invoke(action),
      bench.invoke(action),
      bench.invoke(action),
    ])
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['claimed', 'claimed', 'claimed'],
    )
    await until(() => bench.results().length >= 1)
    assert.equal(bench.paid(), 1)
  })
})

test('store_unreachable: nothing runs, and the same grant is taken up later', async () => {
  let down = true
  const flaky = (store: ClaimStore): ClaimStore => ({
    read: (key) => store.read(key),
    verifyInsertOnly: () => store.verifyInsertOnly(),
    claim: async (key, claim) => {
      const outcome = await store.claim(key, claim)
      // The claim is stored, but the answer is lost.
      if (down) throw new BusFault('store_ambiguous', 'lost')
      return outcome
    },
  })
  const wrap = (link: BusLink): BusLink => ({
    ...link,
    claims: (options) => flaky(link.claims(options)),
  })
  await withBench({ wrap }, async (bench) => {
    const action = await bench.granted()
    const refused = { status: 'refused', reason: 'store_unreachable', retryable: true }
    assert.deepEqual(await bench.invoke(action), refused)
    assert.equal(bench.paid(), 0)
    await bench.running().stop()
    await bench.restart()
    down = false
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    await until(() => bench.results().length === 1)
    assert.equal(bench.paid(), 1)
  })
})

test('audit_unreachable: no tool is entered before `started` is stored', async () => {
  let down = false
  const wrap = (link: BusLink): BusLink => ({
    ...link,
    publisher: (options) => {
      const publisher = link.publisher(options)
      return {
        publishStored: async (target, data, how) => {
          if (down && options.stream === 'AUDIT') throw new BusFault('store_unreachable', 'down')
          return await publisher.publishStored(target, data, how)
        },
      }
    },
  })
  await withBench({ wrap }, async (bench) => {
    const action = await bench.granted()
    down = true
    const refused = { status: 'refused', reason: 'audit_unreachable', retryable: true }
    assert.deepEqual(await bench.invoke(action), refused)
    assert.equal(bench.paid(), 0)
    down = false
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    await until(() => bench.results().length === 1)
    assert.equal(bench.paid(), 1)
  })
})

test('executor_busy: more than the limit is refused and may come again', async () => {
  const waiting: ServerResponse[] = []
  await withBench(
    { handler: (_request, response) => void waiting.push(response), max_running: 1 },
    async (bench) => {
      await bench.invoke(await bench.granted())
      await until(() => waiting.length === 1)
      const answer = await bench.invoke(await bench.granted())
      assert.deepEqual(answer, { status: 'refused', reason: 'executor_busy', retryable: true })
      waiting[0]?.writeHead(200).end('{}')
      await until(() => bench.results().length === 1)
    },
  )
})

test('an output over the limit is withheld whole, and its hash kept', async () => {
  const big: Handler = (_request, response) => {
    response.writeHead(200).end(JSON.stringify({ data: 'x'.repeat(2_000) }))
  }
  await withBench({ handler: big }, async (bench) => {
    await bench.invoke(await bench.granted())
    await until(() => bench.results().length === 1)
    const result = bench.results()[0]
    assert.equal(result?.outcome, 'succeeded')
    assert.deepEqual(result?.output, { withheld: 'result_too_large', bytes: 2_011 })
    assert.notEqual(result?.raw_hash, result?.result_hash)
  })
})

async function crashDuringCall(bench: Bench): Promise<string> {
  const wal = join(bench.dir, 'executor', 'wal.ndjson')
  const copy = await readFile(wal, 'utf8')
  await bench.running().stop()
  // What a killed process leaves: the entry of the claim and no end.
  await writeFile(wal, copy, { mode: 0o600 })
  return wal
}

test('after a crash in a call the upstream is asked by key, and the tool not entered again', async () => {
  let hang = true
  const handler: Handler = (request, response) => {
    if (request.method === 'GET') response.writeHead(200).end('{"id":"p7"}')
    else if (!hang) response.writeHead(200).end('{}')
  }
  await withBench({ handler }, async (bench) => {
    await bench.invoke(await bench.granted())
    await until(() => bench.paid() === 1)
    await crashDuringCall(bench)
    hang = false
    bench.world.clock.advance(1_000)
    const before = bench.results().length
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    await until(() => bench.results().length === before + 1)
    assert.equal(bench.results().at(-1)?.outcome, 'succeeded')
    assert.deepEqual(bench.results().at(-1)?.output, { id: 'p7' })
    assert.equal(bench.paid(), 1)
  })
})

test('after a crash in a call that nobody can tell about the outcome is unknown [INV-17]', async () => {
  const handler: Handler = (request, response) => {
    if (request.method === 'GET') response.writeHead(404).end()
  }
  await withBench({ handler }, async (bench) => {
    const action = await bench.granted()
    await bench.invoke(action)
    await until(() => bench.paid() === 1)
    await crashDuringCall(bench)
    const before = bench.results().length
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    await until(() => bench.results().length === before + 1)
    assert.equal(bench.results().at(-1)?.outcome, 'unknown_outcome')
    assert.equal(bench.results().at(-1)?.reason, 'executor_stopped')
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    assert.equal(bench.paid(), 1)
  })
})

test('a result that could not be stored is delivered by the next process', async () => {
  let down = false
  const wrap = (link: BusLink): BusLink => ({
    ...link,
    publisher: (options) => {
      const publisher = link.publisher(options)
      return {
        publishStored: async (target, data, how) => {
          if (down && options.stream === 'RESULTS') throw new BusFault('store_unreachable', 'down')
          return await publisher.publishStored(target, data, how)
        },
      }
    },
  })
  await withBench({ wrap }, async (bench) => {
    down = true
    await bench.invoke(await bench.granted())
    await until(() => bench.paid() === 1)
    const executions = bench.world.gateway.records({ home: 'exd', bucket: 'executions' })
    while ((await executions.list(TENANT)).length === 0)
      await new Promise((go) => setTimeout(go, 10))
    await bench.running().stop()
    assert.equal(bench.results().length, 0)
    down = false
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    await until(() => bench.results().length === 1)
    assert.equal(bench.results()[0]?.outcome, 'succeeded')
    assert.equal(bench.paid(), 1)
  })
})

test('executor_stopping: a stopped executor takes nothing', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    await bench.running().stop()
    await assert.rejects(bench.invoke(action))
    assert.equal(bench.paid(), 0)
  })
})
