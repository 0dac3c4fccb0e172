import {
  type ActionEvent,
  type ApprovalRequest,
  type Approver,
  actionEventShape,
  approvalRequestShape,
  arrayShape,
  booleanShape,
  EVIDENCE_MAX,
  integerShape,
  isJsonObject,
  type Json,
  type Members,
  nullableShape,
  type ObjectOf,
  objectShape,
  optionalMember,
  type Shape,
  type ShapeOf,
  stringShape,
} from '@trustgw/protocol'

const TEXT_MAX_CHARS = 2_000
const LIST_MAX = 1_000

const text = stringShape({ max: TEXT_MAX_CHARS })
const whole = integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER })

/**
 * Reads the named members of a document that this package does not own (an answer of the host's,
 * WebAuthn options) and leaves out the others, so that they cannot be used by accident.
 */
function picked<const M extends Members>(members: M): Shape<ObjectOf<M>> {
  const closed = objectShape(members)
  const keep = (value: Json): Json =>
    isJsonObject(value)
      ? Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(members, name)))
      : value
  return { description: closed.description, read: (value) => closed.read(keep(value)) }
}

const personShape = picked({ id: text, name: text, roles: arrayShape(text, { max: 32 }) })

export const sessionShape = picked({
  person: personShape,
  tenant: text,
  expires_at: whole,
  now: whole,
  bus: picked({ url: text, subject: text, inbox_prefix: text, user: text }),
})
export type Session = ShapeOf<typeof sessionShape>

export const actionsShape: Shape<{ readonly actions: readonly ActionEvent[] }> = picked({
  actions: arrayShape(actionEventShape, { max: LIST_MAX }),
})

export const approvalsShape: Shape<{ readonly approvals: readonly ApprovalRequest[] }> = picked({
  approvals: arrayShape(approvalRequestShape, { max: LIST_MAX }),
})

/** One request with the state of its action beside it, and who approved so far. */
export interface ShownApproval {
  readonly request: ApprovalRequest
  readonly state: string
  readonly given: readonly Approver[]
}

const besideRequest = picked({
  state: text,
  given: arrayShape(picked({ approver: text, roles: arrayShape(text, { max: 32 }) }), {
    max: EVIDENCE_MAX,
  }),
})

export const approvalShape: Shape<ShownApproval> = {
  description: approvalRequestShape.description,
  read: (value) => {
    const beside = besideRequest.read(value)
    if (!beside.ok || !isJsonObject(value)) return { ok: false, reason: 'shape', detail: '#/state' }
    const { state: _, given: __, ...rest } = value
    const request = approvalRequestShape.read(rest)
    if (!request.ok) return request
    return { ok: true, value: { request: request.value, ...beside.value } }
  },
}

export const ceremonyShape = picked({
  approver: text,
  nonce: text,
  decide_by: whole,
  run_by: whole,
  rp_id: text,
  credential_ids: arrayShape(text, { max: 64 }),
})
export type ApprovalCeremony = ShapeOf<typeof ceremonyShape>

export const stateShape = picked({ state: text })

const credentialList = arrayShape(picked({ id: text }), { max: 64 })

/** What is taken from `PublicKeyCredentialCreationOptionsJSON` (WebAuthn level 3 §5.1.8). */
const creationShape = picked({
  challenge: text,
  rp: picked({ id: text, name: text }),
  user: picked({ id: text, name: text, displayName: text }),
  pubKeyCredParams: arrayShape(picked({ alg: integerShape({ min: -70_000, max: 0 }) }), {
    max: 32,
  }),
  excludeCredentials: optionalMember(credentialList),
  timeout: optionalMember(whole),
})
export type CreationOptions = ShapeOf<typeof creationShape>

const requestShape = picked({
  challenge: text,
  rpId: text,
  allowCredentials: optionalMember(credentialList),
  timeout: optionalMember(whole),
})
export type RequestOptions = ShapeOf<typeof requestShape>

const enrolleeShape = picked({ id: text, name: text })

export const enrolBeginShape = picked({
  ceremony: text,
  person: enrolleeShape,
  login_options: creationShape,
})
export type EnrolBegin = ShapeOf<typeof enrolBeginShape>
export const enrolLoginShape = picked({ approval_options: creationShape })
export type EnrolLogin = ShapeOf<typeof enrolLoginShape>
export const enrolFinishShape = picked({ person: enrolleeShape, fingerprint: text })
export type EnrolFinish = ShapeOf<typeof enrolFinishShape>
export const loginBeginShape = picked({ ceremony: text, options: requestShape })
export type LoginBegin = ShapeOf<typeof loginBeginShape>

export const installationShape = picked({
  processes: arrayShape(
    picked({
      name: text,
      pid: nullableShape(whole),
      state: text,
      started_at: nullableShape(whole),
      restarts: whole,
      version: nullableShape(text),
    }),
    { max: 64 },
  ),
  bus: picked({
    version: nullableShape(text),
    connected: booleanShape(),
    port: nullableShape(whole),
    websocket_port: nullableShape(whole),
  }),
  isolation: arrayShape(picked({ name: text, in_force: booleanShape(), detail: text }), {
    max: 64,
  }),
  mode: text,
  versions: picked({ trustgw: text, node: text }),
  state_dir: text,
})
export type Installation = ShapeOf<typeof installationShape>

export const problemShape = picked({ title: text, code: text })
