import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { type GrantedAction, storedKey } from '@trustgw/protocol'
import { BusFault, type BusLink, type ClaimStore, sha256 } from '@trustgw/runtime'
import { readNote } from '../src/run/journal-note.ts'
import { type Bench, type Handler, withBench } from './support/bench.ts'
import { until } from './support/connectors.ts'
import { TENANT } from './support/world.ts'

const idOf = (action: GrantedAction) => action.decision.action_id

const noted = async (bench: Bench, action: GrantedAction) => {
  const journal = bench.world.executor.claims({ home: 'exd', bucket: 'journal' })
  const entry = await journal.read(`${TENANT}.${storedKey(sha256, idOf(action))}`)
  return readNote(entry?.note)
}

test('a cancel that claims first keeps the action from running, under whatever grant it comes', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    assert.deepEqual(await bench.ask('exec_cancel', idOf(action)), { status: 'cancelled' })
    assert.deepEqual(await bench.ask('exec_cancel', idOf(action)), { status: 'cancelled' })
    const refusal = { status: 'refused', reason: 'action_cancelled', retryable: false }
    assert.deepEqual(await bench.invoke(action), refusal)
    assert.deepEqual(
      await bench.invoke(await bench.granted({ decision: action.decision })),
      refusal,
    )
    const again = await bench.invoke(action)
    assert.deepEqual(again, { status: 'refused', reason: 'grant_used', retryable: false })
    assert.equal(bench.paid(), 0)
    assert.equal((await noted(bench, action))?.kind, 'cancelled')
  })
})

test('a cancel that comes after the claim is told so, also by another executor', async () => {
  const answers: (() => void)[] = []
  const handler: Handler = (_request, response) => {
    answers.push(() => response.writeHead(200).end('{"id":"p1"}'))
  }
  await withBench({ handler }, async (bench) => {
    const action = await bench.granted()
    await bench.invoke(action)
    await until(() => bench.paid() === 1)
    assert.deepEqual(await bench.ask('exec_cancel', idOf(action)), { status: 'claimed' })
    const other = await bench.another()
    for (let times = 0; times < 2; times += 1) {
      assert.deepEqual(await bench.ask('exec_cancel', idOf(action)), { status: 'claimed' })
    }
    for (const answer of answers) answer()
    await until(() => bench.results().length === 1)
    assert.equal(bench.results()[0]?.outcome, 'succeeded')
    await other.stop()
  })
})

test('of a start and a cancel at the same moment exactly one wins, at two executors', async () => {
  await withBench({ max_running: 64 }, async (bench) => {
    const other = await bench.another()
    const outcomes = { ran: 0, cancelled: 0 }
    for (let round = 0; round < 20; round += 1) {
      const action = await bench.granted()
      const [invoked, cancelled] = await Promise.all([
        bench.invoke(action),
        bench.ask('exec_cancel', idOf(action)),
      ])
      const hasRun = invoked.status === 'claimed'
      assert.deepEqual(cancelled, { status: hasRun ? 'claimed' : 'cancelled' })
      if (hasRun) outcomes.ran += 1
      else outcomes.cancelled += 1
    }
    await until(() => bench.results().length === outcomes.ran)
    assert.equal(bench.paid(), outcomes.ran)
    await other.stop()
  })
})

test('while the journal is out of reach nothing is cancelled, and it is asked again', async () => {
  let down = false
  const flaky = (store: ClaimStore): ClaimStore => ({
    read: (key) => store.read(key),
    verifyInsertOnly: () => store.verifyInsertOnly(),
    claim: async (key, claim) => {
      if (down) throw new BusFault('store_unreachable', 'down')
      return await store.claim(key, claim)
    },
  })
  await withBench(
    { wrap: (link) => ({ ...link, claims: (of) => flaky(link.claims(of)) }) },
    async (bench) => {
      const action = await bench.granted()
      down = true
      const later = { status: 'later', reason: 'store_unreachable' }
      assert.deepEqual(await bench.ask('exec_cancel', idOf(action)), later)
      await bench.invoke(action)
      down = false
      assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
      await until(() => bench.paid() === 1)
    },
  )
})

for (const [when, isStored] of [
  ['never reached the store', false],
  ['reached the store', true],
] as const)
  test(`a cancel gives up what is held and not entered: its claim ${when}`, async () => {
    let answers = true
    const forgetful = (store: ClaimStore): ClaimStore => ({
      read: (key) => store.read(key),
      verifyInsertOnly: () => store.verifyInsertOnly(),
      claim: async (key, claim) => {
        if (answers) return await store.claim(key, claim)
        if (isStored) await store.claim(key, claim)
        throw new BusFault('store_ambiguous', 'no answer')
      },
    })
    const wrap = (link: BusLink): BusLink => ({
      ...link,
      claims: (of) => (of.bucket === 'journal' ? forgetful(link.claims(of)) : link.claims(of)),
    })
    await withBench({ wrap }, async (bench) => {
      const action = await bench.granted()
      answers = false
      await bench.invoke(action)
      answers = true
      assert.deepEqual(await bench.ask('exec_cancel', idOf(action)), { status: 'cancelled' })
      await bench.invoke(action)
      await bench.invoke(await bench.granted({ decision: action.decision }))
      await bench.restart()
      await bench.invoke(await bench.granted({ decision: action.decision }))
      assert.equal(bench.paid(), 0)
    })
  })

