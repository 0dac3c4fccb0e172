import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AuditFault, BusFault, FileFault } from '@trustgw/runtime'
import { openClearedAction } from '../src/admit/check-approvals.ts'
import { openStandingAction } from '../src/admit/check-precondition.ts'
import {
  type ClaimDeps,
  claimAction,
  enterAdmitted,
  HeldClaims,
  takenBy,
} from '../src/admit/claim-action.ts'
import { readNote, writeNote } from '../src/run/journal-note.ts'
import { ClaimBench, entryFor, failing, fault, idOf, keyOf } from './support/claiming.ts'
import { NOW, TENANT } from './support/world.ts'

const BUS = new BusFault('store_unreachable', 'down')
const FILE = new FileFault('file_unwritable', 'wal.ndjson')
const DEFECT = new RangeError('a defect')

async function refusalOf(
  bench: ClaimBench,
  standing: Awaited<ReturnType<ClaimBench['standing']>>,
  change: Partial<ClaimDeps> = {},
): Promise<string> {
  const outcome = await claimAction(standing, bench.deps(change), bench.held)
  return outcome.ok ? 'admitted' : outcome.reason
}

test('what is admitted is claimed, on disk and on record with everything that it ran under', async () => {
  await ClaimBench.with(async (bench) => {
    const standing = await bench.standing()
    const outcome = await claimAction(standing, bench.deps(), bench.held)
    assert.ok(outcome.ok)
    const { claims, grant_hash, action } = openStandingAction(standing)
    const nonce = await bench.nonces.read(keyOf(claims.jti))
    assert.equal(nonce?.note, claims.action_id)
    const journal = await bench.journal.read(keyOf(claims.action_id))
    const { jti, input_hash, tool_name } = claims
    const run = { kind: 'run', jti, grant_hash, input_hash, tool: tool_name, at: NOW }
    assert.deepEqual(readNote(journal?.note), run)
    assert.equal(journal?.attempt, nonce.attempt)
    const [entered] = (await bench.remains()).entered
    assert.equal(entered?.attempt, nonce.attempt)
    assert.deepEqual(bench.told, [
      {
        type: 'started',
        actor: { kind: 'agent', id: 'agent-1' },
        action_id: claims.action_id,
        payload: {
          jti,
          grant_hash,
          tool_id: tool_name,
          contract_hash: claims.contract_hash,
          input_hash,
          precondition_hash: claims.precondition_hash,
          decision_hash: claims.decision_hash,
          clearance: 'elevated_approval',
        },
      },
    ])
    const value = enterAdmitted(outcome.value)
    assert.equal(value.canonical_arguments, action.arguments)
    assert.throws(() => enterAdmitted(outcome.value), /entered once/)
  })
})

test('without an audit of the tenant nothing is claimed', async () => {
  await ClaimBench.with(async (bench) => {
    const standing = await bench.standing()
    const { jti } = openStandingAction(standing).claims
    const refusal = await refusalOf(bench, standing, { auditOf: () => undefined })
    assert.equal(refusal, 'audit_unreachable')
    assert.equal(await bench.nonces.read(keyOf(jti)), undefined)
  })
})

test('a start that cannot be recorded is held and may come again; then it is continued', async () => {
  for (const error of [BUS, new AuditFault('audit_not_stored', 'down')]) {
    await ClaimBench.with(async (bench) => {
      const standing = await bench.standing()
      const { action_id } = openStandingAction(standing).claims
      const deaf = bench.auditThat(fault(error))
      assert.equal(await refusalOf(bench, standing, { auditOf: () => deaf }), 'audit_unreachable')
      const kept = bench.held.get(action_id)
      assert.ok(kept !== undefined)
      const { held, entered } = await bench.remains()
      assert.deepEqual([held.length, entered.length], [1, 0])
      assert.equal(await refusalOf(bench, standing), 'admitted')
      assert.equal(bench.held.get(action_id), undefined, 'held no more')
      assert.equal((await bench.nonces.read(keyOf(kept.jti)))?.attempt, kept.attempt)
    })
  }
})

test('[INV-40] a claim that comes through when its grant is over is held, and enters nothing', async () => {
  await ClaimBench.with(async (bench) => {
    const standing = await bench.standing()
    const { action_id } = openStandingAction(standing).claims
    const slow = failing(bench.journal, { claim: () => bench.world.clock.advance(32_000) })
    assert.equal(await refusalOf(bench, standing, { journal: slow }), 'grant_expired')
    assert.ok(bench.held.get(action_id), 'the next grant continues it')
    assert.deepEqual(bench.told, [], 'it was not said to have started')
    assert.ok(await bench.journal.read(keyOf(action_id)))
  })
})

