import { type ActionState, actionStateJson, actionStateShape } from '@trustgw/core'
import {
  type ActionId,
  type ApprovalEvidence,
  type AuthLevel,
  actionIdField,
  approvalEvidencesShape,
  arrayShape,
  canonicalize,
  countField,
  type DecisionRecord,
  decisionJson,
  decisionRecordShape,
  evidenceJson,
  type Hash,
  hashField,
  hintField,
  JSON_MAX_DEPTH,
  type Json,
  type JsonObject,
  type JsonRefusal,
  jsonShape,
  msField,
  nameField,
  nullableShape,
  type Operation,
  type Outcome,
  objectShape,
  ok,
  onBehalfOfShape,
  oneOfShape,
  operationShape,
  optionalMember,
  type Profile,
  type Proposal,
  parseJson,
  principalShape,
  profileField,
  type Result,
  readShape,
  refuse,
  type Shape,
  type ShapeRefusal,
  sourceShape,
  stringShape,
  tenantField,
  utf8Encode,
} from '@trustgw/protocol'

/** Where the stored audit event of a decision stands. */
export interface DecisionEvent {
  readonly seq: number
  readonly event_id: string
}

/** What the executor said, as far as the proposer may read it. */
export interface ActionResult {
  readonly outcome: Outcome
  readonly reason: string | null
  readonly output: Json
  readonly result_hash: Hash
  readonly provider_reference: string | null
}

/** What is remembered of the tool, so that a list of actions needs no registry. */
export interface ToolSummary {
  readonly contract_hash: Hash
  readonly operation: Operation
  readonly credential_ref: string
  /** As `250.00 EUR`; null where there is none or it could not be read. */
  readonly amount: string | null
}

/** Where an action counts (spec/policy.md "Limits"): the counters in which a decision of it took places. */
export interface CountedIn {
  /** Names the places: another decision of the same action takes others. */
  readonly attempt: string
  readonly counters: readonly string[]
  /** Under which keys its values are remembered once it ran. */
  readonly seen: readonly string[]
  /** When its latest grant was made, before that when it was decided: windows are measured from it. */
  readonly granted_at: number
}

/**
 * An action as it is stored: its proposal, its state (spec/protocol.md §5) and what the state's
 * effects need. Replaced by compare-and-swap only.
 */
export interface ActionRecord {
  readonly v: 1
  readonly proposal: Proposal
  readonly tool: ToolSummary
  readonly state: ActionState
  readonly decision: DecisionRecord
  /** Null until the decision's audit event is acknowledged as stored; no grant before. */
  readonly decision_event: DecisionEvent | null
  readonly evidence: readonly ApprovalEvidence[]
  /** The compact token of the last grant. */
  readonly grant: string | null
  /** Every profile that was given a grant, the latest last: nobody else's result counts. */
  readonly granted_to: readonly Profile[]
  /** How many grants were made for it, by whichever decision. */
  readonly grants: number
  readonly result: ActionResult | null
  /** When its tool was entered, or is known to have been claimed. */
  readonly entered_at: number | null
  /** Null where no limit counts it and no value of it is to be remembered. */
  readonly counted: CountedIn | null
  /** What its proposer may be told of a decision that was not to allow it. */
  readonly hint: string | null
}

/** Every limit of every layer may count one action. */
const COUNTERS_MAX = 256
/** Pointers whose provenance the policies of all layers ask for. */
const SEEN_MAX = 64
/** Profiles that one action was granted to: more than one only when its tool moved meanwhile. */
const PROFILES_MAX = 16

/**
 * Arguments are stored as a value, not as a text inside a text, which could double them. Their JCS
 * text is one with the value, so what is read back is what was hashed.
 */
const jcsTextShape: Shape<string> = {
  description: jsonShape().description,
  read: (value) => ok(canonicalize(value)),
}

const proposalShape: Shape<Proposal> = objectShape({
  action_id: actionIdField,
  trace: nameField,
  tenant: tenantField,
  workspace: nameField,
  source: sourceShape,
  principal: principalShape,
  auth_level: oneOfShape<AuthLevel>(1, 2, 3, 4, 5),
  on_behalf_of: onBehalfOfShape,
  tool_id: nameField,
  arguments: jcsTextShape,
  input_hash: hashField,
  client_key: nullableShape(stringShape({ min: 1, max: 200, characters: 'token' })),
  received_at: msField,
})

const storedKeysShape: Shape<string> = stringShape({ min: 1, max: 256, characters: 'token' })

