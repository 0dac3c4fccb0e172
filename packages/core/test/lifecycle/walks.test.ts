import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ActionEvent,
  type ActionState,
  EVENT_KINDS,
  initialState,
  isFinal,
  type StateKind,
  type Step,
  step,
  wakeAt,
} from '@trustgw/core'
import { clausesAfter, judgeApprovers } from '@trustgw/protocol'
import fc from 'fast-check'
import { repositoryFile } from '../hashing.ts'

const { arrows } = JSON.parse(repositoryFile('vectors/lifecycle/arrows.json')) as {
  readonly arrows: Readonly<Record<StateKind, readonly StateKind[]>>
}

const START = 1_000_000
const jti = fc.constantFrom('g1', 'g2', 'g3')
const person = fc.constantFrom('ann', 'bob', 'bot')
const tier = fc.constantFrom(1 as const, 2 as const)
const later = fc.oneof(
  fc.integer({ min: START - 1_000, max: START + 35_000 }),
  fc.integer({ min: START + 35_000, max: START + 200_000 }),
)
const soon = fc.integer({ min: START, max: START + 32_000 })
const result = fc.constant({ result_hash: 'sha256:r', reason: null })
const roles = fc.subarray(['finance', 'legal'])
const quorum = fc.integer({ min: 1, max: 2 })
const clause = fc.oneof(
  { weight: 6, arbitrary: fc.record({ roles, quorum }) },
  {
    weight: 1,
    arbitrary: fc.record({
      roles,
      quorum,
      after: fc.subarray(['finance', 'legal'], { minLength: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      roles,
      quorum,
      escalation: fc.record({ after_ms: fc.constantFrom(1, 60_000), roles }),
    }),
  },
)
const approvers = fc.array(clause, { minLength: 1, maxLength: 2 })
const need = fc.record({ tier, approvers, initiator: person, asked_at: fc.constant(START) })

const decision = fc.oneof(
  fc.record({ outcome: fc.constant('allow' as const), run_by: later }),
  fc.record({ outcome: fc.constant('prepare' as const), prepare_by: later }),
  fc.record({ outcome: fc.constant('deny' as const), reason: fc.constant('policy') }),
  fc.constant({ outcome: 'proof' as const }),
  fc.record({ outcome: fc.constant('pending' as const), decide_by: later, run_by: later, need }),
)

const EVENTS: { readonly [K in ActionEvent['kind']]: fc.Arbitrary<ActionEvent & { kind: K }> } = {
  evaluated: fc.record({ kind: fc.constant('evaluated'), decision }),
  approval_granted: fc.record({
    kind: fc.constant('approval_granted'),
    evidence: fc.record({ ref: fc.constantFrom('e1', 'e2'), approver: person, roles, tier }),
  }),
  approval_denied: fc.record({
    kind: fc.constant('approval_denied'),
    by: person,
    reason: fc.constant('no'),
  }),
  cancel_requested: fc.record({ kind: fc.constant('cancel_requested'), by: person }),
  tick: fc.constant({ kind: 'tick' }),
  recovered: fc.constant({ kind: 'recovered' }),
  undo_window: fc.record({ kind: fc.constant('undo_window'), not_before: later }),
  changed: fc.record({ kind: fc.constant('changed'), reason: fc.constant('policy') }),
  grant_issued: fc.record({ kind: fc.constant('grant_issued'), jti, exp: soon }),
  executor_claimed: fc.record({ kind: fc.constant('executor_claimed'), jti, result_by: later }),
  executor_refused: fc.record({
    kind: fc.constant('executor_refused'),
    jti,
    reason: fc.constant('input_hash'),
  }),
  claim_cancelled: fc.constant({ kind: 'claim_cancelled' }),
  grant_unclaimed: fc.record({ kind: fc.constant('grant_unclaimed'), jti }),
  result_succeeded: fc.record({ kind: fc.constant('result_succeeded'), jti, result }),
  result_failed: fc.record({ kind: fc.constant('result_failed'), jti, result }),
  result_unknown: fc.record({
    kind: fc.constant('result_unknown'),
    jti,
    reason: fc.constant('killed'),
  }),
  reconciled_ok: fc.record({ kind: fc.constant('reconciled_ok'), result }),
  reconciled_failed: fc.record({ kind: fc.constant('reconciled_failed'), result }),
  reconciled_unclear: fc.record({
    kind: fc.constant('reconciled_unclear'),
    reason: fc.constant('no answer'),
  }),
  human_resolved: fc.record({
    kind: fc.constant('human_resolved'),
    by: person,
    succeeded: fc.boolean(),
    result,
  }),
}

const anyEvent: fc.Arbitrary<ActionEvent> = fc.oneof(...Object.values(EVENTS))
/** Likely events in a likely order, so that walks come far, with anything else between. */
const likely: fc.Arbitrary<ActionEvent> = fc.oneof(
  EVENTS.evaluated,
  EVENTS.approval_granted,
  EVENTS.grant_issued,
  EVENTS.executor_claimed,
  EVENTS.grant_unclaimed,
  EVENTS.result_unknown,
  EVENTS.reconciled_unclear,
  EVENTS.tick,
)
const walk = fc.array(
  fc.record({
    event: fc.oneof(likely, anyEvent),
    wait: fc.constantFrom(0, 0, 1, 1, 500, 5_000, 40_000),
  }),
  { minLength: 1, maxLength: 40 },
)

interface Taken extends Step {
  readonly before: ActionState
  readonly event: ActionEvent
  readonly now: number
}

/** Every step of a walk, with what `feed` effects asked for taken in between, as a shell does. */
function follow(events: readonly { event: ActionEvent; wait: number }[]): readonly Taken[] {
  const taken: Taken[] = []
  let state: ActionState = initialState(START)
  let now = START
  for (const { event, wait } of events) {
    now += wait
    const due = [event]
    for (let next = due.shift(); next !== undefined; next = due.shift()) {
      const done = step(state, next, now)
      taken.push({ ...done, before: state, event: next, now })
      state = done.state
      due.push(...done.effects.flatMap((effect) => (effect.kind === 'feed' ? [effect.event] : [])))
    }
  }
  return taken
}

const everywhere = (check: (taken: readonly Taken[]) => void): void => {
  fc.assert(
    fc.property(walk, (events) => {
      check(follow(events))
    }),
    { numRuns: 15_000 },
  )
}

test('no walk leaves the arrows of the specification', () => {
  const seen = new Set<string>()
  everywhere((taken) => {
    for (const { before, state } of taken) {
      if (state.kind === before.kind) continue
      assert.ok(arrows[before.kind].includes(state.kind), `${before.kind} → ${state.kind}`)
      seen.add(`${before.kind} → ${state.kind}`)
    }
  })
  assert.ok(seen.size >= 18, `walks come far enough to mean something: ${seen.size}`)
})

test('every state takes every event without a throw, also with times that are none [INV-19]', () => {
  const states = new Map<StateKind, ActionState>()
  everywhere((taken) => {
    for (const { state } of taken) states.set(state.kind, state)
  })
  const events = EVENT_KINDS.flatMap((kind) =>
    fc.sample<ActionEvent>(EVENTS[kind], { numRuns: 5, seed: 7 }),
  )
  const moments = [START, Number.NaN, Infinity]
  const calls = [...states.values()].flatMap((state) =>
    events.flatMap((event) => moments.map((now) => ({ state, done: step(state, event, now) }))),
  )
  assert.ok(calls.length >= 10 * 20 * 5 * 3)
  for (const { state, done } of calls) {
    if (done.state !== state) assert.equal(done.ignored, null)
    if (done.ignored !== null) assert.deepEqual([done.state, done.effects], [state, []])
  }
})

test('a time that is no number revives nothing', () => {
  const waiting = step(
    initialState(START),
    { kind: 'evaluated', decision: { outcome: 'allow', run_by: START + 1_000 } },
    START,
  ).state
  const late = step(waiting, { kind: 'grant_issued', jti: 'g', exp: START + 500 }, Number.NaN)
  assert.equal(late.state.kind, 'expired')
})

test('final states absorb: the same object and nothing to do [INV-18]', () => {
  everywhere((taken) => {
    for (const { before, state, effects, ignored } of taken) {
      if (!isFinal(before)) continue
      assert.equal(state, before)
      assert.deepEqual([effects, ignored], [[], 'final_state'])
    }
  })
})

test('nothing gated is dispatched without the whole quorum of each clause, of other people, at its tier [INV-20]', () => {
  everywhere((taken) => {
    for (const { state } of taken) {
      if (state.kind !== 'dispatched' || state.need === null) continue
      const { need: asked, evidence } = state
      const people = new Set(evidence.map(({ approver }) => approver))
      assert.ok(people.size === evidence.length && !people.has(asked.initiator))
      const clauses = clausesAfter(asked.approvers, Number.POSITIVE_INFINITY)
      assert.equal(judgeApprovers(clauses, evidence), 'met')
      assert.ok(evidence.every((given) => given.tier >= asked.tier))
    }
  })
})

test('whether a dispatch is gated is what the last decision said', () => {
  everywhere((taken) => {
    let outcome = ''
    let granted = 0
    for (const { before, event, state, ignored } of taken) {
      if (event.kind === 'evaluated' && ignored === null) {
        outcome = event.decision.outcome
        granted = 0
      }
      if (event.kind === 'approval_granted' && ignored === null && state !== before) granted++
      if (state.kind !== 'dispatched') continue
      assert.ok(outcome === 'allow' || (outcome === 'pending' && granted === state.evidence.length))
    }
  })
})

test('each grant is sent by one step only, within its life and the run-by time', () => {
  everywhere((taken) => {
    const sent = new Set<string>()
    for (const { effects, event, state, now } of taken) {
      for (const effect of effects) {
        if (effect.kind !== 'dispatch' || event.kind === 'recovered') continue
        assert.equal(sent.has(effect.jti), false)
        sent.add(effect.jti)
        assert.ok(now < effect.grant_exp && effect.grant_exp - now <= 30_000)
        assert.ok(state.kind === 'dispatched' && now < state.run_by)
      }
    }
  })
})

test('what was sent leaves for another state by word of an executor only, never by time [INV-40]', () => {
  const TOLD = /^(executor_|claim_|grant_unclaimed$|result_)/
  everywhere((taken) => {
    for (const { before, event, state, effects, now } of taken) {
      if (before.kind !== 'dispatched') continue
      if (state.kind !== before.kind) assert.match(event.kind, TOLD)
      // An end is claimed, where an executor does not say that it is claimed already.
      if (isFinal(state)) assert.equal(event.kind, 'claim_cancelled')
      // One executor's refusal is not yet the end: another may be about to claim.
      if (event.kind === 'executor_refused') assert.equal(state.kind, before.kind)
      if (event.kind !== 'tick' || now < before.grant_exp + 5_000) continue
      const isRefused = before.refused_for !== undefined
      const isOver = before.cancel !== null || isRefused || now >= before.run_by
      const claim = isOver ? { kind: 'cancel_claim' } : { kind: 'find_claim', jti: before.jti }
      assert.deepEqual(effects, [claim])
    }
  })
})

test('a new grant is asked for only when no other can still be claimed', () => {
  everywhere((taken) => {
    for (const { before, state, effects, now } of taken) {
      if (before.kind !== 'dispatched') continue
      if (!effects.some(({ kind }) => kind === 'issue_grant')) continue
      assert.equal(state.kind, 'authorized')
      assert.ok(now >= before.grant_exp + 5_000)
    }
  })
})

test('the audit event stands before every effect that it vouches for [INV-12]', () => {
  everywhere((taken) => {
    for (const { before, state, effects } of taken) {
      if (state.kind !== before.kind) assert.equal(effects[0]?.kind, 'audit')
    }
  })
})

test('at the time that a state asks to be woken, a tick changes it or asks for something', () => {
  everywhere((taken) => {
    for (const { state } of taken) {
      const at = wakeAt(state)
      if (at === null) continue
      const woken = step(state, { kind: 'tick' }, at)
      assert.ok(woken.state !== state || woken.effects.length > 0, state.kind)
      if ('cancel' in state && state.cancel !== null) continue
      const early = step(state, { kind: 'tick' }, at - 1)
      const due = state.kind === 'scheduled' && at - 1 >= state.not_before
      if (!due) assert.deepEqual([early.state, early.effects], [state, []])
    }
  })
})

test('recovery asks again for what is outstanding, and after a cancel only for its claim', () => {
  const outstanding = (state: ActionState): readonly string[] =>
    step(state, { kind: 'recovered' }, START).effects.map(({ kind }) => kind)
  const live = { since: START, round: 1, issued: ['g1'], cancel: null }
  const cleared = { ...live, run_by: START + 9_000, need: null, evidence: [] }
  const anybody = [{ roles: [], quorum: 1 }]
  const asked = { tier: 2 as const, approvers: anybody, initiator: 'bot', asked_at: START }
  const dispatched = {
    ...cleared,
    kind: 'dispatched' as const,
    jti: 'g1',
    grant_exp: START + 9_000,
  }
  assert.deepEqual(outstanding(initialState(START)), ['evaluate'])
  assert.deepEqual(outstanding({ ...live, kind: 'preparing', prepare_by: START + 1 }), [
    'read_precondition',
  ])
  assert.deepEqual(
    outstanding({
      ...cleared,
      kind: 'pending_approval',
      decide_by: START + 9_000,
      need: asked,
    }),
    ['request_approval'],
  )
  assert.deepEqual(outstanding({ ...cleared, kind: 'authorized' }), ['issue_grant'])
  const scheduled = { ...cleared, kind: 'scheduled' } as const
  assert.deepEqual(outstanding({ ...scheduled, not_before: START + 1 }), ['offer_stop'])
  assert.deepEqual(outstanding({ ...scheduled, not_before: START + 1, need: asked }), [])
  assert.deepEqual(outstanding({ ...scheduled, not_before: START }), ['issue_grant'])
  assert.deepEqual(outstanding(dispatched), ['dispatch'])
  assert.deepEqual(outstanding({ ...dispatched, grant_exp: START }), [])
  const cancel = { by: 'bot', at: START }
  assert.deepEqual(outstanding({ ...dispatched, cancel }), ['cancel_claim'])
  assert.deepEqual(outstanding({ ...dispatched, cancel, grant_exp: START }), ['cancel_claim'])
  const over = { ...dispatched, grant_exp: START - 5_000 }
  assert.deepEqual(outstanding({ ...over, grant_exp: START - 4_999 }), [])
  assert.deepEqual(outstanding(over), ['find_claim'])
  assert.deepEqual(outstanding({ ...over, run_by: START }), ['cancel_claim'])
  const issued = Array.from({ length: 64 }, (_, index) => `g${index}`)
  assert.deepEqual(outstanding({ ...over, issued }), ['cancel_claim'])
  assert.deepEqual(outstanding({ ...over, issued: issued.slice(1) }), ['find_claim'])
  const unseen = { ...live, cancel, kind: 'unknown_outcome' as const, jti: 'g1', reason: 'x' }
  assert.deepEqual(outstanding(unseen), ['reconcile'], 'a cancel that came too late')
  assert.deepEqual(
    outstanding({ ...live, kind: 'executing', jti: 'g1', result_by: START + 9_000 }),
    [],
  )
  assert.deepEqual(outstanding({ ...live, kind: 'unknown_outcome', jti: 'g1', reason: 'x' }), [
    'reconcile',
  ])
  assert.deepEqual(outstanding({ ...live, kind: 'needs_human', jti: 'g1', reason: 'x' }), [
    'ask_human',
  ])
  // What ran already is settled all the same.
  const unwanted = { ...live, cancel: { by: 'bot', at: START }, jti: 'g1', reason: 'x' }
  assert.deepEqual(outstanding({ ...unwanted, kind: 'unknown_outcome' }), ['reconcile'])
  assert.deepEqual(outstanding({ ...unwanted, kind: 'needs_human' }), ['ask_human'])
})
