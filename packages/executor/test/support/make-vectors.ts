import type { PolicyFacts } from '@trustgw/core'
import {
  type ApprovalStatement,
  base64urlEncode,
  contractJson,
  type GrantedAction,
  grantedActionJson,
  type JsonObject,
  parseJsonObject,
  sealedBundleJson,
  signGrant,
  statementHash,
} from '@trustgw/protocol'
import { generateSigningKey, sha256 } from '@trustgw/runtime'
import type { AdmissionReason } from '../../src/admit/reasons.ts'
import { factsFor } from './policy.ts'
import { AT_NIGHT, GATED_REFUND, LAYERED_POLICY } from './refund-policy.ts'
import { type Change, NOW, PROFILE, TENANT, World } from './world.ts'

const ARGUMENTS = '{"amount":"250.00","order_id":"ord_1001"}'

type Fate = AdmissionReason | 'admitted'
type Edit = (action: GrantedAction) => GrantedAction

/** Messages of one world, and what becomes of each. */
export class VectorFile {
  readonly world: World
  readonly #cases: { name: string; message: JsonObject; expected: Fate }[] = []

  constructor(world: World) {
    this.world = world
  }

  async add(name: string, expected: Fate, change: Change, after: Edit = (it) => it): Promise<void> {
    const message = grantedActionJson(after(await this.world.granted(change)))
    this.#cases.push({ name, message, expected })
  }

  async document(about: string): Promise<JsonObject> {
    const { world } = this
    const { keys } = world.trust
    return {
      about: `${about} Messages and events are canonical JSON when sent.`,
      now_ms: NOW,
      profile: PROFILE,
      tenant: TENANT,
      contract: contractJson(world.contract),
      keys: keys
        .filter(({ component }) => component !== 'exec-connector' && component !== 'log')
        .map(({ kid, role, component, publicKey }) => ({
          kid,
          role,
          component,
          public: base64urlEncode(publicKey),
        })),
      policy: sealedBundleJson(world.bundle),
      pins: world.pins.map((pin) => ({ ...pin, roles: [...pin.roles], origins: [...pin.origins] })),
      audit: await this.#audit(),
      cases: this.#cases,
    }
  }

  async #audit(): Promise<{ seq: number; subject: string; event: JsonObject }[]> {
    const reader = this.world.gateway.reader({ home: 'data', stream: 'AUDIT' })
    const audit: { seq: number; subject: string; event: JsonObject }[] = []
    for (let seq = 1; seq <= this.#cases.length; seq++) {
      const stored = await reader.getBySeq(seq)
      const event = stored === undefined ? undefined : parseJsonObject(stored.data)
      if (stored !== undefined && event?.ok === true) {
        audit.push({ seq, subject: stored.subject, event: event.value })
      }
    }
    return audit
  }
}

/**
 * The content of `vectors/admission/approval.json`, with fresh keys and ids. To write the files anew,
 * print what these functions give with `JSON.stringify(document, null, 2)`.
 */
export async function makeApprovalVectors(): Promise<JsonObject> {
  const file = new VectorFile(new World())
  const { world } = file
  const stranger = generateSigningKey()
  const add = file.add.bind(file)
  function signedOver(edit: (statement: ApprovalStatement) => ApprovalStatement): Change {
    const decision = world.decision(ARGUMENTS, factsFor(2))
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
  return file.document(
    'Granted actions and what an executor that trusts these keys and pins and pinned this policy makes of them at now_ms, steps 1 to 4 of spec/protocol.md section 4.',
  )
}

/** The content of `vectors/admission/policy.json`, with fresh keys and ids. */
export async function makePolicyVectors(): Promise<JsonObject> {
  const world = new World(GATED_REFUND)
  world.govern(LAYERED_POLICY, 3)
  const file = new VectorFile(world)
  const add = file.add.bind(file)
  const small = ARGUMENTS.replace('250.00', '20.00')
  const honest: Partial<PolicyFacts> = { source: 'mcp' }
  const free = { tier: 0, effect: 'allow', rule_id: 'small' } as const
  await add('a small refund that policy allows', 'admitted', {
    tier: 0,
    arguments: small,
    facts: honest,
  })
  await add('a large refund, approved', 'admitted', { facts: honest })
  await add('a large refund, claimed to be allowed', 'decision_differs', {
    tier: 0,
    facts: honest,
    decision: free,
  })
  await add('decided over a smaller amount', 'decision_differs', {
    tier: 0,
    facts: { ...honest, args: { amount: '20.00', order_id: 'ord_1001' } },
  })
  await add('decided as another operation', 'decision_differs', {
    tier: 0,
    facts: { ...honest, tool: { ...GATED_REFUND, operation: 'read' } },
  })
  await add('decided as if it were night', 'decision_differs', {
    tier: 2,
    arguments: small,
    facts: { ...honest, local_times: AT_NIGHT },
  })
  await add('decided for another agent', 'decision_differs', {
    tier: 0,
    facts: { ...honest, agent: 'trusted.bot' },
  })
  await add('decided on behalf of another person', 'decision_differs', {
    tier: 0,
    facts: { ...honest, user: 'ceo' },
  })
  await add('a word of the gateway that nobody can check', 'admitted', {
    tier: 0,
    facts: { source: 'cron' },
  })
  await add('fewer people than the rule demands', 'decision_differs', {
    facts: honest,
    decision: {
      obligations: {
        grant_ttl_ms: 30_000,
        approval_ttl_ms: 900_000,
        approvers: [{ roles: [], quorum: 1 }],
        channels: ['portal'],
      },
    },
  })
  await add('a fact that no decision writes', 'decision_record_malformed', {
    facts: honest,
    decision: { facts: [{ name: 'source', origin: 'asserted', value: 'pigeon' }] },
  })
  await add('an older policy', 'policy_superseded', {
    facts: honest,
    decision: { policy_epoch: 2 },
  })
  await add('a newer policy than is pinned', 'policy_epoch_ahead', {
    facts: honest,
    decision: { policy_epoch: 4 },
  })
  await add('without the layer of its workspace', 'policy_fingerprint_differs', {
    decision: { ...world.decision(ARGUMENTS, honest), workspace: 'till' },
  })
  await add('decided before the grant by more than 30 seconds', 'decision_time_differs', {
    facts: honest,
    decision: { decided_at: NOW - 31_000 },
  })
  await add('decided after the grant by more than 2 seconds', 'decision_time_differs', {
    facts: honest,
    decision: { decided_at: NOW + 3_000 },
  })
  return file.document(
    'Granted actions of a gateway with genuine keys and what an executor that pinned this policy makes of them at now_ms, step 3 of spec/protocol.md section 4: it decides again.',
  )
}
