import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bindAction } from '../src/admit/bind-action.ts'
import { checkApprovals } from '../src/admit/check-approvals.ts'
import { checkDecisionEvent } from '../src/admit/check-decision-event.ts'
import { checkPolicy } from '../src/admit/check-policy.ts'
import { checkPrecondition } from '../src/admit/check-precondition.ts'
import { claimAction, enterAdmitted } from '../src/admit/claim-action.ts'
import type { Admission } from '../src/admit/reasons.ts'
import { makeStage, StageToken } from '../src/admit/stage.ts'
import { verifyGrant } from '../src/admit/verify-grant.ts'
import { ClaimBench } from './support/claiming.ts'
import { bytesOf, NOW, World } from './support/world.ts'

function must<T>(outcome: Admission<T>): T {
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.reason)
  return outcome.value
}

test('a token that no stage minted opens nothing, whatever it claims to be', () => {
  const deps = new World().admission()
  const forged = new StageToken('verified_grant' as const)
  assert.throws(() => bindAction(forged, deps), TypeError)
  const cast = { stage: 'admitted_action' } as StageToken<'admitted_action'>
  assert.throws(() => enterAdmitted(cast), /^TypeError: not a token of admitted_action$/)
})

test('a token of one stage is none of another of the same name', () => {
  const one = makeStage<'x', number>('x')
  const two = makeStage<'x', number>('x')
  assert.equal(one.open(one.mint(1)), 1)
  assert.throws(() => two.open(one.mint(1)), TypeError)
})

test('each stage takes the token of the one before, and says in a log only which it is', async () => {
  await ClaimBench.with(async (bench) => {
    const { world } = bench
    const deps = world.admission()
    const verified = must(verifyGrant(bytesOf(await world.granted()), deps, NOW))
    const bound = must(bindAction(verified, deps))
    const redecided = must(await checkPolicy(bound, deps))
    const recorded = must(await checkDecisionEvent(redecided, deps))
    const cleared = must(await checkApprovals(recorded, deps, NOW))
    const standing = must(await checkPrecondition(cleared, world.reading()))
    const admitted = must(await claimAction(standing, bench.deps(), bench.held))
    const tokens = [verified, bound, redecided, recorded, cleared, standing, admitted]
    assert.deepEqual(JSON.parse(JSON.stringify(tokens)), [
      'verified_grant',
      'bound_action',
      'redecided_action',
      'recorded_action',
      'cleared_action',
      'standing_action',
      'admitted_action',
    ])
    for (const token of tokens) assert.ok(Object.isFrozen(token))
  })
})
