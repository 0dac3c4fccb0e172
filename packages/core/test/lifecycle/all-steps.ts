import type { ActionEvent } from '@trustgw/core'
import { actionStateJson, actionStateShape, step, wakeAt } from '@trustgw/core'
import { type Json, type JsonObject, readShape } from '@trustgw/protocol'

export interface ArrowVectors {
  readonly states: readonly Json[]
  readonly cases: readonly Tried[]
  readonly ignored: readonly Tried[]
}

interface Tried {
  readonly from: Json
  readonly event: ActionEvent
  readonly now: number
}

/** Moments beside those of the cases: soon after all states began, and after every deadline. */
const MOMENTS = [1_000_001, 2_000_000]

/**
 * What every state makes of every event that `arrows.json` has, with the state, the effects and
 * the next moment whole: the content of `vectors/lifecycle/steps.json`.
 */
export function allSteps(arrows: ArrowVectors): JsonObject {
  const given = [...arrows.cases, ...arrows.ignored]
  const events = unique(given.map(({ event }) => event))
  const everywhere = arrows.states.flatMap((from) =>
    events.flatMap((event) => MOMENTS.map((now) => ({ from, event, now }))),
  )
  const tried = unique([
    ...given.map(({ from, event, now }) => ({ from, event, now })),
    ...everywhere,
  ])
  return {
    description:
      'What becomes of each state in arrows.json with each event there: the whole state, the effects in their order, and when time alone may change it next. Only what is not ignored stands here.',
    steps: tried.flatMap((one) => taken(one)),
  }
}

function taken({ from, event, now }: Tried): readonly JsonObject[] {
  const state = readShape(actionStateShape, from)
  if (!state.ok) throw new TypeError(state.detail)
  const done = step(state.value, event, now)
  if (done.ignored !== null) return []
  const effects: Json = JSON.parse(JSON.stringify(done.effects))
  const said: Json = JSON.parse(JSON.stringify(event))
  return [
    {
      from,
      event: said,
      now,
      to: actionStateJson(done.state),
      effects,
      wake_at: wakeAt(done.state),
    },
  ]
}

function unique<T>(values: readonly T[]): readonly T[] {
  const byText = new Map(values.map((value) => [JSON.stringify(value), value]))
  return [...byText.values()]
}
