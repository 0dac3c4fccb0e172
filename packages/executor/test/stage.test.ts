import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bindAction } from '../src/admit/bind-action.ts'
import { enterAdmitted } from '../src/admit/claim-action.ts'
import { makeStage, StageToken } from '../src/admit/stage.ts'
import { World } from './support/world.ts'

test('a token that no stage minted opens nothing, whatever it claims to be', () => {
  const deps = new World().admission()
  const forged = new StageToken('verified_grant' as const)
  assert.throws(() => bindAction(forged, deps), TypeError)
  const cast = { stage: 'admitted_action' } as StageToken<'admitted_action'>
  assert.throws(() => enterAdmitted(cast), TypeError)
})

test('a token of one stage is none of another of the same name', () => {
  const one = makeStage<'x', number>('x')
  const two = makeStage<'x', number>('x')
  assert.equal(one.open(one.mint(1)), 1)
  assert.throws(() => two.open(one.mint(1)), TypeError)
})
