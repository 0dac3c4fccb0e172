/** An action's state read back from its bucket: parsed like anything else from outside. */
import {
  approversShape,
  arrayShape,
  EVIDENCE_MAX,
  integerShape,
  type Json,
  type JsonObject,
  nullableShape,
  objectShape,
  oneOfShape,
  optionalMember,
  type Shape,
  stringShape,
  taggedShape,
} from '@trustgw/protocol'
import {
  type ActionState,
  type Cancel,
  DECISION_ROUNDS_MAX,
  type Evidence,
  GRANTS_PER_ACTION_MAX,
  type Need,
  type ResultSummary,
} from './state.ts'

/** Roles of one person, as many as a decision of the host's names. */
const ROLES_MAX = 32
const LATEST_MS = 8_640_000_000_000_000

const ms: Shape<number> = integerShape({ min: 0, max: LATEST_MS })
const name: Shape<string> = stringShape({ min: 1, max: 512 })
const reason: Shape<string> = stringShape({ max: 1_024 })
const releasedBy: Shape<1 | 2> = oneOfShape(1, 2)

const cancelShape: Shape<Cancel> = objectShape({ by: name, at: ms })
const needShape: Shape<Need> = objectShape({
  tier: releasedBy,
  approvers: approversShape,
  initiator: name,
  asked_at: ms,
})
const evidenceShape: Shape<Evidence> = objectShape({
  ref: name,
  approver: name,
  roles: arrayShape(name, { max: ROLES_MAX }),
  tier: releasedBy,
})
const resultShape: Shape<ResultSummary> = objectShape({
  result_hash: name,
  reason: nullableShape(reason),
})

const live = {
  since: ms,
  round: integerShape({ min: 1, max: DECISION_ROUNDS_MAX + 1 }),
  issued: arrayShape(name, { max: GRANTS_PER_ACTION_MAX }),
  cancel: nullableShape(cancelShape),
}
const evidence: Shape<readonly Evidence[]> = arrayShape(evidenceShape, { max: EVIDENCE_MAX })
const cleared = { ...live, run_by: ms, need: nullableShape(needShape), evidence }
const running = { ...live, jti: name }

function ended<K extends string>(
  kind: K,
): Shape<{ kind: K; since: number; jti: string; result: ResultSummary }> {
  return objectShape({ kind: oneOfShape(kind), since: ms, jti: name, result: resultShape })
}

function reconciled<K extends string>(
  kind: K,
): Shape<{ kind: K; since: number; jti: string; by: string; result: ResultSummary }> {
  return objectShape({
    kind: oneOfShape(kind),
    since: ms,
    jti: name,
    by: name,
    result: resultShape,
  })
}

/** The closed shape of every stored state; unknown kinds and members refuse. */
export const actionStateShape: Shape<ActionState> = taggedShape('kind', {
  proposed: objectShape({ kind: oneOfShape('proposed'), ...live }),
  preparing: objectShape({ kind: oneOfShape('preparing'), ...live, prepare_by: ms }),
  pending_approval: objectShape({
    kind: oneOfShape('pending_approval'),
    ...live,
    decide_by: ms,
    run_by: ms,
    need: needShape,
    evidence,
  }),
  authorized: objectShape({ kind: oneOfShape('authorized'), ...cleared }),
  scheduled: objectShape({ kind: oneOfShape('scheduled'), ...cleared, not_before: ms }),
  dispatched: objectShape({
    kind: oneOfShape('dispatched'),
    ...cleared,
    jti: name,
    grant_exp: ms,
    refused_for: optionalMember(reason),
  }),
  executing: objectShape({ kind: oneOfShape('executing'), ...running, result_by: ms }),
  unknown_outcome: objectShape({ kind: oneOfShape('unknown_outcome'), ...running, reason }),
  needs_human: objectShape({ kind: oneOfShape('needs_human'), ...running, reason }),
  denied: objectShape({
    kind: oneOfShape('denied'),
    since: ms,
    reason,
    by: nullableShape(name),
  }),
  refused: objectShape({ kind: oneOfShape('refused'), since: ms, jti: name, reason }),
  succeeded: ended('succeeded'),
  failed: ended('failed'),
  reconciled_succeeded: reconciled('reconciled_succeeded'),
  reconciled_failed: reconciled('reconciled_failed'),
  cancelled: objectShape({
    kind: oneOfShape('cancelled'),
    since: ms,
    by: name,
    stopped_for: optionalMember(reason),
  }),
  expired: objectShape({
    kind: oneOfShape('expired'),
    since: ms,
    reason: oneOfShape('approval', 'run_by', 'grants_used_up'),
  }),
})

/** The state as a JSON value of its own, ready to be written. */
export function actionStateJson(state: ActionState): JsonObject {
  const members = Object.entries(state).map(([key, value]): [string, Json] => [key, copy(value)])
  return Object.fromEntries(members)
}

function copy(value: unknown): Json {
  if (Array.isArray(value)) return value.map(copy)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copy(member)]))
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return value
  }
  return null
}
