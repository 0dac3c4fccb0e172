import type { ActionState } from '@trustgw/protocol'

/** How a state is told: a word, a tone and a shape, so that colour is never alone. */
export interface StateView {
  readonly label: string
  readonly tone: 'waiting' | 'moving' | 'good' | 'bad' | 'stopped' | 'unsure'
  readonly final: boolean
}

const view = (label: string, tone: StateView['tone'], final = false): StateView => ({
  label,
  tone,
  final,
})

const VIEWS: Readonly<Record<ActionState, StateView>> = {
  proposed: view('Proposed', 'moving'),
  preparing: view('Preparing', 'moving'),
  pending_approval: view('Needs approval', 'waiting'),
  authorized: view('Approved', 'moving'),
  scheduled: view('Scheduled', 'moving'),
  dispatched: view('Grant issued', 'moving'),
  executing: view('Running', 'moving'),
  succeeded: view('Done', 'good', true),
  failed: view('Failed', 'bad', true),
  denied: view('Denied', 'stopped', true),
  expired: view('Expired', 'stopped', true),
  cancelled: view('Cancelled', 'stopped', true),
  refused: view('Refused by executor', 'bad', true),
  unknown_outcome: view('Outcome unknown', 'unsure'),
  needs_human: view('Needs a person', 'unsure'),
  reconciled_succeeded: view('Done, confirmed later', 'good', true),
  reconciled_failed: view('Failed, confirmed later', 'bad', true),
}

export function stateView(state: ActionState): StateView {
  return VIEWS[state]
}

export interface ProgressStep {
  readonly label: string
  readonly status: 'done' | 'now' | 'ahead' | 'bad'
}

const ROAD = ['authorized', 'dispatched', 'executing', 'succeeded'] as const

/** The road of an approved action, or undefined for a state that is not on it. */
export function progressOf(state: ActionState): readonly ProgressStep[] | undefined {
  const ended = state === 'failed' || state === 'refused' || state === 'unknown_outcome'
  const at = ended ? ROAD.length - 1 : ROAD.findIndex((step) => step === state)
  if (at < 0) return undefined
  return ROAD.map((step, index) => {
    if (index === at && ended) return { label: stateView(state).label, status: 'bad' }
    const final = index === at && step === 'succeeded'
    if (index < at || final) return { label: stateView(step).label, status: 'done' }
    return { label: stateView(step).label, status: index === at ? 'now' : 'ahead' }
  })
}
