import {
  APPROVAL_STATEMENT_TYP,
  type AuditEvent,
  auditEventId,
  auditEventJson,
  auditEventShape,
  auditSigningInput,
  base64urlEncode,
  canonicalize,
  type GrantedAction,
  grantedActionJson,
  hashJson,
  hashText,
  type Json,
  type JsonObject,
  parseJson,
  readShape,
  type UnsignedAuditEvent,
} from '@trustgw/protocol'
import { type SigningKey, sha256 } from '@trustgw/runtime'
import { NOW, TENANT } from '../world.ts'
import { HEADER, type Signing } from './grant-claims.ts'
import { OTHER_TYPS } from './grant-tokens.ts'
import { type Part, partsOf, rawToken, textOf } from './tokens.ts'
import { type Fate, without } from './vector-file.ts'

const OTHER = hashText(sha256, 'another')
const OTHER_ACTION = 'act_aaaaaaaaaaaaaaaaaaaaaaaaaa'

/** Members of the decision with another value; what that is refused with once the grant names it. */
const DECIDED: readonly (readonly [string, Json, Fate])[] = [
  ['typ', 'trustgw/decision/2', 'message_malformed'],
  ['action_id', OTHER_ACTION, 'decision_disagrees'],
  ['tenant', 'other', 'decision_disagrees'],
  ['workspace', 'other', 'decision_disagrees'],
  ['on_behalf_of', 'ceo', 'admitted'],
  ['tool_id', 'shop.wipe', 'decision_disagrees'],
  ['contract_hash', OTHER, 'decision_disagrees'],
  ['input_hash', OTHER, 'decision_disagrees'],
  ['effect', 'deny', 'decision_forbids'],
  ['effect', 'require_approval', 'decision_forbids'],
  ['effect', 'require_proof', 'decision_forbids'],
  ['effect', 'permit', 'message_malformed'],
  ['tier', 1, 'decision_forbids'],
  ['tier', 3, 'tier_not_supported'],
  ['tier', 4, 'message_malformed'],
  ['tier', -1, 'message_malformed'],
  ['tier', '0', 'message_malformed'],
  ['rule_id', 'vouched', 'decision_disagrees'],
  ['reason', 'because', 'decision_differs'],
  ['policy_fingerprint', OTHER, 'decision_disagrees'],
  ['policy_epoch', 2, 'decision_disagrees'],
  ['facts', [], 'decision_differs'],
  ['unknown', ['tool'], 'decision_differs'],
  ['decided_at', NOW - 30_001, 'decision_time_differs'],
  ['decided_at', NOW - 30_000, 'admitted'],
  ['decided_at', NOW + 2_000, 'admitted'],
  ['decided_at', NOW + 2_001, 'decision_time_differs'],
  ['decided_at', NOW / 1000, 'decision_time_differs'],
  ['decided_at', 0, 'decision_time_differs'],
]
const PRINCIPAL: readonly (readonly [string, Json, Fate])[] = [
  ['tenant', 'other', 'decision_disagrees'],
  ['issuer', 'nats', 'decision_disagrees'],
  ['client', 'key-2', 'decision_disagrees'],
  ['subject', 'agent-2', 'decision_disagrees'],
  ['subject', '', 'message_malformed'],
]

