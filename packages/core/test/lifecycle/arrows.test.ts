import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ActionEvent,
  type ActionState,
  actionStateJson,
  actionStateShape,
  isFinal,
  type StateKind,
  step,
} from '@trustgw/core'
import { ACTION_STATES, isJsonObject, type Json, readShape } from '@trustgw/protocol'
import { repositoryFile } from '../hashing.ts'

interface Case {
  readonly from: Json
  readonly event: ActionEvent
  readonly now: number
}

const VECTORS = JSON.parse(repositoryFile('vectors/lifecycle/arrows.json')) as {
  readonly arrows: Readonly<Record<StateKind, readonly StateKind[]>>
  readonly states: readonly Json[]
  readonly cases: readonly (Case & {
    readonly to: StateKind
    readonly effects: readonly string[]
  })[]
  readonly ignored: readonly (Case & { readonly ignored: string })[]
}

export function stored(value: Json): ActionState {
  const read = readShape(actionStateShape, value)
  assert.ok(read.ok, read.ok ? '' : read.detail)
  return read.value
}

for (const { from, event, now, to, effects } of VECTORS.cases) {
  const state = stored(from)
  test(`${state.kind} becomes ${to} by ${event.kind} at ${now}`, () => {
    const done = step(state, event, now)
    assert.equal(done.state.kind, to)
    assert.equal(done.ignored, null)
    assert.equal(done.state.since, now)
    assert.deepEqual(
      done.effects.map(({ kind }) => kind),
      effects,
    )
    const [first] = done.effects
    assert.ok(first?.kind === 'audit' && first.from === state.kind && first.to === to)
    assert.deepEqual(stored(actionStateJson(done.state)), done.state)
  })
}

for (const { from, event, now, ignored } of VECTORS.ignored) {
  const state = stored(from)
  test(`${state.kind} ignores ${event.kind}: ${ignored}`, () => {
    const done = step(state, event, now)
    assert.equal(done.state, state)
    assert.deepEqual(done, { state, effects: [], ignored })
  })
}

test('the cases go along every arrow of the specification', () => {
  const gone = new Set(VECTORS.cases.map(({ from, to }) => `${stored(from).kind} → ${to}`))
  const all = Object.entries(VECTORS.arrows).flatMap(([from, ends]) =>
    ends.map((to) => `${from} → ${to}`),
  )
  assert.equal(all.length, 32)
  assert.deepEqual([...gone].sort(), all.sort())
})

test('final states are exactly those without an arrow', () => {
  const kinds = VECTORS.states.map((value) => stored(value))
  assert.deepEqual(kinds.map(({ kind }) => kind).sort(), [...ACTION_STATES].sort())
  for (const state of kinds) {
    assert.equal(isFinal(state), VECTORS.arrows[state.kind].length === 0, state.kind)
  }
})

const refused = (value: Json): boolean => !readShape(actionStateShape, value).ok

test('a stored state with an unknown kind, an unknown member or a missing one is refused', () => {
  const [proposed] = VECTORS.states
  assert.ok(proposed !== undefined && isJsonObject(proposed))
  assert.equal(refused(proposed), false)
  assert.equal(refused({ ...proposed, kind: 'done' }), true)
  assert.equal(refused({ ...proposed, more: 1 }), true)
  assert.equal(refused({ kind: 'proposed', since: 1 }), true)
})

test('a state that is not read is refused with the place of what is odd', () => {
  const pending = VECTORS.states.find((value) => isJsonObject(value) && value['need'] !== undefined)
  assert.ok(pending !== undefined && isJsonObject(pending))
  const read = readShape(actionStateShape, { ...pending, need: { tier: 2, quorum: 1 } })
  assert.deepEqual(read, { ok: false, reason: 'shape', detail: '#/need/approvers: missing' })
})