/** Enters a call that never ends at an executor whose files are gone afterwards. */
async function lost(bench: Bench): Promise<GrantedAction> {
  const action = await bench.granted()
  await bench.invoke(action)
  await until(() => bench.paid() === 1)
  await bench.running().stop()
  await writeFile(join(bench.dir, 'executor', 'wal.ndjson'), '', { mode: 0o600 })
  return action
}

const HANG: Handler = () => undefined

test('another executor tells the end of a run whose executor died for good, and enters nothing', async () => {
  const handler: Handler = (request, response) => {
    if (request.method === 'GET') response.writeHead(200).end('{"id":"p7"}')
  }
  await withBench({ handler }, async (bench) => {
    const action = await lost(bench)
    const before = bench.results().length
    const other = await bench.another()
    const early = await bench.ask('exec_reconcile', idOf(action))
    assert.deepEqual(early, { status: 'later', reason: 'may_still_run' })
    bench.world.clock.advance(90_000)
    assert.deepEqual(await bench.ask('exec_reconcile', idOf(action)), { status: 'told' })
    await until(() => bench.results().length === before + 1)
    const result = bench.results().at(-1)
    assert.deepEqual([result?.outcome, result?.output], ['succeeded', { id: 'p7' }])
    const note = await noted(bench, action)
    assert.ok(note?.kind === 'run')
    assert.deepEqual(
      [result?.jti, result?.grant_hash, result?.input_hash, result?.action_id],
      [note.jti, note.grant_hash, note.input_hash, idOf(action)],
    )
    assert.equal(bench.paid(), 1)
    assert.deepEqual(await bench.ask('exec_reconcile', idOf(action)), { status: 'told' })
    await other.stop()
    assert.equal(
      (await readFile(join(bench.dir, 'two', 'wal.ndjson'), 'utf8')).includes('pay'),
      false,
    )
  })
})

test('what the provider cannot tell is unclear, and so is what nobody claimed', async () => {
  const handler: Handler = (request, response) => {
    if (request.method === 'GET') response.writeHead(404).end()
    else HANG(request, response)
  }
  await withBench({ handler }, async (bench) => {
    const action = await lost(bench)
    const other = await bench.another()
    bench.world.clock.advance(90_000)
    const unclear = (reason: string) => ({ status: 'unclear', reason })
    assert.deepEqual(
      await bench.ask('exec_reconcile', idOf(action)),
      unclear('provider_cannot_tell'),
    )
    const never = await bench.granted()
    assert.deepEqual(await bench.ask('exec_reconcile', idOf(never)), unclear('never_claimed'))
    await bench.ask('exec_cancel', idOf(never))
    assert.deepEqual(
      await bench.ask('exec_reconcile', idOf(never)),
      unclear('claimed_never_to_run'),
    )
    assert.equal(bench.paid(), 1)
    await other.stop()
  })
})

test('an executor asks the provider again for a run that it saw end unseen, and not while it runs', async () => {
  let known = false
  const handler: Handler = (request, response) => {
    if (request.method === 'GET')
      response.writeHead(known ? 200 : 404).end(known ? '{"id":"p"}' : '')
    else if (known) response.writeHead(200).end('{}')
    else request.socket.destroy()
  }
  await withBench({ handler }, async (bench) => {
    const action = await bench.granted()
    await bench.invoke(action)
    assert.deepEqual(await bench.ask('exec_reconcile', idOf(action)), {
      status: 'later',
      reason: 'running',
    })
    await until(() => bench.results().length === 1)
    assert.equal(bench.results()[0]?.outcome, 'unknown_outcome')
    known = true
    // Its end is being recorded for a moment after its result was told.
    let answer: unknown
    do answer = await bench.ask('exec_reconcile', idOf(action))
    while (isDeepStrictEqual(answer, { status: 'later', reason: 'running' }))
    assert.deepEqual(answer, { status: 'told' })
    await until(() => bench.results().length === 2)
    assert.equal(bench.results()[1]?.outcome, 'succeeded')
    assert.equal(bench.paid(), 1)
  })
})

test('a claim that an earlier version made says nothing, and is left to people', async () => {
  await withBench({}, async (bench) => {
    const action = await bench.granted()
    const journal = bench.world.executor.claims({ home: 'exd', bucket: 'journal' })
    const key = `${TENANT}.${storedKey(sha256, idOf(action))}`
    await journal.claim(key, { attempt: 'A'.repeat(22), note: 'gnt_1' })
    assert.deepEqual(await bench.ask('exec_cancel', idOf(action)), { status: 'claimed' })
    const answer = await bench.ask('exec_reconcile', idOf(action))
    assert.deepEqual(answer, { status: 'unclear', reason: 'claim_says_nothing' })
  })
})

test('a question that is none is not answered', async () => {
  await withBench({}, async (bench) => {
    const asked = bench.world.gateway.bus.request(
      `exec.v1.${TENANT}.connector.cancel`,
      new TextEncoder().encode('{"v":1,"action_id":"act_x"}'),
      { timeoutMs: 300 },
    )
    await assert.rejects(asked, BusFault)
  })
})
