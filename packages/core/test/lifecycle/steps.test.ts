import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionStateShape, initialState, wakeAt } from '@trustgw/core'
import { type Json, type JsonObject, readShape } from '@trustgw/protocol'
import { repositoryFile } from '../hashing.ts'
import { type ArrowVectors, allSteps } from './all-steps.ts'

const arrows = JSON.parse(repositoryFile('vectors/lifecycle/arrows.json')) as ArrowVectors
const { steps } = JSON.parse(repositoryFile('vectors/lifecycle/steps.json')) as {
  readonly steps: readonly Json[]
}

test('every state makes of every event what the vectors say, effects and all', () => {
  assert.ok(steps.length > 100)
  const made = allSteps(arrows)['steps']
  assert.deepEqual(made, steps, 'if that is meant, run node scripts/update-vectors.mjs')
})

test('an action begins without a past, and nothing wakes it', () => {
  const state = initialState(7)
  assert.deepEqual(state, { kind: 'proposed', since: 7, round: 1, issued: [], cancel: null })
  assert.equal(wakeAt(state), null)
})

const pending = (change: JsonObject): boolean => {
  const [found] = arrows.states.filter(
    (state) => (state as JsonObject)['kind'] === 'pending_approval',
  )
  return readShape(actionStateShape, { ...(found as JsonObject), ...change }).ok
}

test('what is stored of a state has bounds', () => {
  const one = { ref: 'r', approver: 'ana', roles: ['finance'], tier: 2 }
  const many = (count: number, of: Json): Json => Array.from({ length: count }, () => of)
  assert.ok(pending({ evidence: [one] }))
  assert.ok(pending({ evidence: many(16, one) }) && !pending({ evidence: many(17, one) }))
  assert.ok(pending({ evidence: [{ ...one, roles: many(32, 'x') }] }))
  assert.ok(!pending({ evidence: [{ ...one, roles: many(33, 'x') }] }))
  assert.ok(pending({ issued: many(64, 'j') }) && !pending({ issued: many(65, 'j') }))
  const by = (name: string): JsonObject => ({ cancel: { by: name, at: 1 } })
  assert.ok(pending(by('x'.repeat(512))) && !pending(by('x'.repeat(513))) && !pending(by('')))
  const denied = (reason: string): boolean =>
    readShape(actionStateShape, { kind: 'denied', since: 1, reason, by: null }).ok
  assert.ok(denied('x'.repeat(1_024)) && !denied('x'.repeat(1_025)))
})
