import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import {
  type ApprovalDecision,
  type ApprovalEvidence,
  type ApprovalRequest,
  type ApprovalStatement,
  actionId,
  approvalDecisionAnswerShape,
  approvalDecisionJson,
  approvalDecisionShape,
  approvalEvidenceShape,
  approvalRequestAnswerShape,
  approvalRequestJson,
  approvalRequestShape,
  approvalStatement,
  approvalStatementJson,
  type DecisionRecord,
  evidenceHash,
  evidenceJson,
  GRANT_TYP,
  type GrantClaims,
  type GrantedAction,
  grantedActionJson,
  grantedActionShape,
  grantHash,
  grantId,
  hashJson,
  hashText,
  idempotencyKey,
  invokeAnswerShape,
  type Json,
  noPreconditionHash,
  parseJson,
  parseProfile,
  parseTenantId,
  readGrant,
  readShape,
  type Shape,
  type SignedStatement,
  signedStatementShape,
  signGrant,
  signJws,
  statementHash,
  type ToolContract,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import { nodeEd25519Sign, nodeEd25519Verify, sha256 } from './support.ts'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const sign = nodeEd25519Sign(privateKey)
const verify = nodeEd25519Verify(publicKey)
const keyFor = (kid: string): typeof verify | undefined => (kid === 'grant-1' ? verify : undefined)

function must<T>(read: { readonly ok: true; readonly value: T } | { readonly ok: false }): T {
  assert.ok(read.ok)
  return read.value
}

const tenant = must(parseTenantId('demo'))
const profile = must(parseProfile('connector'))
const action_id = actionId(new Uint8Array(16))
const hash = hashText(sha256, 'x')
const principal = { tenant, issuer: 'api-key', client: 'key-1', subject: 'agent-1' }
const contract: ToolContract = {
  id: 'shop.refund',
  version: '1',
  title: 'Refund',
  description: 'Pays back.',
  input_schema: { type: 'object' },
  output_schema: null,
  operation: 'transfer',
  category: null,
  bundle: 'shop',
  tags: ['money'],
  skill_level: null,
  amount: { kind: 'none' },
  precondition: null,
  egress: [],
  profile,
  credential_ref: 'shop',
  digest: 'd',
}
const decision: DecisionRecord = {
  typ: 'trustgw/decision/1',
  action_id,
  tenant,
  workspace: 'main',
  principal,
  on_behalf_of: null,
  tool_id: contract.id,
  contract_hash: hash,
  input_hash: hash,
  effect: 'require_approval',
  tier: 2,
  rule_id: 'large',
  reason: 'two pairs of eyes',
  obligations: {
    grant_ttl_ms: 30_000,
    approval_ttl_ms: 900_000,
    approvers: [{ roles: ['finance'], quorum: 2 }],
    channels: ['portal'],
  },
  policy_fingerprint: hash,
  policy_epoch: 3,
  facts: [{ name: 'source', origin: 'asserted', value: 'mcp' }],
  unknown: ['roles'],
  decided_at: 5,
}
const nonce = 'A'.repeat(22)
const passkey: ApprovalEvidence & { readonly kind: 'passkey' } = {
  kind: 'passkey',
  approver: 'ana',
  nonce,
  decide_by: 10,
  run_by: 20,
  assertion: {
    credential_id: 'AAAA',
    client_data_json: 'BBBB',
    authenticator_data: 'C'.repeat(50),
    signature: 'DDDD',
  },
}
const host: ApprovalEvidence = {
  kind: 'host',
  approver: 'ben',
  nonce,
  decide_by: 10,
  run_by: 20,
  statement: 'a.b.c',
}
const request: ApprovalRequest = {
  v: 1,
  action_id,
  tenant,
  source: 'mcp',
  contract,
  arguments: '{}',
  precondition: null,
  precondition_hash: hash,
  decision,
  requested_at: 6,
  decide_by: 10,
  run_by: 20,
}
const claims: GrantClaims = {
  iss: 'trustgw/gateway',
  aud: profile,
  sub: 'demo|api-key|key-1|agent-1',
  iat: 1,
  nbf: 1,
  exp: 31,
  jti: grantId(new Uint8Array(16)),
  action_id,
  tenant_id: tenant,
  workspace_id: 'main',
  tool_name: contract.id,
  contract_hash: hash,
  input_hash: hash,
  precondition_hash: hash,
  credential_ref: 'shop',
  policy_fingerprint: hash,
  policy_epoch: 3,
  decision_hash: hash,
  rule_id: 'large',
  clearance: 'elevated_approval',
  approvals: [hash, hash],
  idempotency_key: hash,
}

/** What a value's JSON form is read as again, by way of its text. */
function again<T>(shape: Shape<T>, json: Json): T {
  return must(readShape(shape, must(parseJson(JSON.stringify(json)))))
}

test('documents are written as what they are read as', () => {
  for (const evidence of [passkey, host]) {
    assert.deepEqual(again(approvalEvidenceShape, evidenceJson(evidence)), evidence)
  }
  for (const evidence of [passkey, host, null]) {
    const verdict: ApprovalDecision = {
      ...{ v: 1, action_id, tenant, verdict: 'approve', approver: 'ana', reason: 'fine' },
      ...{ roles: ['finance', 'legal'], channel: 'telegram', decided_at: 7, evidence },
    }
    assert.deepEqual(again(approvalDecisionShape, approvalDecisionJson(verdict)), verdict)
  }
  assert.deepEqual(again(approvalRequestShape, approvalRequestJson(request)), request)
  const action: GrantedAction = {
    ...{ v: 1, grant: 'a.b.c', arguments: '{}', decision, approvals: [passkey, host] },
    decision_event: { seq: 9, event_id: 'evt_x' },
  }
  assert.deepEqual(again(grantedActionShape, grantedActionJson(action)), action)
})

test('what a JSON form holds is its own: a change of it changes nothing else', () => {
  assert.notEqual(evidenceJson(passkey)['assertion'], passkey.assertion)
  assert.notEqual(approvalStatementJson(statement)['principal'], statement.principal)
})

test('a grant is read as it was signed, under its own typ and by a known key only', () => {
  const token = signGrant(claims, 'grant-1', sign)
  assert.deepEqual(must(readGrant(token, keyFor)), claims)
  const reason = (text: string): string => {
    const read = readGrant(text, keyFor)
    return read.ok ? 'read' : read.reason
  }
  assert.equal(reason(signGrant(claims, 'grant-2', sign)), 'jws_kid_unknown')
  const payload = { ...claims, approvals: [...claims.approvals] }
  assert.equal(reason(signJws({ typ: 'session+jwt', kid: 'grant-1', payload }, sign)), 'jws_typ')
  const more = { ...payload, admin: true }
  assert.equal(reason(signJws({ typ: GRANT_TYP, kid: 'grant-1', payload: more }, sign)), 'shape')
  assert.equal(reason(`${token}${'A'.repeat(8_193 - token.length)}`), 'jws_too_large')
  assert.equal(reason(`${token}${'A'.repeat(8_192 - token.length)}`), 'jws_format')
})

test('hashes are of the texts that the specification names', () => {
  const token = signGrant(claims, 'grant-1', sign)
  assert.equal(grantHash(sha256, token), hashText(sha256, token))
  const key = `sha256:${sha256(`demo\n${action_id}`)}`
  assert.equal(idempotencyKey(sha256, tenant, action_id), key)
  assert.equal(noPreconditionHash(sha256), `sha256:${sha256('null')}`)
  assert.equal(evidenceHash(sha256, host), hashJson(sha256, { ...host }))
  assert.notEqual(evidenceHash(sha256, passkey), evidenceHash(sha256, host))
})

const statement = approvalStatement(
  request,
  {
    contract_hash: hashText(sha256, 'c'),
    input_hash: hashText(sha256, 'i'),
    precondition_hash: hashText(sha256, 'p'),
  },
  { approver: 'ana', verdict: 'approve', nonce, decide_by: 11, run_by: 21 },
)

test('the statement of an approver is of the request, with hashes and deadlines of their own', () => {
  const expected: ApprovalStatement = {
    ...{ typ: 'trustgw/approval/1', action_id, tenant, workspace: 'main', principal },
    ...{ on_behalf_of: null, credential_ref: 'shop', tool_id: 'shop.refund' },
    contract_hash: hashText(sha256, 'c'),
    input_hash: hashText(sha256, 'i'),
    precondition_hash: hashText(sha256, 'p'),
    ...{ rule_id: 'large', policy_fingerprint: hash, tier: 2 },
    ...{ verdict: 'approve', approver: 'ana', decide_by: 11, run_by: 21, nonce },
  }
  assert.deepEqual(statement, expected)
  assert.deepEqual(again(signedStatementShape, approvalStatementJson(statement)), statement)
})

test('every statement of the registry is read by its typ, and each has a hash of its own', () => {
  const all: readonly SignedStatement[] = [
    statement,
    {
      ...{ typ: 'trustgw/login/1', tenant, origin: 'https://a.example', rp_id: 'a.example' },
      ...{ nonce, expires_at: 9 },
    },
    { typ: 'trustgw/enrol/1', tenant, person: 'ana', purpose: 'login', nonce, expires_at: 9 },
    {
      ...{ typ: 'trustgw/bundle/1', tenant, epoch: 2, bundle_hash: hash },
      ...{ issued_at: 9, admin: 'ana', nonce },
    },
  ]
  for (const one of all) {
    const json: Json = JSON.parse(JSON.stringify(one))
    assert.deepEqual(again(signedStatementShape, json), one)
    assert.equal(statementHash(sha256, one), hashJson(sha256, json))
  }
  assert.equal(new Set(all.map((one) => statementHash(sha256, one))).size, all.length)
  const unknown = readShape(signedStatementShape, { typ: 'trustgw/plan/1' })
  assert.equal(unknown.ok ? 'read' : unknown.detail, '#/typ: value')
})

test('answers are told apart by their status', () => {
  const answers: readonly (readonly [Shape<unknown>, Json])[] = [
    [approvalDecisionAnswerShape, { status: 'accepted', state: 'authorized' }],
    [approvalDecisionAnswerShape, { status: 'refused', code: 'not_pending' }],
    [approvalRequestAnswerShape, { status: 'stored', action_id }],
    [approvalRequestAnswerShape, { status: 'refused', code: 'too_late' }],
    [invokeAnswerShape, { status: 'claimed' }],
    [invokeAnswerShape, { status: 'refused', reason: 'grant_used', retryable: false }],
  ]
  for (const [shape, answer] of answers) {
    assert.deepEqual(again(shape, answer), answer)
    const none = readShape(shape, {})
    assert.equal(none.ok ? 'read' : none.detail, '#/status: missing')
  }
})

test('bytes that are no text are no signed document', () => {
  const expected = { typ: GRANT_TYP, maxBytes: 100, keyFor }
  assert.deepEqual(verifyJws(Uint8Array.of(0xff), expected), { ok: false, reason: 'jws_format' })
  const token = signGrant(claims, 'grant-1', sign)
  assert.equal(verifyJws(utf8Encode(token), { ...expected, maxBytes: token.length }).ok, true)
})

test('a payload may be as large as its kind allows, and a header has bounds of its own', () => {
  const token = signJws({ typ: 'x', kid: 'grant-1', payload: { text: 'x'.repeat(200_000) } }, sign)
  assert.equal(verifyJws(token, { typ: 'x', maxBytes: 786_432, keyFor }).ok, true)
  const headed = (header: string): string => {
    const input = `${Buffer.from(header).toString('base64url')}.e30`
    return `${input}.${Buffer.from(sign(input)).toString('base64url')}`
  }
  const reason = (header: string): string => {
    const read = verifyJws(headed(header), { typ: 'x', maxBytes: 1_000, keyFor })
    return read.ok ? 'read' : read.reason
  }
  const open = '{"alg":"EdDSA","kid":"grant-1","typ":"x"'
  const filled = (bytes: number): string => `${open},"y":"${'y'.repeat(bytes - open.length - 8)}"}`
  assert.equal(reason(`${open}}`), 'read')
  assert.equal(reason(filled(384)), 'jws_header_member', '512 characters')
  assert.equal(reason(filled(385)), 'jws_too_large')
  assert.equal(reason(`${open},"y":${'['.repeat(7)}${']'.repeat(7)}}`), 'jws_header_member')
  assert.equal(reason(`${open},"y":${'['.repeat(8)}${']'.repeat(8)}}`), 'jws_format')
})

test('what cannot be signed is a fault that says why', () => {
  const content = { typ: 'x', kid: 'grant-1', payload: {} }
  assert.throws(() => signJws({ ...content, kid: '../x' }, sign), /kid or typ not allowed/)
  assert.throws(() => signJws(content, () => new Uint8Array(63)), /64 bytes/)
})
