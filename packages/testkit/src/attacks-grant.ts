import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import {
  type ApprovalEvidence,
  base64urlEncode,
  canonicalize,
  contractHash,
  type GrantClaims,
  grantId,
  ID_RANDOM_BYTES,
  type InvokeAnswer,
  type JsonObject,
  signGrant,
  utf8Encode,
} from '@trustgw/protocol'
import { generateSigningKey, keyIdOf, loadSigningKey, sha256 } from '@trustgw/runtime'
import { type Attack, type AttackWorld, CONTROL_ARGUMENTS } from './attack-world.ts'
import { type Approver, type ForgedAction, signApproval } from './attacks-gateway.ts'
import { crash, until } from './process-table.ts'
import { SoftwareAuthenticator } from './software-authenticator.ts'

const RAISED: JsonObject = { ...CONTROL_ARGUMENTS, order_id: 'ord_1005', amount: '2500.00' }
export const REFUND: JsonObject = { ...CONTROL_ARGUMENTS, order_id: 'ord_1005', amount: '150.00' }
const PAST_S = 60
const SIGNATURE_BYTES = 64

/** Attacks of whoever holds the gateway, its keys and its place on the bus. */
export function grantAttacks(world: AttackWorld): readonly Attack[] {
  return [
    ...replayAttacks(world),
    ...argumentAttacks(world),
    ...targetAttacks(world),
    ...signatureAttacks(world),
    ...approvalAttacks(world),
  ]
}

/** A new refund, decided, approved and granted as it should be. */
export async function wholeRefund(world: AttackWorld): Promise<ForgedAction> {
  const { gateway, refundDecision, approver, refundTool } = world
  const decided = await gateway.decide(refundDecision, REFUND, { tool: refundTool })
  const approvals = [
    signApproval(approver, { ...decided, contract: refundTool, verdict: 'approve' }),
  ]
  return { ...decided, approvals, claims: gateway.claims(decided, refundTool, approvals) }
}

/** The same with another approval in place of the approver's. */
async function approvedBy(
  world: AttackWorld,
  approve: (decided: Pick<ForgedAction, 'decision' | 'precondition_hash'>) => ApprovalEvidence,
): Promise<ForgedAction> {
  const { gateway, refundDecision, refundTool } = world
  const decided = await gateway.decide(refundDecision, REFUND, { tool: refundTool })
  const approvals = [approve(decided)]
  return { ...decided, approvals, claims: gateway.claims(decided, refundTool, approvals) }
}

export function reasonOf(answer: InvokeAnswer): string {
  return answer.status === 'refused' ? answer.reason : 'admitted'
}

function withClaims(action: ForgedAction, change: Partial<GrantClaims>): ForgedAction {
  return { ...action, claims: { ...action.claims, ...change } }
}

/** These begin with the control's own message, which was admitted once. */
function replayAttacks(world: AttackWorld): readonly Attack[] {
  const { gateway, control, controlGrant } = world
  return [
    {
      name: 'A grant replayed',
      tried: 'the admitted message is sent a second time',
      expected: 'grant_used',
      check: 'executor: a repeat never enters the tool again',
      run: () => refusalOf(world, () => gateway.send(control, controlGrant), 'memory'),
    },
    {
      name: 'A grant replayed after a crash',
      tried:
        'the executor is killed and started anew; the same grant id comes again, signed afresh',
      expected: 'grant_used',
      check: 'nonce store: insert-only, outlives the process',
      run: async () => {
        await (await crash(world.system, 'executor'))()
        const again = await grantedAgain(world, control.claims.jti)
        return refusalOf(world, () => gateway.send(again))
      },
    },
    {
      name: 'A second grant for one approval',
      tried: 'a new grant, with a new id, for the action that has run',
      expected: 'action_claimed',
      check: 'journal shared by all executors: an action starts once',
      run: async () => {
        const again = await grantedAgain(world, grantId(randomBytes(ID_RANDOM_BYTES)))
        return refusalOf(world, () => gateway.send(again))
      },
    },
  ]
}

/** The control's action, decided and granted now, so that nothing's age is what stops it. */
async function grantedAgain(world: AttackWorld, jti: GrantClaims['jti']): Promise<ForgedAction> {
  const { gateway, control, refundDecision, refundTool: tool } = world
  const { approvals } = control
  const again = { tool, action: control.claims.action_id }
  const fresh = await gateway.decide(refundDecision, control.arguments, again)
  const decided = { ...fresh, precondition_hash: control.precondition_hash }
  return { ...decided, approvals, claims: { ...gateway.claims(decided, tool, approvals), jti } }
}

