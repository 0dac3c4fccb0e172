import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusFault } from '@trustgw/runtime'
import { openClearedAction } from '../src/admit/check-approvals.ts'
import type { ClaimDeps } from '../src/admit/claim-action.ts'
import { refused } from '../src/admit/reasons.ts'
import { refuseUnmet } from '../src/admit/refuse-unmet.ts'
import { readNote, writeNote } from '../src/run/journal-note.ts'
import { ClaimBench, entryFor, failing, fault, keyOf } from './support/claiming.ts'
import { NOW } from './support/world.ts'

const CHANGED = refused('precondition_changed')
const UNREADABLE = refused('precondition_unreadable')
const OTHER = 'attempt-of-somebody-else'

/** Refuses one action; `note` is what stands in the journal, `used` whether its nonce is used. */
async function refusing(
  problem: typeof CHANGED,
  there: {
    readonly note?: Parameters<typeof writeNote>[0]
    readonly used?: boolean
    readonly isHeld?: boolean
    readonly deps?: (bench: ClaimBench) => Partial<ClaimDeps>
  } = {},
): Promise<{ readonly reason: string; readonly left: string | undefined }> {
  const found = { reason: '', left: undefined as string | undefined }
  await ClaimBench.with(async (bench) => {
    const token = await bench.cleared()
    const { jti, action_id } = openClearedAction(token).claims
    const { note } = there
    if (note !== undefined)
      await bench.journal.claim(keyOf(action_id), { attempt: OTHER, note: writeNote(note) })
    if (there.used === true) await bench.nonces.claim(keyOf(jti), { attempt: OTHER })
    if (there.isHeld === true) bench.held.put(entryFor(token))
    const deps = bench.deps(there.deps?.(bench))
    const { reason } = await refuseUnmet(token, problem, { deps, held: bench.held })
    const entry = await bench.journal.read(keyOf(action_id))
    found.reason = reason
    found.left = readNote(entry?.note)?.kind
  })
  return found
}

const RUN = {
  kind: 'run',
  jti: 'gr_aaaaaaaaaaaaaaaaaaaaaaaaaa' as never,
  grant_hash: `sha256:${'a'.repeat(64)}` as never,
  input_hash: `sha256:${'b'.repeat(64)}` as never,
  tool: 'shop.refund',
  at: NOW,
} as const

test('what changed claims the entry for never running, once', async () => {
  assert.deepEqual(await refusing(CHANGED), { reason: 'precondition_changed', left: 'stale' })
  const again = await refusing(CHANGED, { note: { kind: 'stale', at: NOW } })
  assert.deepEqual(again, { reason: 'precondition_changed', left: 'stale' })
})

test('what cannot be read claims nothing', async () => {
  const left = { reason: 'precondition_unreadable', left: undefined }
  assert.deepEqual(await refusing(UNREADABLE), left)
})

test('of a run and a change exactly one wins: who ran is told so, by the grant that it used', async () => {
  for (const problem of [CHANGED, UNREADABLE]) {
    const ran = await refusing(problem, { note: RUN })
    assert.equal(ran.reason, 'action_claimed')
    const used = await refusing(problem, { note: RUN, used: true })
    assert.equal(used.reason, 'grant_used')
    const cancelled = await refusing(problem, { note: { kind: 'cancelled', at: NOW }, used: true })
    assert.equal(cancelled.reason, 'action_cancelled')
  }
})

test('other refusals, and what is held here, are left as they are', async () => {
  const deaf = (bench: ClaimBench): Partial<ClaimDeps> => {
    const store = failing(bench.journal, {
      claim: fault(new RangeError('asked')),
      read: fault(new RangeError('asked')),
    })
    return { journal: store, nonces: store }
  }
  assert.equal((await refusing(refused('grant_expired'), { deps: deaf })).reason, 'grant_expired')
  for (const problem of [CHANGED, UNREADABLE]) {
    const held = await refusing(problem, { isHeld: true, deps: deaf })
    assert.deepEqual(held, { reason: problem.reason, left: undefined })
  }
})

test('a journal out of reach decides nothing; a defect is no refusal', async () => {
  const down = (error: Error) => (bench: ClaimBench) => ({
    journal: failing(bench.journal, { claim: fault(error) }),
  })
  const bus = await refusing(CHANGED, { deps: down(new BusFault('store_unreachable', 'down')) })
  assert.equal(bus.reason, 'store_unreachable')
  await assert.rejects(refusing(CHANGED, { deps: down(new RangeError('a defect')) }), RangeError)
})
