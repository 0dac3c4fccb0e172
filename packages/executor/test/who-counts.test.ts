import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ApprovalEvidence, type DecisionRecord, statementHash } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import { clearAction } from '../src/admit/admission.ts'
import { GATED_REFUND } from './support/refund-policy.ts'
import { bytesOf, NOW, ORIGIN, RP_ID, World } from './support/world.ts'

const ARGUMENTS = '{"amount":"250.00","order_id":"ord_1001"}'
const MINUTE_MS = 60_000

/** An executor that pinned a rule with these approvers, Ana of finance and Hal, a head. */
function pinned(approvers: string, more = ''): Pinned {
  const world = new World(GATED_REFUND)
  const text = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "require_approval"
tier = 2
approvers = ${approvers}
${more}
match = { tool = ["shop.refund"] }
`
  world.govern([{ text }])
  const hal = new SoftwareAuthenticator({ algorithm: 'EdDSA', rpId: RP_ID, origin: ORIGIN })
  const key = { credential_id: hal.credentialId, public_key: hal.publicKey }
  const pins = [world.pin(), world.pin({ person: 'hal', roles: ['head'], ...key })]
  const deps = world.admission({
    pins: { current: () => Promise.resolve({ ok: true, value: pins }) },
  })
  const says: Pinned['says'] = (decision, person, times = {}) => {
    const statement = world.statement(decision, { approver: person, ...times })
    return person === 'hal'
      ? world.passkeyEvidence(statement, hal.assert(statementHash(sha256, statement)))
      : world.passkeyEvidence(statement)
  }
  const admit: Pinned['admit'] = async (decision, evidence) => {
    const action = await world.granted({ tier: 2, decision, evidence })
    const outcome = await clearAction(bytesOf(action), deps)
    return outcome.ok ? 'admitted' : outcome.reason
  }
  const fate: Pinned['fate'] = async (people, times = () => ({})) => {
    const decision = world.decision(ARGUMENTS, { source: 'mcp' })
    return await admit(
      decision,
      people.map((person) => says(decision, person, times(decision))),
    )
  }
  return { world, says, admit, fate }
}

type Times = { readonly decide_by?: number; readonly run_by?: number }

interface Pinned {
  readonly world: World
  readonly says: (decision: DecisionRecord, person: string, times?: Times) => ApprovalEvidence
  readonly admit: (
    decision: DecisionRecord,
    evidence: readonly ApprovalEvidence[],
  ) => Promise<string>
  readonly fate: (
    people: readonly string[],
    times?: (decision: DecisionRecord) => Times,
  ) => Promise<string>
}

test('an order of roles needs one person of each, in that order', async () => {
  const { fate } = pinned('{ in_order = ["finance", "head"] }')
  assert.equal(await fate(['ana', 'hal']), 'admitted')
  assert.equal(await fate(['hal', 'ana']), 'quorum_not_met')
  assert.equal(await fate(['ana']), 'quorum_not_met')
})

test("the order in which people approved is the gateway's word: no signature holds it", async () => {
  const { world, says, admit } = pinned('{ in_order = ["finance", "head"] }')
  const decision = world.decision(ARGUMENTS, { source: 'mcp' })
  const first = says(decision, 'hal')
  const second = says(decision, 'ana')
  assert.equal(await admit(decision, [first, second]), 'quorum_not_met')
  assert.equal(await admit(decision, [second, first]), 'admitted')
})

test('whom an escalation names counts from its time on, measured by the deadline that was signed', async () => {
  const { fate } = pinned('{ roles = ["finance"], escalate = { after = "5m", roles = ["head"] } }')
  const askedAgo =
    (ms: number) =>
    ({ obligations }: DecisionRecord): Times => ({
      decide_by: NOW - ms + obligations.approval_ttl_ms,
      run_by: NOW - ms + obligations.approval_ttl_ms,
    })
  assert.equal(await fate(['hal'], askedAgo(4 * MINUTE_MS)), 'approver_lacks_role')
  assert.equal(await fate(['hal'], askedAgo(5 * MINUTE_MS)), 'admitted')
  assert.equal(await fate(['ana'], askedAgo(MINUTE_MS)), 'admitted')
})

test('an undo window may lie between the deadline for deciding and the run, and nothing longer', async () => {
  const dayAfter = (more: number) => (): Times => ({
    decide_by: NOW + MINUTE_MS,
    run_by: NOW + MINUTE_MS + 86_400_000 + more,
  })
  const { fate } = pinned('{ roles = ["finance"] }', 'undo = "1h"')
  assert.equal(await fate(['ana'], dayAfter(60 * MINUTE_MS)), 'admitted')
  assert.equal(await fate(['ana'], dayAfter(60 * MINUTE_MS + 1)), 'deadline_extended')
})
