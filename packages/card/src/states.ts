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

/** What a card says of an action that nobody has to decide any more. */
export interface Course {
  readonly title: 'What happens now' | 'What happened' | 'This has ended'
  /** Its road through grant and executor; undefined where it took none. */
  readonly steps: readonly ProgressStep[] | undefined
  /** Whether it ran, where the road does not say it; else null. */
  readonly sentence: string | null
}

const ROAD = ['authorized', 'dispatched', 'executing', 'succeeded'] as const
const UNSEEN = 'The tool was entered and nobody saw how it ended.'

const moving = (at: number): Course => ({
  title: 'What happens now',
  steps: ROAD.map((step, index) => ({
    label: stateView(step).label,
    status: index < at ? 'done' : index === at ? 'now' : 'ahead',
  })),
  sentence: null,
})

/** `at` steps of the road are behind it, the last word is its own state. */
const ended = (state: ActionState, at: number, sentence: string | null): Course => ({
  title: 'What happened',
  steps: [
    ...ROAD.slice(0, at).map((step) => ({ label: stateView(step).label, status: 'done' }) as const),
    { label: stateView(state).label, status: stateView(state).tone === 'good' ? 'done' : 'bad' },
  ],
  sentence,
})

const offRoad = (title: Course['title'], sentence: string): Course => ({
  title,
  steps: undefined,
  sentence,
})

const COURSES: Readonly<Record<ActionState, Course>> = {
  proposed: offRoad(
    'What happens now',
    'It is being decided. If people are asked, they are asked.',
  ),
  preparing: offRoad('What happens now', 'What it depends on is read first; then it is decided.'),
  pending_approval: offRoad('What happens now', 'It waits for people.'),
  authorized: moving(0),
  scheduled: offRoad('What happens now', 'It runs by itself unless somebody stops it.'),
  dispatched: moving(1),
  executing: moving(2),
  succeeded: ended('succeeded', 3, null),
  failed: ended('failed', 3, 'It ran, and the tool says that it failed.'),
  denied: offRoad('This has ended', 'Nothing ran.'),
  expired: offRoad('This has ended', 'Nothing ran.'),
  cancelled: offRoad('This has ended', 'Nothing ran.'),
  refused: ended('refused', 2, 'Nothing ran: the executor checked it again and refused it.'),
  unknown_outcome: ended('unknown_outcome', 3, `${UNSEEN} It is not tried again by itself.`),
  needs_human: ended('needs_human', 3, `${UNSEEN} A person has to find out whether it was done.`),
  reconciled_succeeded: ended('reconciled_succeeded', 3, 'It ran. That was found out later.'),
  reconciled_failed: ended('reconciled_failed', 3, 'It was not done. That was found out later.'),
}

export function courseOf(state: ActionState): Course {
  return COURSES[state]
}
