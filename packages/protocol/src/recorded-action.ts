/**
 * What is kept of an action (bucket `actions`), as far as its decision can be made again from it:
 * for the portal and `trustgw policy replay`, which are no part of the gateway.
 */
import { type DecisionRecord, decisionRecordShape } from './decision.ts'
import { actionIdField, msField, nameField, tenantField } from './fields.ts'
import type { ActionId } from './ids.ts'
import { JSON_MAX_DEPTH, type Json, parseJsonObject } from './json.ts'
import { type Source, sourceShape } from './principal.ts'
import type { AuthLevel } from './proposal.ts'
import { ok, type Result, refuse } from './result.ts'
import {
  jsonShape,
  nullableShape,
  oneOfShape,
  pickedShape,
  readShape,
  type Shape,
  stringShape,
} from './shape.ts'
import type { TenantId } from './subjects.ts'

export const RECORDED_ACTION_MAX_BYTES = 1_048_576
/** Arguments and output stand two levels down. */
const RECORDED_ACTION_MAX_DEPTH: number = JSON_MAX_DEPTH + 2

export interface RecordedAction {
  readonly action_id: ActionId
  readonly tenant: TenantId
  /** When the gateway took the proposal in. */
  readonly received_at: number
  readonly source: Source
  readonly auth_level: AuthLevel
  readonly arguments: Json
  /** As `250.00 EUR`; null where there is none or it could not be read. */
  readonly amount: string | null
  /** The newest one: an action may have been decided several times. */
  readonly decision: DecisionRecord
}

interface Stored {
  readonly proposal: Pick<
    RecordedAction,
    'action_id' | 'tenant' | 'received_at' | 'source' | 'auth_level' | 'arguments'
  > & { readonly tool_id: string }
  readonly tool: { readonly amount: string | null }
  readonly decision: DecisionRecord
}

const storedShape: Shape<Stored> = pickedShape({
  proposal: pickedShape({
    action_id: actionIdField,
    tenant: tenantField,
    tool_id: nameField,
    received_at: msField,
    source: sourceShape,
    auth_level: oneOfShape<AuthLevel>(1, 2, 3, 4, 5),
    arguments: jsonShape(),
  }),
  tool: pickedShape({ amount: nullableShape(stringShape({ max: 40 })) }),
  decision: decisionRecordShape,
})

/** The stored action without what only its gateway needs: state, grant, evidence, result. */
export function readRecordedAction(bytes: Uint8Array): Result<RecordedAction, 'recorded_action'> {
  const json = parseJsonObject(bytes, {
    maxBytes: RECORDED_ACTION_MAX_BYTES,
    maxDepth: RECORDED_ACTION_MAX_DEPTH,
  })
  if (!json.ok) return refuse('recorded_action', json.reason)
  const read = readShape(storedShape, json.value)
  if (!read.ok) return refuse('recorded_action', read.detail)
  const { proposal, tool, decision } = read.value
  const { tool_id, ...known } = proposal
  const same = decision.action_id === known.action_id && decision.tool_id === tool_id
  return same
    ? ok({ ...known, amount: tool.amount, decision })
    : refuse('recorded_action', 'decision')
}
