import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { type JsonObject, storedKey, type ToolContract, utf8Encode } from '@trustgw/protocol'
import {
  connectNats,
  issueUser,
  loadBusKeys,
  nodeRandom,
  sha256,
  silentLogger,
} from '@trustgw/runtime'
import { type AttackWorld, openAttackWorld } from '../src/attack-world.ts'
import { AgentOnBus } from '../src/attacks-agent.ts'
import {
  type Deciding,
  type ForgedAction,
  hostApproval,
  signApproval,
} from '../src/attacks-gateway.ts'
import { reasonOf } from '../src/attacks-grant.ts'
import { crash, until } from '../src/process-table.ts'
import { paidRefunds } from '../src/shop-view.ts'
import { SoftwareAuthenticator } from '../src/software-authenticator.ts'
import { sayFreeze, sayKeyRevoked, sayPinRevoked, sayThaw, type Voice } from '../src/stop-words.ts'
import type { RunningSystem } from '../src/system.ts'
import { stolenKey, TakenOver } from '../src/taken-over.ts'
import {
  findingsOf,
  ORDER,
  opened,
  partiesSystem,
  payAtShop,
  pendingId,
  propose,
  recorded,
  refundOf,
  toolsOf,
} from './parties-support.ts'

const NOTE: JsonObject = {
  entities: [{ name: 'a', entityType: 'note', observations: [] }],
}

