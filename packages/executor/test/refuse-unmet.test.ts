import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusFault, FileFault } from '@trustgw/runtime'
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
const HELD = 'attempt-of-an-earlier-time'

interface Refusing {
  reason: string
  /** What stands in the journal then. */
  left: string | undefined
  /** Whether a claim that was held still is. */
  held?: boolean
}

/** Refuses one action; `note` is what stands in the journal, `used` whether its nonce is used. */
async function refusing(
  problem: typeof CHANGED,
  there: {
    readonly note?: Parameters<typeof writeNote>[0]
    readonly used?: boolean
    readonly isHeld?: boolean
    /** Whose the note is. */
    readonly attempt?: string
    readonly deps?: (bench: ClaimBench) => Partial<ClaimDeps>
  } = {},
): Promise<Refusing> {
  const found: Refusing = { reason: '', left: undefined }
  await ClaimBench.with(async (bench) => {
    const token = await bench.cleared()
    const { jti, action_id } = openClearedAction(token).claims
    const { note, attempt = OTHER } = there
    if (note !== undefined)
      await bench.journal.claim(keyOf(action_id), { attempt, note: writeNote(note) })
    if (there.used === true) await bench.nonces.claim(keyOf(jti), { attempt: OTHER })
    if (there.isHeld === true) bench.held.put(entryFor(token))
    const deps = bench.deps(there.deps?.(bench))
    const { reason } = await refuseUnmet(token, problem, { deps, held: bench.held })
    const entry = await bench.journal.read(keyOf(action_id))
    found.reason = reason
    found.left = readNote(entry?.note)?.kind
    if (there.isHeld === true && problem === CHANGED)
      found.held = bench.held.get(action_id) !== undefined
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
  const held = await refusing(UNREADABLE, { isHeld: true, deps: deaf })
  assert.deepEqual(held, { reason: 'precondition_unreadable', left: undefined })
})

test('what is held here and changed is given up, on disk too, before it is refused for good', async () => {
  const free = await refusing(CHANGED, { isHeld: true })
  assert.deepEqual(free, { reason: 'precondition_changed', left: 'stale', held: false })
  const ours = await refusing(CHANGED, { isHeld: true, note: RUN, attempt: HELD })
  assert.deepEqual(ours, { reason: 'precondition_changed', left: undefined, held: false })
  const others = await refusing(CHANGED, { isHeld: true, note: RUN })
  assert.deepEqual(others, { reason: 'action_claimed', left: undefined, held: false })
  const unwritable = (bench: ClaimBench): Partial<ClaimDeps> => ({
    wal: bench.walThat({ ended: fault(new FileFault('file_unwritable', 'wal')) }),
  })
  const kept = await refusing(CHANGED, { isHeld: true, deps: unwritable })
  assert.deepEqual(kept, { reason: 'journal_unwritable', left: 'stale', held: true })
})

test('a journal out of reach decides nothing; a defect is no refusal', async () => {
  const down = (error: Error) => (bench: ClaimBench) => ({
    journal: failing(bench.journal, { claim: fault(error) }),
  })
  const bus = await refusing(CHANGED, { deps: down(new BusFault('store_unreachable', 'down')) })
  assert.equal(bus.reason, 'store_unreachable')
  await assert.rejects(refusing(CHANGED, { deps: down(new RangeError('a defect')) }), RangeError)
})