/**
 * A repeat of a claimed action is answered as claimed, so that a gateway which lost the answer learns
 * of it; that it entered no tool, and why, is what the executor signs into the record. `by`: whether this process
 * itself still knew of the action, or the insert-only stores did.
 */
async function refusalOf(
  world: AttackWorld,
  send: () => Promise<InvokeAnswer>,
  by: 'memory' | 'store' = 'store',
): Promise<string> {
  const before = await world.gateway.lastOfExecutor('admission_refused')
  const answer = await send()
  if (answer.status === 'refused') return answer.reason
  let reason = 'admitted'
  await until('the executor records the repeat', async () => {
    const event = await world.gateway.lastOfExecutor('admission_refused')
    if (event === undefined || event.event_id === before?.event_id) return false
    if (event.action_id !== world.control.claims.action_id) return false
    const fromMemory = event.payload['detail'] === 'redelivered'
    reason = fromMemory === (by === 'memory') ? String(event.payload['reason']) : 'by another check'
    return true
  })
  return reason
}

function argumentAttacks(world: AttackWorld): readonly Attack[] {
  const { gateway } = world
  return [
    {
      name: 'An argument changed after approval',
      tried: '150.00 EUR were approved and granted, 2500.00 EUR are sent along',
      expected: 'input_hash_differs',
      check: 'executor: the arguments have the hash that was granted',
      run: async () => {
        const action = await wholeRefund(world)
        return reasonOf(await gateway.send({ ...action, arguments: RAISED }))
      },
    },
    {
      name: 'The same, and the grant signed anew',
      tried: 'the gateway decides and grants 2500.00 EUR under the approval of 150.00 EUR',
      expected: 'assertion_other_action',
      check: 'executor: the passkey signed the statement of this action',
      run: async () => {
        const { approvals, claims } = await wholeRefund(world)
        const { refundDecision, refundTool: tool } = world
        const again = { tool, action: claims.action_id }
        const raised = await gateway.decide(refundDecision, RAISED, again)
        const granted = gateway.claims(raised, world.refundTool, approvals)
        return reasonOf(await gateway.send({ ...raised, approvals, claims: granted }))
      },
    },
    {
      name: 'A decision that was never recorded',
      tried: 'everything is genuine, but the decision points at no stored event',
      expected: 'decision_event_missing',
      check: 'executor: no grant without a recorded decision',
      run: async () => {
        const action = await wholeRefund(world)
        const decision_event = { ...action.decision_event, seq: 9_999_999 }
        return reasonOf(await gateway.send({ ...action, decision_event }))
      },
    },
  ]
}

function targetAttacks(world: AttackWorld): readonly Attack[] {
  const { gateway, refundTool, readTool, readDecision } = world
  return [
    {
      name: 'A grant for another tool',
      tried: 'the policy allowed to read an order; the grant names the refund',
      expected: 'decision_disagrees',
      check: 'executor: the grant names what was decided',
      run: async () => {
        const decided = await gateway.decide(readDecision, REFUND, { tool: readTool })
        const claims = gateway.claims(decided, refundTool, [])
        return reasonOf(await gateway.send({ ...decided, approvals: [], claims }))
      },
    },
    {
      name: 'The same, under the other contract',
      tried: 'the grant names the refund, with the contract of reading an order',
      expected: 'contract_changed',
      check: "executor: the contract is the tool's own",
      run: async () => {
        const action = await wholeRefund(world)
        const contract_hash = contractHash(sha256, readTool)
        return reasonOf(await gateway.send(withClaims(action, { contract_hash })))
      },
    },
    {
      name: 'An expired grant',
      tried: 'the grant ended half a minute ago',
      expected: 'grant_expired',
      check: 'executor: at most 30 seconds, 2 of skew',
      run: async () => {
        const action = await wholeRefund(world)
        const { iat, nbf, exp } = action.claims
        const past = { iat: iat - PAST_S, nbf: nbf - PAST_S, exp: exp - PAST_S }
        return reasonOf(await gateway.send(withClaims(action, past)))
      },
    },
    {
      name: 'A grant that never ends',
      tried: 'a life of one hour',
      expected: 'grant_lifetime',
      check: 'executor: at most 30 seconds, 2 of skew',
      run: async () => {
        const action = await wholeRefund(world)
        return reasonOf(await gateway.send(withClaims(action, { exp: action.claims.iat + 3_600 })))
      },
    },
  ]
}