/** The decision beside the grant: changed alone, and changed with a grant that names the change. */
export function decisionCases({ file, claims }: Signing, action: GrantedAction): void {
  const { sign } = file.world.grantKey
  const decision = grantedActionJson(action)['decision'] as JsonObject
  const both = (name: string, expected: Fate, changed: JsonObject): void => {
    const alone = expected === 'message_malformed' ? expected : 'decision_hash_differs'
    file.add(`${name}, alone`, alone, { members: { decision: changed } })
    const named = { ...claims, decision_hash: hashJson(sha256, changed) }
    const members = { decision: changed, grant: rawToken(HEADER, named, sign) }
    file.add(name, expected === 'admitted' ? 'decision_event_differs' : expected, { members })
  }
  file.group('decision')
  for (const [member, value, expected] of DECIDED) {
    both(`${member} is ${JSON.stringify(value)}`, expected, { ...decision, [member]: value })
  }
  for (const member of Object.keys(decision)) {
    both(`${member} left out`, 'message_malformed', without(decision, member))
  }
  both('a member more', 'message_malformed', { ...decision, admin: true })
  const principal = decision['principal'] as JsonObject
  for (const [member, value, expected] of PRINCIPAL) {
    const changed = { ...decision, principal: { ...principal, [member]: value } }
    both(`principal.${member} is ${JSON.stringify(value)}`, expected, changed)
  }
  const obligations = decision['obligations'] as JsonObject
  for (const [member, value] of [
    ['grant_ttl_ms', 29_000],
    ['approval_ttl_ms', 1_000],
    ['approvers', [{ roles: [], quorum: 1 }]],
    ['channels', ['telegram']],
  ] as const) {
    const changed = { ...decision, obligations: { ...obligations, [member]: value } }
    const expected = member === 'grant_ttl_ms' ? 'grant_lifetime' : 'decision_differs'
    both(`obligations.${member} is another`, expected, changed)
  }
}

/** What stands in the audit stream where the message says that the decision stands. */
export async function eventCases({ file }: Signing, action: GrantedAction): Promise<void> {
  const { world } = file
  const stored = await world.gateway
    .reader({ home: 'data', stream: 'AUDIT' })
    .getBySeq(action.decision_event.seq)
  const parsed = stored === undefined ? undefined : parseJson(stored.data)
  const read = parsed?.ok === true ? readShape(auditEventShape, parsed.value) : undefined
  if (read?.ok !== true) throw new TypeError('the event of the decision')
  const event = read.value
  const put = async (name: string, expected: Fate, at: Placed): Promise<void> => {
    const { seq } = await world.gateway
      .publisher({ stream: 'AUDIT' })
      .publishStored(at.subject ?? SUBJECT, Buffer.from(canonicalize(at.event)), { msgId: name })
    const event_id = at.id ?? textOf(at.event, 'event_id')
    file.add(name, expected, { members: { decision_event: { seq, event_id } } })
  }
  const signed = (change: Partial<AuditEvent>, key = world.auditKey): JsonObject => {
    const { sig: _, ...unsigned } = { ...event, ...change }
    return auditEventJson({ ...unsigned, sig: signatureOf(unsigned, key) })
  }
  file.group('event of the decision')
  const { event_id, seq } = action.decision_event
  for (const [name, expected, place] of [
    ['place 0', 'decision_event_missing', { seq: 0, event_id }],
    ['a place that is not there', 'decision_event_missing', { seq: 999_999, event_id }],
    ['the id of another', 'decision_event_differs', { seq, event_id: 'evt_x' }],
  ] as const) {
    file.add(name, expected, { members: { decision_event: place } })
  }
  const differs = 'decision_event_differs'
  await put('again, elsewhere', 'admitted', { event: signed({}) })
  await put('of another type', differs, { event: signed({ type: 'proposed' }) })
  await put('a denial', differs, { event: signed({ type: 'denied' }) })
  await put('of another action', differs, {
    event: signed({ action_id: null, payload: event.payload }),
  })
  await put('of another tenant', differs, { event: signed({ tenant: 'other' as never }) })
  await put('of another decision', differs, {
    event: signed({ payload: { decision_hash: OTHER } }),
  })
  await put('of no decision', differs, { event: signed({ payload: {} }) })
  await put('by another writer', differs, { event: signed({ writer: 'host/one' }) })
  await put('by a writer of a longer name', differs, {
    event: signed({ writer: 'gateway2/one' }),
  })
  await put('under the subject of another writer', differs, {
    event: signed({}),
    subject: `audit.v1.${TENANT}.host.1.evaluated`,
  })
  await put('under the subject of another type', differs, {
    event: signed({}),
    subject: `audit.v1.${TENANT}.gateway.1.proposed`,
  })
  const wrong = 'decision_event_signature'
  await put("by the host's key", wrong, { event: signed({}, world.hostKey) })
  await put("by the grant's key", wrong, { event: signed({}, world.grantKey) })
  await put('by a key of another role', wrong, {
    event: signed({ kid: 'grant-1' }, world.grantKey),
  })
  await put('by a key that is not known', wrong, { event: signed({ kid: 'audit-2' }) })
  await put('changed after it was signed', wrong, {
    event: { ...signed({}), time: event.time + 1 },
  })
  await put('without its signature', 'decision_event_malformed', {
    event: without(signed({}), 'sig'),
  })
  await put('a member more', 'decision_event_malformed', { event: { ...signed({}), x: 1 } })
  const another = auditEventId(new Uint8Array(16))
  await put('renamed to what the message says', wrong, {
    event: { ...signed({}), event_id: another },
    id: another,
  })
}