/** Members that an earlier version did not write may be missing. */
type Later = 'grants' | 'counted' | 'hint' | 'entered_at'
type Stored = Omit<ActionRecord, Later> & Partial<Pick<ActionRecord, Later>>

const actionRecordShape: Shape<Stored> = objectShape({
  v: oneOfShape(1),
  proposal: proposalShape,
  tool: objectShape({
    contract_hash: hashField,
    operation: operationShape,
    credential_ref: nameField,
    amount: nullableShape(stringShape({ max: 40 })),
  }),
  state: actionStateShape,
  decision: decisionRecordShape,
  decision_event: nullableShape(objectShape({ seq: countField, event_id: nameField })),
  evidence: approvalEvidencesShape,
  grant: nullableShape(stringShape({ min: 1, max: 8_192, characters: 'token' })),
  granted_to: arrayShape(profileField, { max: PROFILES_MAX }),
  grants: optionalMember(countField),
  result: nullableShape(
    objectShape({
      outcome: oneOfShape<Outcome>('succeeded', 'failed', 'refused', 'unknown_outcome'),
      reason: nullableShape(nameField),
      output: jsonShape(),
      result_hash: hashField,
      provider_reference: nullableShape(stringShape({ max: 256 })),
    }),
  ),
  entered_at: optionalMember(nullableShape(msField)),
  counted: optionalMember(
    nullableShape(
      objectShape({
        attempt: nameField,
        counters: arrayShape(storedKeysShape, { max: COUNTERS_MAX }),
        seen: arrayShape(storedKeysShape, { max: SEEN_MAX }),
        granted_at: msField,
      }),
    ),
  ),
  hint: optionalMember(nullableShape(hintField)),
})

const RECORD_MAX_BYTES = 1_048_576
/** Arguments and output stand two levels down. */
const RECORD_MAX_DEPTH = JSON_MAX_DEPTH + 2

function recordJson(record: ActionRecord): JsonObject {
  return {
    v: record.v,
    proposal: {
      ...record.proposal,
      principal: { ...record.proposal.principal },
      arguments: argumentsOf(record.proposal),
    },
    tool: { ...record.tool },
    state: actionStateJson(record.state),
    decision: decisionJson(record.decision),
    decision_event: record.decision_event === null ? null : { ...record.decision_event },
    evidence: record.evidence.map(evidenceJson),
    grant: record.grant,
    granted_to: [...record.granted_to],
    grants: record.grants,
    result: record.result === null ? null : { ...record.result },
    entered_at: record.entered_at,
    counted: countedJson(record.counted),
    hint: record.hint,
  }
}

function countedJson(counted: CountedIn | null): Json {
  if (counted === null) return null
  return { ...counted, counters: [...counted.counters], seen: [...counted.seen] }
}

/** The arguments as the value that they were parsed to. */
export function argumentsOf(proposal: Proposal): Json {
  const args = parseJson(proposal.arguments)
  if (!args.ok) throw new TypeError('a proposal whose arguments were not parsed')
  return args.value
}

/** An action of which nothing but its decision is known yet. */
export function newRecord(
  proposal: Proposal,
  decided: Pick<ActionRecord, 'decision' | 'counted' | 'hint'>,
  tool: ToolSummary,
): Omit<ActionRecord, 'state'> {
  return {
    v: 1,
    proposal,
    tool,
    ...decided,
    decision_event: null,
    evidence: [],
    grant: null,
    granted_to: [],
    grants: 0,
    result: null,
    entered_at: null,
  }
}

/** The bytes that are stored; the same record always gives the same ones. */
export function writeActionRecord(record: ActionRecord): Uint8Array {
  return utf8Encode(canonicalize(recordJson(record)))
}

/** Reads stored bytes like anything else from outside. */
export function readActionRecord(
  bytes: Uint8Array,
): Result<ActionRecord, JsonRefusal | ShapeRefusal> {
  const json = parseJson(bytes, { maxBytes: RECORD_MAX_BYTES, maxDepth: RECORD_MAX_DEPTH })
  if (!json.ok) return json
  const read = readShape(actionRecordShape, json.value)
  if (!read.ok) return refuse(read.reason, read.detail)
  const { counted = null, hint = null, entered_at = null } = read.value
  const { grants = read.value.granted_to.length } = read.value
  return ok({ ...read.value, grants, counted, hint, entered_at })
}

export function actionIdOf(record: ActionRecord): ActionId {
  return record.proposal.action_id
}
