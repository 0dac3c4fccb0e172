import {
  type ApprovalStatement,
  base64urlEncode,
  contractJson,
  type DecisionRecord,
  type GrantedAction,
  grantedActionJson,
  type JsonObject,
  parseJsonObject,
  signGrant,
  statementHash,
} from '@trustgw/protocol'
import { generateSigningKey, sha256 } from '@trustgw/runtime'
import type { AdmissionReason } from '../../src/admit/reasons.ts'
import { type Change, NOW, PROFILE, TENANT, World } from './world.ts'

/**
 * The content of `vectors/admission/approval.json`, with fresh keys and ids. To write the file anew,
 * print what this gives with `JSON.stringify(document, null, 2)`.
 */
export async function makeVectors(): Promise<JsonObject> {
  const world = new World()
  const stranger = generateSigningKey()
  const ARGUMENTS = '{"amount":"250.00","order_id":"ord_1001"}'
  const cases: { name: string; message: JsonObject; expected: AdmissionReason | 'admitted' }[] = []

  async function add(
    name: string,
    expected: AdmissionReason | 'admitted',
    change: Change,
    after: (action: GrantedAction) => GrantedAction = (action) => action,
  ): Promise<void> {
    const message = grantedActionJson(after(await world.granted(change)))
    cases.push({ name, message, expected })
  }

  function signedOver(edit: (statement: ApprovalStatement) => ApprovalStatement): Change {
    const decision: DecisionRecord = world.decision(2, ARGUMENTS, {})
    const statement = world.statement(decision)
    const assertion = world.approver.assert(statementHash(sha256, edit(statement)))
    return { decision, evidence: [world.passkeyEvidence(statement, assertion)] }
  }

  const second = Math.floor(NOW / 1000)
  await add('allowed by policy', 'admitted', { tier: 0 })
  await add('vouched for by the host', 'admitted', { tier: 1 })
  await add('approved with a passkey', 'admitted', { tier: 2 })
  await add('an argument changed after approval', 'input_hash_differs', {
    argumentsAfter: ARGUMENTS.replace('250.00', '9250.00'),
  })
  await add('the same arguments in another form', 'arguments_not_canonical', {
    argumentsAfter: ARGUMENTS.replace(':', ': '),
  })
  await add('signed by another key under a known id', 'grant_signature', {
    sign: (claims) => signGrant(claims, 'grant-1', stranger.sign),
  })
  await add("signed by the host's key", 'grant_key_unknown', {
    sign: (claims) => signGrant(claims, 'host-1', world.hostKey.sign),
  })
  await add('expired', 'grant_expired', {
    claims: { iat: second - 40, nbf: second - 40, exp: second - 10 },
  })
  await add('lives too long', 'grant_lifetime', { claims: { exp: second + 31 } })
  await add('for a tool that is not served', 'tool_unknown', { claims: { tool_name: 'shop.wipe' } })
  await add('an alg of none', 'grant_alg', {}, (action) => {
    const [, payload = '', signature = ''] = action.grant.split('.')
    const header = { alg: 'none', kid: 'grant-1', typ: 'execution-grant+jwt' }
    const text = base64urlEncode(new TextEncoder().encode(JSON.stringify(header)))
    return { ...action, grant: `${text}.${payload}.${signature}` }
  })
  await add(
    'a signed deny presented as an approval',
    'assertion_is_a_deny',
    signedOver((statement) => ({ ...statement, verdict: 'deny' })),
  )
  await add(
    'an assertion over another action',
    'assertion_other_action',
    signedOver((statement) => ({ ...statement, input_hash: statement.contract_hash })),
  )
  await add('the approval left out', 'approvals_differ', { evidenceAfter: [] })
  await add('no approval at all', 'quorum_not_met', { evidence: [] })

  const reader = world.gateway.reader({ home: 'data', stream: 'AUDIT' })
  const audit: { seq: number; subject: string; event: JsonObject }[] = []
  for (let seq = 1; seq <= cases.length; seq++) {
    const stored = await reader.getBySeq(seq)
    const event = stored === undefined ? undefined : parseJsonObject(stored.data)
    if (stored !== undefined && event?.ok === true) {
      audit.push({ seq, subject: stored.subject, event: event.value })
    }
  }
  return {
    about:
      'Granted actions and what an executor that trusts these keys and pins makes of them at now_ms, steps 1 to 4 of spec/protocol.md section 4. Messages and events are canonical JSON when sent.',
    now_ms: NOW,
    profile: PROFILE,
    tenant: TENANT,
    contract: contractJson(world.contract),
    keys: world.trust.keys
      .filter(({ component }) => component !== 'exec-connector')
      .map(({ kid, role, component, publicKey }) => ({
        kid,
        role,
        component,
        public: base64urlEncode(publicKey),
      })),
    pins: world.pins.map((pin) => ({ ...pin, roles: [...pin.roles], origins: [...pin.origins] })),
    audit,
    cases,
  }
}
