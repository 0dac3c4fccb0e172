import { type Operation, operationShape } from './contract.ts'
import { type Tier, tierShape } from './decision.ts'
import {
  actionIdField,
  countField,
  msField,
  nameField,
  reasonField,
  tenantField,
} from './fields.ts'
import type { ActionId } from './ids.ts'
import { type OnBehalfOf, onBehalfOfShape, type Source, sourceShape } from './principal.ts'
import { nullableShape, objectShape, oneOfShape, type Shape, stringShape } from './shape.ts'
import type { TenantId } from './subjects.ts'

/** States of an action (spec/protocol.md §5). */
export const ACTION_STATES: readonly ActionState[] = [
  'proposed',
  'preparing',
  'denied',
  'pending_approval',
  'authorized',
  'scheduled',
  'dispatched',
  'executing',
  'succeeded',
  'failed',
  'refused',
  'unknown_outcome',
  'reconciled_succeeded',
  'reconciled_failed',
  'needs_human',
  'cancelled',
  'expired',
]

export type ActionState =
  | 'proposed'
  | 'preparing'
  | 'denied'
  | 'pending_approval'
  | 'authorized'
  | 'scheduled'
  | 'dispatched'
  | 'executing'
  | 'succeeded'
  | 'failed'
  | 'refused'
  | 'unknown_outcome'
  | 'reconciled_succeeded'
  | 'reconciled_failed'
  | 'needs_human'
  | 'cancelled'
  | 'expired'

export const actionStateShape: Shape<ActionState> = oneOfShape(...ACTION_STATES)

/**
 * `ui.v1.<tenant>.events`: what a portal may know of an action's progress. A reader keeps the event
 * with the highest `revision` per action; arguments and results are never in it.
 */
export interface ActionEvent {
  readonly v: 1
  readonly action_id: ActionId
  /** Grows with every stored change of the action. */
  readonly revision: number
  readonly tenant: TenantId
  readonly state: ActionState
  readonly tool_id: string
  readonly operation: Operation
  readonly source: Source
  readonly agent: string
  readonly on_behalf_of: OnBehalfOf
  readonly tier: Tier
  readonly rule_id: string
  readonly reason: string
  /** As `250.00 EUR`; null where the tool moves none or it could not be read. */
  readonly amount: string | null
  readonly proposed_at: number
  readonly at: number
  readonly decide_by: number | null
}

export const actionEventShape: Shape<ActionEvent> = objectShape({
  v: oneOfShape(1),
  action_id: actionIdField,
  revision: countField,
  tenant: tenantField,
  state: actionStateShape,
  tool_id: nameField,
  operation: operationShape,
  source: sourceShape,
  agent: nameField,
  on_behalf_of: onBehalfOfShape,
  tier: tierShape,
  rule_id: nameField,
  reason: reasonField,
  amount: nullableShape(stringShape({ max: 40 })),
  proposed_at: msField,
  at: msField,
  decide_by: nullableShape(msField),
})
