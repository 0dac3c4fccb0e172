import {
  type ActionEvent,
  actionEventShape,
  actionIdField,
  amountRuleShape,
  arrayShape,
  booleanShape,
  decisionRecordShape,
  hashField,
  integerShape,
  jsonShape,
  nameField,
  nullableShape,
  oneOfShape,
  operationShape,
  optionalMember,
  POLICY_BUNDLE_MAX_BYTES,
  POLICY_BUNDLE_MAX_LAYERS,
  pickedShape,
  type Shape,
  type ShapeOf,
  sourceShape,
  stringShape,
  toolContractShape,
  type UnsettledAction,
  unsettledActionShape,
} from '@trustgw/protocol'
import type { PolicyStatusView } from '../logic/policy-status.ts'
import type { RecordedProposal } from '../logic/recorded.ts'

const TEXT_MAX_CHARS = 2_000
const LIST_MAX = 4_096
const POLICY_TEXT_MAX_CHARS = 4 * 1024 * 1024
const TOOLS_LISTED_MAX = 16_384

const text = stringShape({ max: TEXT_MAX_CHARS })
const whole = integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER })

const personShape = pickedShape({ id: text, name: text, roles: arrayShape(text, { max: 32 }) })

export const sessionShape = pickedShape({
  person: personShape,
  tenant: text,
  expires_at: whole,
  sessions_replayed: whole,
  approval_origin: nullableShape(text),
  now: whole,
  bus: pickedShape({ url: text, subject: text, changed: text, inbox_prefix: text, user: text }),
})
export type Session = ShapeOf<typeof sessionShape>

export const addressShape = pickedShape({ address: text })

/** What the page of one approval is told of it and of who opened it. */
export const openedPageShape = pickedShape({
  action_id: nameField,
  ticket: text,
  person: personShape,
  tenant: text,
  portal: text,
  now: whole,
})
export type OpenedPage = ShapeOf<typeof openedPageShape>

/** `whole`: whether no action is left out. */
export const actionsShape: Shape<{
  readonly actions: readonly ActionEvent[]
  readonly whole: boolean
}> = pickedShape({
  actions: arrayShape(actionEventShape, { max: LIST_MAX }),
  whole: booleanShape(),
})

export const ceremonyShape = pickedShape({
  approver: text,
  nonce: text,
  decide_by: whole,
  run_by: whole,
  rp_id: text,
  credential_ids: arrayShape(text, { max: 64 }),
})
export type ApprovalCeremony = ShapeOf<typeof ceremonyShape>

export const outcomesShape: Shape<{ readonly actions: readonly UnsettledAction[] }> = pickedShape({
  actions: arrayShape(unsettledActionShape, { max: LIST_MAX }),
})

const listedContractShape = pickedShape({
  tool_id: nameField,
  accepted: toolContractShape,
  found: nullableShape(toolContractShape),
  contract_hash: hashField,
  quarantine: nullableShape(oneOfShape('contract_changed', 'ordered')),
})
/** A tool with the contract under which it is called, and the one that came after it. */
export type ListedContract = ShapeOf<typeof listedContractShape>

export const toolsShape: Shape<{ readonly tools: readonly ListedContract[] }> = pickedShape({
  tools: arrayShape(listedContractShape, { max: TOOLS_LISTED_MAX }),
})
export const orderedShape = pickedShape({ order: text })

export const stateShape = pickedShape({ state: text })

const credentialList = arrayShape(pickedShape({ id: text }), { max: 64 })

/** What is taken from `PublicKeyCredentialCreationOptionsJSON` (WebAuthn level 3 §5.1.8). */
export const creationShape = pickedShape({
  challenge: text,
  rp: pickedShape({ id: text, name: text }),
  user: pickedShape({ id: text, name: text, displayName: text }),
  pubKeyCredParams: arrayShape(pickedShape({ alg: integerShape({ min: -70_000, max: 0 }) }), {
    max: 32,
  }),
  excludeCredentials: optionalMember(credentialList),
  timeout: optionalMember(whole),
})
export type CreationOptions = ShapeOf<typeof creationShape>

const requestShape = pickedShape({
  challenge: text,
  rpId: text,
  allowCredentials: optionalMember(credentialList),
  timeout: optionalMember(whole),
})
export type RequestOptions = ShapeOf<typeof requestShape>

const enrolleeShape = pickedShape({ id: text, name: text })

export const enrolBeginShape = pickedShape({
  ceremony: text,
  person: enrolleeShape,
  login_options: creationShape,
})
export type EnrolBegin = ShapeOf<typeof enrolBeginShape>
export const enrolLoginShape = pickedShape({ approval_options: creationShape })
export type EnrolLogin = ShapeOf<typeof enrolLoginShape>
export const enrolFinishShape = pickedShape({ person: enrolleeShape, fingerprint: text })
export type EnrolFinish = ShapeOf<typeof enrolFinishShape>
export const loginBeginShape = pickedShape({ ceremony: text, options: requestShape })
export type LoginBegin = ShapeOf<typeof loginBeginShape>

