import {
  type ActionEvent,
  type ActionState,
  type ActionEffect as Effect,
  step,
} from '@trustgw/core'
import type { Clock, Logger } from '@trustgw/runtime'
import type { ActionRecord } from './action-record.ts'
import type { Planned } from './planned.ts'

/** Events that one event may ask for itself. */
const FEEDS_MAX = 8

/** One step, together with the steps that it asks for itself: they are stored as one. */
export function takeStep(
  state: ActionState,
  event: ActionEvent,
  deps: { readonly clock: Clock; readonly log: Logger },
): { readonly state: ActionState; readonly effects: readonly Effect[] } {
  const now = deps.clock.now()
  const effects: Effect[] = []
  let current = state
  let next: ActionEvent | undefined = event
  for (let turn = 0; next !== undefined && turn < FEEDS_MAX; turn += 1) {
    const taken = step(current, next, now)
    if (taken.ignored !== null)
      deps.log.debug('event_ignored', {
        event: next.kind,
        state: current.kind,
        why: taken.ignored,
      })
    current = taken.state
    next = undefined
    for (const effect of taken.effects) {
      if (effect.kind === 'feed') next = effect.event
      else effects.push(effect)
    }
  }
  return { state: current, effects }
}

/** What an event makes of a record: the same object when it changes nothing. */
export function takePlanned(
  record: ActionRecord,
  planned: Planned,
  deps: { readonly clock: Clock; readonly log: Logger },
): { readonly record: ActionRecord; readonly effects: readonly Effect[] } {
  if (planned.fits?.(record) === false) return { record, effects: [] }
  const { state, effects } = takeStep(record.state, planned.event, deps)
  if (state === record.state) return { record, effects }
  const changed = { ...(planned.change?.(record, state) ?? record), state }
  if (state.kind !== 'executing' || changed.entered_at !== null) return { record: changed, effects }
  return { record: { ...changed, entered_at: state.since }, effects }
}