test('what is a defect is no refusal', async () => {
  await ClaimBench.with(async (bench) => {
    const standing = await bench.standing()
    const broken = bench.auditThat(fault(DEFECT))
    const lost = failing(bench.nonces, { claim: fault(DEFECT) })
    await assert.rejects(refusalOf(bench, standing, { auditOf: () => broken }), RangeError)
    await assert.rejects(refusalOf(bench, standing, { nonces: lost }), RangeError)
    Object.assign(bench.wal, { ended: fault(DEFECT), held: fault(DEFECT) })
    const down = failing(bench.nonces, { claim: fault(BUS) })
    await assert.rejects(refusalOf(bench, standing, { nonces: down }), RangeError)
  })
})

test('a store out of reach and a file that cannot be written are held, each by its name', async () => {
  await ClaimBench.with(async (bench) => {
    const standing = await bench.standing()
    const { action_id } = openStandingAction(standing).claims
    const down = failing(bench.journal, { claim: fault(BUS) })
    assert.equal(await refusalOf(bench, standing, { journal: down }), 'store_unreachable')
    assert.ok(bench.held.get(action_id))
    const broken = bench.walThat({ claiming: fault(FILE) })
    assert.equal(await refusalOf(bench, standing, { wal: broken }), 'journal_unwritable')
    const silent = bench.walThat({ held: fault(FILE) })
    assert.equal(
      await refusalOf(bench, standing, { journal: down, wal: silent }),
      'journal_unwritable',
      'that it is held is not on disk',
    )
    assert.equal(await refusalOf(bench, standing), 'admitted')
  })
})

test('a nonce that somebody else used refuses it, and leaves nothing open', async () => {
  await ClaimBench.with(async (bench) => {
    const standing = await bench.standing()
    const { jti, action_id } = openStandingAction(standing).claims
    await bench.nonces.claim(keyOf(jti), { attempt: 'attempt-of-somebody-else', note: 'x' })
    assert.equal(await refusalOf(bench, standing), 'grant_used')
    assert.equal(bench.held.get(action_id), undefined)
    const { held, entered } = await bench.remains()
    assert.deepEqual([held.length, entered.length], [0, 0])
    assert.deepEqual(bench.told, [])
  })
})

test('a used nonce says nothing about an earlier attempt of ours at the same action', async () => {
  await ClaimBench.with(async (bench) => {
    const token = await bench.cleared()
    const action = idOf(token)
    bench.held.put(entryFor(token))
    const again = await bench.world.granted({
      decision: openClearedAction(token).action.decision,
    })
    const standing = await bench.standing(again)
    const { jti } = openStandingAction(standing).claims
    await bench.nonces.claim(keyOf(jti), { attempt: 'attempt-of-somebody-else' })
    assert.equal(await refusalOf(bench, standing), 'grant_used')
    assert.ok(bench.held.get(action), 'the earlier attempt stays held')
    assert.equal((await bench.remains()).held.length, 1)
  })
})

test('an entry of the journal that is there says what it is for', async () => {
  const notes = [
    [{ kind: 'cancelled', at: NOW }, 'action_cancelled'],
    [{ kind: 'stale', at: NOW }, 'precondition_changed'],
  ] as const
  for (const [note, reason] of notes) {
    await ClaimBench.with(async (bench) => {
      const standing = await bench.standing()
      const { action_id } = openStandingAction(standing).claims
      const other = { attempt: 'attempt-of-somebody-else', note: writeNote(note) }
      await bench.journal.claim(keyOf(action_id), other)
      bench.held.put(entryFor(await bench.cleared(), { action_id }))
      assert.equal(await refusalOf(bench, standing), reason)
      assert.equal(bench.held.get(action_id), undefined, 'another’s for certain')
    })
  }
  assert.equal(takenBy(undefined), 'action_claimed')
})

test('an entry without a note, or that is gone when it is read, is another run', async () => {
  for (const read of [() => undefined, () => ({ attempt: 'attempt-of-somebody-else', seq: 1 })]) {
    await ClaimBench.with(async (bench) => {
      const standing = await bench.standing()
      const { action_id } = openStandingAction(standing).claims
      await bench.journal.claim(keyOf(action_id), { attempt: 'attempt-of-somebody-else' })
      const journal = failing(bench.journal, { read })
      assert.equal(await refusalOf(bench, standing, { journal }), 'action_claimed')
      assert.equal(bench.held.get(action_id), undefined)
    })
  }
})

test('claims that an earlier process held are known by their action, until they are let go', async () => {
  await ClaimBench.with(async (bench) => {
    const token = await bench.cleared()
    const entry = entryFor(token)
    const held = new HeldClaims([entry])
    assert.deepEqual(held.get(idOf(token)), entry)
    held.drop(idOf(token))
    assert.equal(held.get(idOf(token)), undefined)
    assert.equal(entry.tenant, TENANT)
  })
})