export const installationShape = pickedShape({
  processes: arrayShape(
    pickedShape({
      name: text,
      pid: nullableShape(whole),
      state: text,
      started_at: nullableShape(whole),
      restarts: whole,
      last_end: nullableShape(text),
      version: nullableShape(text),
    }),
    { max: 64 },
  ),
  bus: pickedShape({
    version: nullableShape(text),
    connected: booleanShape(),
    port: nullableShape(whole),
    websocket_port: nullableShape(whole),
  }),
  isolation: arrayShape(pickedShape({ name: text, in_force: booleanShape(), detail: text }), {
    max: 64,
  }),
  mode: text,
  versions: pickedShape({ trustgw: text, node: text }),
  state_dir: text,
})
export type Installation = ShapeOf<typeof installationShape>

export const keysShape = pickedShape({
  epoch: whole,
  signed_by: text,
  keys: arrayShape(
    pickedShape({
      kid: text,
      role: text,
      component: text,
      status: oneOfShape('active', 'not_yet', 'ended', 'revoked'),
      since: whole,
      until: nullableShape(whole),
      fingerprint: text,
    }),
    { max: LIST_MAX },
  ),
})
/** The newest set of keys that the host verified, history included. */
export type KeySet = ShapeOf<typeof keysShape>
export type ListedSystemKey = KeySet['keys'][number]

const bundleShape = pickedShape({
  epoch: whole,
  bundle_hash: hashField,
  issued_at: whole,
  sealed_by: text,
})

const statusMembers = {
  in_force: nullableShape(bundleShape),
  unreadable: booleanShape(),
  gateway: nullableShape(
    pickedShape({
      epoch: nullableShape(whole),
      bundle_hash: nullableShape(hashField),
      refused: nullableShape(
        pickedShape({
          at: whole,
          reason: text,
          details: arrayShape(text, { max: 64 }),
          source: oneOfShape('bundle', 'file'),
        }),
      ),
      at: whole,
    }),
  ),
  executors: arrayShape(
    pickedShape({
      profile: text,
      policy: nullableShape(pickedShape({ epoch: whole, bundle_hash: hashField })),
    }),
    { max: 256 },
  ),
} as const

/** Who decides by which bundle. */
export const policyStatusShape: Shape<PolicyStatusView> = pickedShape(statusMembers)

const toolMembers = {
  id: nameField,
  operation: operationShape,
  category: nullableShape(nameField),
  tags: arrayShape(nameField, { max: 64 }),
  bundle: nameField,
  amount: amountRuleShape,
} as const

export const policyShape = pickedShape({
  ...statusMembers,
  policies: nullableShape(
    arrayShape(
      pickedShape({
        layer: oneOfShape('platform', 'tenant', 'workspace', 'agent'),
        scope: nullableShape(nameField),
        file: text,
        text: stringShape({ max: POLICY_TEXT_MAX_CHARS, characters: 'any' }),
      }),
      { max: POLICY_BUNDLE_MAX_LAYERS },
    ),
  ),
  tools: arrayShape(pickedShape({ ...toolMembers, title: text }), { max: TOOLS_LISTED_MAX }),
})
export type PolicyAnswer = ShapeOf<typeof policyShape>
export type ListedTool = PolicyAnswer['tools'][number]

export const recordedShape: Shape<{
  readonly actions: readonly RecordedProposal[]
  readonly truncated: boolean
}> = pickedShape({
  actions: arrayShape(
    pickedShape({
      action_id: actionIdField,
      at: whole,
      source: sourceShape,
      auth_level: whole,
      amount: nullableShape(text),
      arguments: jsonShape(),
      decision: decisionRecordShape,
      tool: nullableShape(pickedShape(toolMembers)),
    }),
    { max: LIST_MAX },
  ),
  truncated: booleanShape(),
})
export type RecordedAnswer = ShapeOf<typeof recordedShape>

export const policyChallengeShape = pickedShape({
  bundle: stringShape({ max: POLICY_BUNDLE_MAX_BYTES, characters: 'any' }),
  bundle_hash: text,
  nonce: text,
  rp_id: text,
  credential_ids: arrayShape(text, { max: 64 }),
})
export type PolicyChallenge = ShapeOf<typeof policyChallengeShape>

export const appliedShape = pickedShape({ epoch: whole, bundle_hash: hashField })
export type Applied = ShapeOf<typeof appliedShape>

export const problemShape = pickedShape({ title: text, code: text })
