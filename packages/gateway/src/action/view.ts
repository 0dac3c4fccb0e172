import { isFinal, STALE, type StateKind } from '@trustgw/core'
import type { ActionEvent, ActionView, DecisionRecord } from '@trustgw/protocol'
import { SETTLED_BY_PERSON } from '../approvals/verdicts.ts'
import type { ActionRecord } from './action-record.ts'
import type { StoredAction } from './action-store.ts'

const POLL_SOON_S = 1
const POLL_FOR_A_PERSON_S = 5

/** What the proposer may know (spec/protocol.md §8): the safe reason, never which internal check. */
export function actionView(record: ActionRecord, joined: boolean): ActionView {
  const { proposal, state, decision } = record
  return {
    action_id: proposal.action_id,
    status: state.kind,
    tool: proposal.tool_id,
    joined,
    supersedes: record.supersedes,
    superseded_by: record.superseded_by,
    reason: safeReason(record),
    hint: saysNo(record) ? record.hint : null,
    result: record.result?.output ?? null,
    proposed_at: proposal.received_at,
    expires_at: state.kind === 'pending_approval' ? state.decide_by : null,
    poll_after_s: isFinal(state) ? null : decision.tier === 0 ? POLL_SOON_S : POLL_FOR_A_PERSON_S,
  }
}

const UNSEEN =
  'The tool was started and nobody saw its end; a person has to find out. Do not repeat the call.'
const BY_PERSON = 'A person found out whether it was done.'
const VOID = 'Something it was allowed under has changed since; it may not run any more.'
const SUPERSEDED =
  'What it depends on changed before it ran; it is asked anew under the action id in superseded_by.'
const CHANGES = 'What it depends on kept changing before it could run.'
const NOT_READ = 'What it depends on could not be read.'
/** Why an action was denied while what it depends on was being read. */
const UNPREPARED: ReadonlyMap<string, string> = new Map([
  ['precondition_not_allowed', 'Policy does not let what it depends on be read.'],
  ['precondition_failed', NOT_READ],
  ['precondition_timeout', NOT_READ],
])
const REASONS: { readonly [S in StateKind]?: string } = {
  scheduled: 'It may run; until then people can stop it.',
  dispatched: 'It was sent to its executor, which has not said yet whether it runs.',
  refused: 'The executor refused to run it.',
  expired: 'Its time ran out before it was released.',
  unknown_outcome: UNSEEN,
  needs_human: UNSEEN,
}

const FAILED: readonly StateKind[] = ['failed', 'reconciled_failed']

type Denied = Extract<ActionRecord['state'], { readonly kind: 'denied' }>

function deniedReason({ by, reason }: Denied, decision: DecisionRecord): string {
  if (by !== null) return `An approver said no: ${reason}`
  return UNPREPARED.get(reason) ?? (forbids(decision) ? toldReason(decision) : VOID)
}

function safeReason({ state, decision, result, superseded_by }: ActionRecord): string | null {
  if (state.kind === 'denied') return deniedReason(state, decision)
  if (state.kind === 'refused' && state.reason === STALE) return staleReason(superseded_by)
  if (state.kind === 'pending_approval') return toldReason(decision)
  if (state.kind === 'cancelled') return stoppedReason(state)
  if (result?.reason === SETTLED_BY_PERSON) return BY_PERSON
  if (FAILED.includes(state.kind)) return result?.reason ?? 'The tool failed.'
  return REASONS[state.kind] ?? null
}

const staleReason = (by: string | null): string => (by === null ? CHANGES : SUPERSEDED)

function stoppedReason({
  stopped_for,
}: Extract<ActionRecord['state'], { readonly kind: 'cancelled' }>): string | null {
  return stopped_for === undefined ? null : `An approver stopped it: ${stopped_for}`
}

/** What a rule or limit without a reason of its own is given: its id, which is not the caller's to know. */
const ID_FOR_REASON = /^(Rule \S+|Limit \S+ is reached)$/

/** Without the names of facts that policy did not know, which the caller did not send, and of rules. */
function toldReason({ reason, unknown, effect }: DecisionRecord): string {
  const told = unknown.length === 0 ? reason : reason.replace(/ \(unknown: [^()]*\)$/, '')
  if (!ID_FOR_REASON.test(told)) return told
  return effect === 'deny' ? 'Policy refuses this.' : 'Policy asks a person to approve this.'
}

/** While policy's own word is what stands between the proposer and the call. */
function saysNo({ state, decision }: ActionRecord): boolean {
  if (state.kind === 'denied') return state.by === null && forbids(decision)
  return state.kind === 'pending_approval'
}

function forbids({ effect }: DecisionRecord): boolean {
  return effect === 'deny' || effect === 'require_proof'
}

/** What portals are told of a change. */
export function actionEvent(stored: StoredAction, now: number): ActionEvent {
  const { record, revision } = stored
  const { proposal, state, decision } = record
  return {
    v: 1,
    action_id: proposal.action_id,
    revision,
    tenant: proposal.tenant,
    state: state.kind,
    tool_id: proposal.tool_id,
    operation: record.tool.operation,
    source: proposal.source,
    agent: proposal.principal.subject,
    on_behalf_of: proposal.on_behalf_of,
    tier: decision.tier,
    rule_id: decision.rule_id,
    reason: eventReason(record),
    amount: record.tool.amount,
    proposed_at: proposal.received_at,
    at: now,
    decide_by: decideBy(state),
  }
}

/** Why it stands as it does, for people: how it ended where somebody or time ended it, else the rule's. */
function eventReason({ state, decision }: ActionRecord): string {
  if (state.kind === 'denied')
    return state.by === null ? state.reason : fitting(`Denied by ${state.by}: ${state.reason}`)
  if (state.kind === 'cancelled') {
    return state.stopped_for === undefined
      ? 'Its proposer took it back.'
      : fitting(`Stopped by ${state.by}: ${state.stopped_for}`)
  }
  if (state.kind === 'expired')
    return state.reason === 'approval' ? 'Nobody decided in time.' : 'Its time to run was over.'
  return decision.reason
}

/** A reason may be as long as an event's, and has a name before it here. */
const EVENT_REASON_MAX_CHARS = 500
function fitting(text: string): string {
  if (text.length <= EVENT_REASON_MAX_CHARS) return text
  return `${text.slice(0, EVENT_REASON_MAX_CHARS - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}

/** Until when people may say something: yes or no, or that it shall not run. */
function decideBy(state: ActionRecord['state']): number | null {
  if (state.kind === 'scheduled') return state.not_before
  return state.kind === 'pending_approval' ? state.decide_by : null
}