interface Placed {
  readonly event: JsonObject
  readonly subject?: string
  readonly id?: string
}
const SUBJECT = `audit.v1.${TENANT}.gateway.1.evaluated`

function signatureOf(event: UnsignedAuditEvent, key: SigningKey): string {
  return base64urlEncode(key.sign(auditSigningInput(event)))
}

/** A payload of each kind of document that is no grant. */
function documentsOf(action: GrantedAction): Readonly<Record<string, JsonObject>> {
  const { action_id, tenant } = action.decision
  return {
    'execution-result+jwt': { v: 1, action_id, tenant_id: tenant, outcome: 'succeeded' },
    'approval-decision+jwt': { v: 1, action_id, tenant, verdict: 'approve', approver: 'ana' },
    'approval-statement+jwt': { typ: 'trustgw/approval/1', action_id, tenant, verdict: 'approve' },
    'tool-registry+jwt': { v: 1, tenant, profile: 'connector', bundles: [], tools: [] },
    'agent-record+jwt': { v: 1, tenant, key_id: 'key-1', agent: 'agent-1', status: 'active' },
    'policy-seal+jwt': { tenant, epoch: 1, bundle_hash: OTHER },
    'policy-delegation+jwt': { tenant, kid: 'k', not_before: 0, not_after: NOW },
    'policy-status+jwt': { v: 1, tenant, epoch: 1, bundle_hash: OTHER, refused: null, at: NOW },
    'acl-record+jwt': { v: 1, tenant, person: 'ana', roles: ['finance'] },
    'approval-record+jwt': { v: 1, action_id, tenant, state: 'approved' },
    'session+jwt': { tenant, person: 'ana', session: 'ses_x', exp: NOW / 1000 + 600 },
  }
}

/** Documents of other kinds, each by the key that may sign it and by the gateway's grant key. */
export function documentCases({ file, claims }: Signing, action: GrantedAction): void {
  const { world } = file
  const documents = documentsOf(action)
  const signers: Readonly<Record<string, readonly [string, SigningKey]>> = {
    'execution-result+jwt': ['result-1', world.resultKey],
    'tool-registry+jwt': ['result-1', world.resultKey],
    'agent-record+jwt': ['operator-1', world.operatorKey],
    'policy-seal+jwt': ['operator-1', world.operatorKey],
    'policy-delegation+jwt': ['operator-1', world.operatorKey],
    'policy-status+jwt': ['audit-1', world.auditKey],
  }
  file.group('another document')
  for (const typ of OTHER_TYPS) {
    const [kid, key] = signers[typ] ?? ['host-1', world.hostKey]
    const payload = documents[typ] ?? {}
    const token = (header: Part, body: Part, by: SigningKey): string =>
      rawToken(header, body, by.sign)
    file.grant(`${typ}, genuine`, 'grant_typ', token({ ...HEADER, typ, kid }, payload, key))
    file.grant(
      `${typ}, by the grant key`,
      'grant_typ',
      token({ ...HEADER, typ }, payload, world.grantKey),
    )
    file.grant(`${typ}, as a grant`, 'grant_key_unknown', token({ ...HEADER, kid }, payload, key))
    const renamed = token(HEADER, payload, world.grantKey)
    file.grant(`${typ}, as a grant by the grant key`, 'grant_claims', renamed)
    const lent = token({ ...HEADER, typ, kid }, claims, key)
    file.grant(`${typ} with the claims of a grant`, 'grant_typ', lent)
  }
}