/** The gateway's own keys and place on the bus in other hands, the genuine one beside it. */
describe('a gateway that is taken over', () => {
  let system: RunningSystem
  let world: AttackWorld
  let tool: (id: string) => ToolContract
  let read: string
  before(async () => {
    system = await partiesSystem()
    const refundAction = await pendingId(system, refundOf('250.00'))
    const done = await propose(system, 'shop.get_order', { order_id: ORDER }, 10_000)
    assert.equal(done.body['status'], 'succeeded', done.text)
    read = String(done.body['action_id'])
    // What passes unchanged, so that each refusal below has one cause.
    world = await openAttackWorld(system, { refundAction, readAction: read }, () => [])
    tool = await toolsOf(system)
  })
  after(async () => {
    await world?.gateway.close()
    await system?.remove()
  })

  /** Decides like the refund of the control; nothing but the change is false. */
  const decide = (contract: ToolContract, args: JsonObject, change: Partial<Deciding> = {}) =>
    world.gateway.decide(world.refundDecision, args, { tool: contract, ...change })
  const paidAmounts = async () => (await paidRefunds(system)).map((one) => one.amount_minor)

  test('alone it reaches what policy allows under facts of its choice, and nothing else', async () => {
    const notes = tool('memory.create_entities')
    const chosen = await decide(notes, NOTE, { facts: { source: 'cron' } })
    assert.equal(chosen.decision.effect, 'allow')
    assert.equal(
      reasonOf(await world.gateway.send(world.gateway.granted(chosen, notes))),
      'admitted',
    )
    const honest = await decide(notes, NOTE)
    const denied = world.gateway.granted(honest, notes)
    assert.equal(reasonOf(await world.gateway.send(denied)), 'decision_forbids')
    const removal = tool('memory.delete_entities')
    for (const source of ['cron', 'mcp', 'peer', null] as const) {
      const args = { entityNames: ['a'] }
      const claim = { effect: 'allow', tier: 0 } as const
      const claimed = await decide(removal, args, { facts: { source }, claim })
      const answer = await world.gateway.send(world.gateway.granted(claimed, removal))
      assert.equal(reasonOf(answer), 'decision_differs', String(source))
    }
  })
  test('alone it makes no approval, of tier 1 nor of tier 2', async () => {
    const refund = tool('shop.refund')
    const { kid } = await stolenKey(system, 'host', 'host')
    const grantKey = {
      kid,
      publicKey: new Uint8Array(),
      sign: (text: string) => world.gateway.signText(text),
    }
    const small = await decide(refund, refundOf('20.00'))
    assert.equal(small.decision.tier, 1)
    const signing = { ...small, contract: refund, verdict: 'approve' } as const
    const forged = world.gateway.granted(small, refund, [hostApproval('ana', signing, grantKey)])
    assert.equal(reasonOf(await world.gateway.send(forged)), 'host_statement_signature')
    assert.equal(
      reasonOf(await world.gateway.send(world.gateway.granted(small, refund))),
      'quorum_not_met',
    )
    const large = await decide(refund, refundOf('150.00'))
    const own = { ...world.approver, authenticator: ownPasskey(system) }
    const signed = signApproval(own, { ...large, contract: refund, verdict: 'approve' })
    const unpinned = world.gateway.granted(large, refund, [signed])
    assert.equal(reasonOf(await world.gateway.send(unpinned)), 'credential_not_pinned')
    assert.deepEqual(await paidAmounts(), [12_000])
  })

  test('it sees the arguments and results of everybody', async () => {
    const actions = world.gateway.party.link.records({ home: 'data', bucket: 'actions' })
    const stored = await actions.get(`${world.gateway.tenant}.${storedKey(sha256, 'a', read)}`)
    const text = new TextDecoder().decode(stored?.value)
    assert.match(text, /ord_1001/)
    assert.match(text, /"status\\?":\\?"delivered/)
  })

  test('it can lie to agents, and then what they asked for does not happen', async (t) => {
    const agent = await opened(t, AgentOnBus.open(system, 'deceived'))
    await agent.known('main')
    const refund = { tool: 'shop.refund', arguments: refundOf('15.00'), idempotency_key: 'lied-to' }
    const heard: string[] = []
    const lie = world.gateway.party.link.bus.respond(
      'trust.v1.*.action.propose',
      { queue: 'gateway' },
      ({ data }) => {
        const { request } = JSON.parse(new TextDecoder().decode(data)) as { request: string }
        heard.push(request)
        const value = { status: 'succeeded', made_up: true }
        return Promise.resolve(utf8Encode(JSON.stringify({ v: 1, request, ok: true, value })))
      },
    )
    t.after(() => lie.stop())
    const lied = async (): Promise<boolean> => {
      const answer = await agent.ask('trust.v1.main.action.propose', refund)
      return JSON.stringify(answer).includes('made_up')
    }
    await until('the answer is the false one', lied)
    assert.ok(heard.length > 0)
    assert.deepEqual(await paidAmounts(), [12_000])
  })

  test('with the host it reaches tier 1 with a clean record, and no further', async (t) => {
    const host = await opened(t, TakenOver.open(system, 'host'))
    const hostKey = await host.key('host')
    const refund = tool('shop.refund')
    const small = await decide(refund, refundOf('21.00'))
    const signing = { ...small, contract: refund, verdict: 'approve' } as const
    const reached = world.gateway.granted(small, refund, [hostApproval('ana', signing, hostKey)])
    const id = small.decision.action_id
    const { jti } = reached.claims
    await host.say('approval_given', id, { tier: 1 })
    await world.gateway.party.say('approved', id, { approver: 'ana' })
    await world.gateway.party.say('grant_issued', id, { jti })
    assert.equal(reasonOf(await world.gateway.send(reached)), 'admitted')
    await until('the shop pays', async () => (await paidAmounts()).includes(2_100))
    await recorded(system, id, 'finished')
    assert.deepEqual(await findingsOf(system, id), [])

    const relations = tool('memory.create_relations')
    const floored = await decide(relations, { relations: [] })
    assert.equal(floored.decision.tier, 1)
    const word = { ...floored, contract: relations, verdict: 'approve' } as const
    const below = world.gateway.granted(floored, relations, [hostApproval('ana', word, hostKey)])
    assert.equal(reasonOf(await world.gateway.send(below)), 'below_floor')

    const large = await decide(refund, refundOf('150.00'))
    const whole = { ...large, contract: refund, verdict: 'approve' } as const
    const byHost = world.gateway.granted(large, refund, [hostApproval('ana', whole, hostKey)])
    assert.equal(reasonOf(await world.gateway.send(byHost)), 'evidence_wrong_kind')
    const own = signApproval({ ...world.approver, authenticator: ownPasskey(system) }, whole)
    const byOwn = world.gateway.granted(large, refund, [own])
    assert.equal(reasonOf(await world.gateway.send(byOwn)), 'credential_not_pinned')
    const other = signApproval(world.approver, { ...signing, contract: refund })
    const gesture = world.gateway.granted(large, refund, [other])
    assert.equal(reasonOf(await world.gateway.send(gesture)), 'assertion_other_action')

    const lowered = await decide(refund, refundOf('150.00'), { claim: { tier: 1 } })
    const said = { ...lowered, contract: refund, verdict: 'approve' } as const
    const atOne = world.gateway.granted(lowered, refund, [hostApproval('ana', said, hostKey)])
    assert.equal(reasonOf(await world.gateway.send(atOne)), 'decision_differs')
    const removal = tool('memory.delete_entities')
    const claim = { effect: 'require_approval', tier: 1 } as const
    const denied = await decide(removal, { entityNames: ['a'] }, { claim })
    const yes = { ...denied, contract: removal, verdict: 'approve' } as const
    const forbidden = world.gateway.granted(denied, removal, [hostApproval('ana', yes, hostKey)])
    assert.equal(reasonOf(await world.gateway.send(forbidden)), 'decision_differs')
    assert.deepEqual(await paidAmounts(), [12_000, 2_100])
  })

  test('with the host it brings a person to sign one action under the picture of another', async () => {
    // A passkey shows no text: the gesture is over whatever hash the page asks for.
    const refund = tool('shop.refund')
    const real = await decide(refund, refundOf('140.00'))
    const gesture = signApproval(world.approver, { ...real, contract: refund, verdict: 'approve' })
    const answer = await world.gateway.send(world.gateway.granted(real, refund, [gesture]))
    assert.equal(reasonOf(answer), 'admitted')
    await until('the shop pays', async () => (await paidAmounts()).includes(14_000))
  })

  test('with the executor it runs what it likes; people are missing in the record, not at tier 0', async (t) => {
    const executor = await opened(t, TakenOver.open(system, 'executor'))
    const refund = tool('shop.refund')
    const run = async (jti: string, id: Parameters<TakenOver['say']>[1]): Promise<void> => {
      await world.gateway.party.say('grant_issued', id, { jti })
      await executor.say('started', id, { jti, tool_id: 'shop.refund' })
      await executor.say('finished', id, { jti, outcome: 'succeeded' })
      await world.gateway.party.say('succeeded', id, { jti })
      await recorded(system, id, 'succeeded')
    }
    const approved = await decide(refund, refundOf('130.00'))
    const id = approved.decision.action_id
    await world.gateway.party.say('approved', id, { approver: 'ana' })
    await payAtShop(system, refundOf('13.00'), 'no-grant-at-all')
    await run('jti-a', id)
    assert.deepEqual(await findingsOf(system, id), ['approval_without_person'])
    const claim = { effect: 'allow', tier: 0 } as const
    const allowed = await decide(refund, refundOf('130.00'), { claim })
    await run('jti-b', allowed.decision.action_id)
    assert.deepEqual(await findingsOf(system, allowed.decision.action_id), [])
    assert.ok((await paidAmounts()).includes(1_300))
  })

  test('with provisioning it has what people approved entered again, unless its precondition changed', async (t) => {
    const { gateway, control, approver } = world
    const observe = tool('memory.add_observations')
    const args = { observations: [{ entityName: 'a', contents: ['seen'] }] }
    const first = await decide(observe, args)
    assert.equal(first.decision.tier, 2)
    const signed = signApproval(approver, { ...first, contract: observe, verdict: 'approve' })
    const noted = gateway.granted(first, observe, [signed])
    assert.equal(reasonOf(await gateway.send(noted)), 'admitted')
    await recorded(system, first.decision.action_id, 'finished')
    /** A new grant for what was granted once, under the same approvals. */
    const again = async (contract: ToolContract, of: ForgedAction): Promise<string> => {
      const change = { action: of.claims.action_id }
      const fresh = await decide(contract, of.arguments, change)
      const { precondition_hash, approvals } = of
      const granted = gateway.granted({ ...fresh, precondition_hash }, contract, approvals)
      return reasonOf(await gateway.send(granted))
    }
    // A repeat is answered as claimed either way; what came of it the executor records.
    const told = async (type: string) => {
      const event = await gateway.lastOfExecutor(type)
      return event?.action_id === first.decision.action_id ? event : undefined
    }
    const entered = await told('started')
    assert.ok(entered !== undefined)
    await (await crash(system, 'executor'))()
    await again(observe, noted)
    await until('the claims refuse it', async () => {
      return (await told('admission_refused'))?.payload['reason'] === 'action_claimed'
    })
    assert.equal((await told('started'))?.event_id, entered.event_id)
    await forgetClaims(system, t)
    await again(observe, noted)
    await until('it is entered again', async () => {
      const now = await told('started')
      return now !== undefined && now.event_id !== entered.event_id
    })
    const paid = await paidAmounts()
    assert.equal(await again(tool('shop.refund'), control), 'precondition_changed')
    assert.deepEqual(await paidAmounts(), paid)
  })

  test('it takes away pins, admissions and grant keys; its thaw ends no freeze', async () => {
    const { gateway } = world
    const key = await gateway.party.key('audit')
    const voice: Voice = { link: gateway.party.link, home: 'data', tenant: gateway.tenant, key }
    const order = tool('shop.get_order')
    const reading = async (): Promise<string> => {
      const decided = await gateway.decide(world.readDecision, { order_id: ORDER }, { tool: order })
      return reasonOf(await gateway.send(gateway.granted(decided, order)))
    }
    const refund = tool('shop.refund')
    const approving = async (): Promise<string> => {
      const decided = await decide(refund, refundOf('110.00'))
      const signed = signApproval(world.approver, {
        ...decided,
        contract: refund,
        verdict: 'approve',
      })
      return reasonOf(await gateway.send(gateway.granted(decided, refund, [signed])))
    }
    assert.equal(await reading(), 'admitted')
    await sayPinRevoked(voice, world.approver.authenticator.credentialId)
    await until('the pin is gone', async () => (await approving()) === 'credential_not_pinned')
    const freeze = await sayFreeze(voice, { kind: 'tenant' })
    await until('everything stands still', async () => (await reading()) === 'frozen')
    await sayThaw(voice, freeze)
    let refusal: unknown
    await until('the executor has heard of the thaw', async () => {
      refusal = (await gateway.lastOfExecutor('freeze_refused'))?.payload['reason']
      return refusal !== undefined
    })
    assert.equal(refusal, 'thaw_not_allowed')
    assert.equal(await reading(), 'frozen')
    const thawed = await system.command(['thaw', '--all', '--reason', 'it was nothing'])
    assert.equal(thawed.code, 0, thawed.err)
    await until('the operator ends it', async () => (await reading()) === 'admitted')
    await sayKeyRevoked(voice, gateway.grantKid)
    await until('its key is gone', async () => (await reading()) === 'grant_key_unknown')
  })
})

function ownPasskey(system: RunningSystem): SoftwareAuthenticator {
  const origin = system.portal
  return new SoftwareAuthenticator({ algorithm: 'ES256', rpId: new URL(origin).hostname, origin })
}

/** Makes the streams of claims anew, empty, with the rights that the account keys give. */
async function forgetClaims(system: RunningSystem, t: TestContext): Promise<void> {
  const keys = loadBusKeys(join(system.stateDir, 'operator', 'bus'))
  const role = { kind: 'provision_executor', profile: 'connector' } as const
  const { creds } = issueUser(keys, role, { issuedAt: Math.floor(Date.now() / 1000) })
  const servers = [system.nats]
  const link = await connectNats({ servers, creds, logger: silentLogger, random: nodeRandom })
  t.after(() => link.bus.drain())
  const api = async (verb: string, name: string, data: unknown = {}): Promise<unknown> => {
    const bytes = utf8Encode(JSON.stringify(data))
    const answer = await link.bus.request(`$JS.API.STREAM.${verb}.${name}`, bytes, {
      timeoutMs: 5_000,
    })
    const said = JSON.parse(new TextDecoder().decode(answer)) as { readonly config?: unknown }
    return said.config
  }
  for (const name of ['KV_journal', 'KV_grant_nonces']) {
    const config = await api('INFO', name)
    await api('DELETE', name)
    assert.deepEqual(await api('CREATE', name, config), config)
  }
}