function signatureAttacks(world: AttackWorld): readonly Attack[] {
  const { gateway, system } = world
  return [
    {
      name: 'A grant signed by another key',
      tried: "a key of the attacker's own under the gateway's key id",
      expected: 'grant_signature',
      check: 'executor: Ed25519 signature of the pinned key',
      run: async () => {
        const action = await wholeRefund(world)
        const token = signGrant(action.claims, gateway.grantKid, generateSigningKey().sign)
        return reasonOf(await gateway.send(action, token))
      },
    },
    {
      name: "A grant signed by the host's key",
      tried: 'a key that the executor trusts, for something else',
      expected: 'grant_key_unknown',
      check: 'executor: only keys of the role "grant" sign grants',
      run: async () => {
        const action = await wholeRefund(world)
        const key = await loadSigningKey(join(system.stateDir, 'host', 'host.key'))
        const token = signGrant(action.claims, keyIdOf('host', key.publicKey), key.sign)
        return reasonOf(await gateway.send(action, token))
      },
    },
    {
      name: '`alg: none`',
      tried: 'the header says that nothing is signed; a signature is there all the same',
      expected: 'grant_alg',
      check: 'executor: EdDSA and nothing else',
      run: async () => {
        const action = await wholeRefund(world)
        return reasonOf(await gateway.send(action, unsigned(world, action.claims, 'kept')))
      },
    },
    {
      name: '`alg: none`, as in the books',
      tried: 'the header says that nothing is signed, the signature is empty',
      expected: 'grant_format',
      check: 'executor: a signature has 64 bytes',
      run: async () => {
        const action = await wholeRefund(world)
        return reasonOf(await gateway.send(action, unsigned(world, action.claims, 'empty')))
      },
    },
  ]
}

/** A grant whose header claims `alg: none`. */
function unsigned(world: AttackWorld, claims: GrantClaims, signature: 'kept' | 'empty'): string {
  const header = { alg: 'none', kid: world.gateway.grantKid, typ: 'execution-grant+jwt' }
  const payload = { ...claims, approvals: [...claims.approvals] }
  const input = [header, payload]
    .map((part) => base64urlEncode(utf8Encode(canonicalize(part))))
    .join('.')
  const bytes = world.gateway.signText(input)
  if (bytes.length !== SIGNATURE_BYTES) throw new TypeError('not an Ed25519 signature')
  return `${input}.${signature === 'kept' ? base64urlEncode(bytes) : ''}`
}

function approvalAttacks(world: AttackWorld): readonly Attack[] {
  const { gateway, approver, refundTool } = world
  return [
    {
      name: 'An assertion for another action',
      tried: 'the same refund again, under the passkey signature of an earlier one',
      expected: 'assertion_other_action',
      check: 'executor: the passkey signed the statement of this action',
      run: async () => {
        const earlier = await wholeRefund(world)
        const [evidence] = earlier.approvals
        if (evidence === undefined) throw new Error('an approval without evidence')
        return reasonOf(await gateway.send(await approvedBy(world, () => evidence)))
      },
    },
    {
      name: 'A signed deny presented as approval',
      tried: 'the approver said no to exactly this refund, with the passkey',
      expected: 'assertion_is_a_deny',
      check: 'executor: the verdict is part of what is signed',
      run: async () =>
        reasonOf(
          await gateway.send(
            await approvedBy(world, (decided) =>
              signApproval(approver, { ...decided, contract: refundTool, verdict: 'deny' }),
            ),
          ),
        ),
    },
    {
      name: 'A passkey that nobody pinned',
      tried: "the right statement, the right name, the attacker's own passkey",
      expected: 'credential_not_pinned',
      check: 'executor: its own pins, which no message changes',
      run: async () => {
        const own: Approver = { person: approver.person, authenticator: strangersPasskey(world) }
        const action = await approvedBy(world, (decided) =>
          signApproval(own, { ...decided, contract: refundTool, verdict: 'approve' }),
        )
        return reasonOf(await gateway.send(action))
      },
    },
    {
      name: 'An approval that the grant does not name',
      tried: 'genuine evidence is put beside a grant that lists none',
      expected: 'approvals_differ',
      check: 'executor: the grant lists the hash of each approval',
      run: async () => {
        const action = await wholeRefund(world)
        return reasonOf(await gateway.send(withClaims(action, { approvals: [] })))
      },
    },
  ]
}

function strangersPasskey(world: AttackWorld): SoftwareAuthenticator {
  const origin = world.system.portal
  return new SoftwareAuthenticator({
    algorithm: 'ES256',
    rpId: new URL(origin).hostname,
    origin,
  })
}