/** At tier 1 the host's statement stands for the person: these are none, or of something else. */
export function statementCases({ file, claims }: Signing, action: GrantedAction): void {
  const { world } = file
  const [evidence] = grantedActionJson(action)['approvals'] as readonly JsonObject[]
  if (evidence === undefined) throw new TypeError('no evidence')
  const [, body] = partsOf(textOf(evidence, 'statement'))
  const statement: JsonObject = JSON.parse(Buffer.from(body, 'base64url').toString())
  const header = { alg: 'EdDSA', kid: 'host-1', typ: APPROVAL_STATEMENT_TYP }
  const add = (name: string, expected: Fate, token: string, change: JsonObject = {}): void => {
    const approvals = [{ ...evidence, statement: token, ...change }]
    const named = { ...claims, approvals: approvals.map((one) => hashJson(sha256, one)) }
    const grant = rawToken(HEADER, named, world.grantKey.sign)
    file.add(name, expected, { members: { approvals, grant } })
  }
  const by = (payload: Part, key = world.hostKey, change: JsonObject = {}): string =>
    rawToken({ ...header, ...change }, payload, key.sign)
  file.group("the host's statement")
  const changed: JsonObject = {
    ...OTHER_STATEMENT,
    principal: { ...(statement['principal'] as JsonObject), subject: 'agent-2' },
  }
  for (const [member, value] of Object.entries(changed)) {
    add(`another ${member}`, 'host_statement_other_action', by({ ...statement, [member]: value }))
    add(`no ${member}`, 'host_statement_other_action', by(without(statement, member)))
  }
  add('a deny', 'host_statement_is_a_deny', by({ ...statement, verdict: 'deny' }))
  add('a member more', 'host_statement_other_action', by({ ...statement, x: 1 }))
  add('nothing', 'host_statement_other_action', by({}))
  add(
    'members in another order',
    'admitted',
    by(Object.fromEntries(Object.entries(statement).toReversed())),
  )
  const wrong = 'host_statement_signature'
  add('the grant itself', wrong, action.grant)
  add('the statement by the grant key', wrong, by(statement, world.grantKey, { kid: 'grant-1' }))
  add("the statement by the grant key under the host's id", wrong, by(statement, world.grantKey))
  add(
    "the statement by the operator's key",
    wrong,
    by(statement, world.operatorKey, { kid: 'operator-1' }),
  )
  for (const typ of [...OTHER_TYPS, 'execution-grant+jwt', 'JWT']) {
    if (typ !== APPROVAL_STATEMENT_TYP)
      add(`as ${typ}`, wrong, by(statement, world.hostKey, { typ }))
  }
  for (const change of [
    { alg: 'none' },
    { alg: 'HS256' },
    { crit: [] },
    { jwk: {} },
    { kid: '' },
  ]) {
    add(`header with ${JSON.stringify(change)}`, wrong, by(statement, world.hostKey, change))
  }
  add('no list', wrong, by([statement]))
  add('twice verdict', wrong, by(JSON.stringify(statement).replace('{', '{"verdict":"deny",')))
  const good = textOf(evidence, 'statement')
  add('a dot behind it', wrong, `${good}.`)
  add('padding behind it', wrong, `${good}=`)
  add('its end missing', wrong, good.slice(0, -4))
  add('another nonce beside it', 'host_statement_other_action', good, { nonce: 'A'.repeat(22) })
  add('another approver beside it', 'host_statement_other_action', good, { approver: 'ben' })
  add('another deadline beside it', 'host_statement_other_action', good, { decide_by: NOW + 1 })
  add('the agent as approver', 'approver_is_initiator', good, { approver: 'agent-1' })
}

/** Each member of the statement but the verdict and the principal with another value. */
const OTHER_STATEMENT: JsonObject = {
  typ: 'trustgw/login/1',
  action_id: OTHER_ACTION,
  tenant: 'other',
  workspace: 'other',
  on_behalf_of: 'ceo',
  credential_ref: 'bank',
  tool_id: 'shop.wipe',
  contract_hash: OTHER,
  input_hash: OTHER,
  precondition_hash: OTHER,
  rule_id: 'free',
  policy_fingerprint: OTHER,
  tier: 2,
  approver: 'ben',
  decide_by: NOW + 1,
  run_by: NOW + 2,
  nonce: 'A'.repeat(22),
  verdict: 'maybe',
}
