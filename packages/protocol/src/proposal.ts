import { type ActionState, actionStateShape } from './action-event.ts'
import { actionIdField, countField, msField, nameField, reasonField } from './fields.ts'
import type { Hash } from './hash.ts'
import type { ActionId } from './ids.ts'
import type { Json, JsonObject } from './json.ts'
import type { OnBehalfOf, Principal, Source } from './principal.ts'
import {
  booleanShape,
  jsonObjectShape,
  jsonShape,
  nullableShape,
  objectShape,
  oneOfShape,
  optionalMember,
  type Shape,
  stringShape,
} from './shape.ts'
import type { TenantId } from './subjects.ts'

/** How sure the gateway is of who acts: 1 API key, 2 bearer token, 3 session, 4 presentation, 5 passkey. */
export type AuthLevel = 1 | 2 | 3 | 4 | 5

/** A tool call as the gateway took it in (spec/protocol.md §3): normalised, its arguments frozen. */
export interface Proposal {
  readonly action_id: ActionId
  readonly trace: string
  readonly tenant: TenantId
  readonly workspace: string
  readonly source: Source
  readonly principal: Principal
  readonly auth_level: AuthLevel
  readonly on_behalf_of: OnBehalfOf
  readonly tool_id: string
  /** The JCS text: what is hashed, stored and sent on; no later stage serialises again. */
  readonly arguments: string
  readonly input_hash: Hash
  /** The proposer's own key for this call; a repeat with it is the same action. */
  readonly client_key: string | null
  readonly received_at: number
}

export const CLIENT_KEY_MAX_CHARS = 200
const HINT_MAX_CHARS = 600
export const hintField: Shape<string> = stringShape({ max: HINT_MAX_CHARS, characters: 'any' })

/** What an agent sends: over NATS as it is, over REST as the body. Identity is never part of it. */
export interface ProposeRequest {
  readonly tool: string
  readonly arguments: JsonObject
  readonly idempotency_key?: string
  /** How long the caller will wait for an end, in milliseconds; at most `HOLD_MAX_MS`. */
  readonly wait_ms?: number
}

export const HOLD_MAX_MS = 55_000

export const proposeRequestShape: Shape<ProposeRequest> = objectShape({
  tool: nameField,
  arguments: jsonObjectShape(),
  idempotency_key: optionalMember(
    stringShape({ min: 1, max: CLIENT_KEY_MAX_CHARS, characters: 'token' }),
  ),
  wait_ms: optionalMember({
    description: { type: 'integer', minimum: 0, maximum: HOLD_MAX_MS },
    read: readWait,
  }),
})

function readWait(value: Json): ReturnType<Shape<number>['read']> {
  const read = countField.read(value)
  return !read.ok || read.value <= HOLD_MAX_MS
    ? read
    : { ok: false, reason: 'shape', detail: '#: range' }
}

/** `trust.v1.<tenant>.action.get` and `.cancel`. */
export interface ActionQuery {
  readonly action_id: ActionId
  readonly wait_ms?: number
}

export const actionQueryShape: Shape<ActionQuery> = objectShape({
  action_id: actionIdField,
  wait_ms: optionalMember({
    description: { type: 'integer', minimum: 0, maximum: HOLD_MAX_MS },
    read: readWait,
  }),
})

/** What a proposer may know of its own action, on every face. */
export interface ActionView {
  readonly action_id: ActionId
  readonly status: ActionState
  readonly tool: string
  /** True when an identical proposal was there before and this one joined it. */
  readonly joined: boolean
  /** Safe reason of a refusal; never which internal check. */
  readonly reason: string | null
  /** What of its own arguments would have to be otherwise, where policy said no; nothing of the policy. */
  readonly hint: string | null
  readonly result: Json
  readonly proposed_at: number
  readonly expires_at: number | null
  /** When asking again makes sense, in seconds; null once nothing will change. */
  readonly poll_after_s: number | null
}

export const actionViewShape: Shape<ActionView> = objectShape({
  action_id: actionIdField,
  status: actionStateShape,
  tool: nameField,
  joined: booleanShape(),
  reason: nullableShape(reasonField),
  hint: nullableShape(hintField),
  result: jsonShape(),
  proposed_at: msField,
  expires_at: nullableShape(msField),
  poll_after_s: nullableShape(countField),
})

/** The answer on the bus: it names what it answers, so an answer steered elsewhere fits nothing. */
export type BusAnswer =
  | { readonly v: 1; readonly ok: true; readonly request: string; readonly value: Json }
  | {
      readonly v: 1
      readonly ok: false
      readonly request: string
      readonly code: string
      readonly message: string
      /** Seconds after which it makes sense to try again; absent: not by itself. */
      readonly retry_after_s?: number
    }

/** What every request of an agent on the bus is wrapped in; `request` comes back in the answer. */
export interface BusEnvelope {
  readonly v: 1
  readonly request: string
  readonly body: JsonObject
}

export const busEnvelopeShape: Shape<BusEnvelope> = objectShape({
  v: oneOfShape(1),
  request: nameField,
  body: jsonObjectShape(),
})
