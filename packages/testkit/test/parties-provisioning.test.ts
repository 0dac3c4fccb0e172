import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  type JsonObject,
  NEWEST_BUNDLE_KEY,
  NEWEST_KEY_SET_KEY,
  type ToolContract,
  type VerifiedKeySet,
} from '@trustgw/protocol'
import {
  addKeyToFolder,
  type BusLink,
  createSigningKeyFile,
  issueUser,
  keyIdOf,
  loadBusKeys,
  type NamedKey,
  pinRoots,
  readKeySetFile,
  readRoots,
  sealNext,
  writeCredsFile,
  writeKeySet,
} from '@trustgw/runtime'
import {
  type Approver,
  hostApproval,
  signApproval,
  TakenOverGateway,
} from '../src/attacks-gateway.ts'
import { reasonOf } from '../src/attacks-grant.ts'
import { keyEntry, namedKey, sealedBytes } from '../src/key-sets.ts'
import { until } from '../src/process-table.ts'
import { publishBundle, sealBundleOf } from '../src/seal-policy.ts'
import { paidRefunds } from '../src/shop-view.ts'
import { SoftwareAuthenticator } from '../src/software-authenticator.ts'
import { sayFreeze, type Voice } from '../src/stop-words.ts'
import type { RunningSystem } from '../src/system.ts'
import { putRecord, stolenKey, stolenLink, tenantNamed } from '../src/taken-over.ts'
import { ORDER, partiesSystem, pendingId, propose, refundOf, toolsOf } from './parties-support.ts'

/** What whoever holds `operator/` makes for itself: no key of a running party is used. */
interface Forged {
  readonly gateway: TakenOverGateway
  readonly host: NamedKey
}

const ALLOW_ALL = `version = 1
[[rules]]
id       = "everything"
priority = 1
effect   = "allow"
match    = { tool = ["**"] }
`

describe('provisioning that is taken over', () => {
  let system: RunningSystem
  let dir: string
  let link: BusLink
  let forged: Forged
  let tool: (id: string) => ToolContract
  let refund: string
  before(async () => {
    system = await partiesSystem()
    dir = await mkdtemp(join(tmpdir(), 'trustgw-forged-'))
    link = await stolenLink(system, 'operator/provision-data.creds')
    tool = await toolsOf(system)
    refund = await pendingId(system, refundOf('150.00'))
    forged = await forge()
  })
  after(async () => {
    await forged?.gateway.close()
    await link?.bus.drain()
    await system?.remove()
    if (dir !== undefined) await rm(dir, { recursive: true, force: true })
  })

  const newest = async (): Promise<VerifiedKeySet> => {
    const trust = join(system.stateDir, 'operator', 'trust')
    const found = await readKeySetFile(trust, await readRoots(trust))
    assert.ok(found !== undefined)
    return found
  }
  /** A gateway of its own: identity from the account keys, fresh keys, nobody's trust yet. */
  const forge = async (): Promise<Forged> => {
    const at = (...parts: string[]): string => join(dir, 'gateway', ...parts)
    await mkdir(at('trust'), { recursive: true, mode: 0o700 })
    await symlink(join(system.stateDir, 'shop'), join(dir, 'shop'))
    const issuedAt = Math.floor(Date.now() / 1000)
    const keys = loadBusKeys(join(system.stateDir, 'operator', 'bus'))
    writeCredsFile(at('bus.creds'), issueUser(keys, { kind: 'gateway' }, { issuedAt }).text)
    const audit = await createSigningKeyFile(at('audit.key'))
    const grant = await addKeyToFolder(at('grant'), 'grant')
    const host = namedKey('host')
    const listed = [
      keyEntry(grant, { role: 'grant', component: 'gateway' }),
      keyEntry(
        { kid: keyIdOf('audit', audit.publicKey), publicKey: audit.publicKey },
        {
          role: 'audit',
          component: 'gateway',
        },
      ),
      keyEntry(host, { role: 'host', component: 'host' }),
    ]
    entries = listed
    const own = namedKey('operator')
    await pinRoots(at('trust'), [{ ...own, role: 'operator', component: 'operator' }])
    const now = Date.now()
    const set = sealNext(undefined, { keys: listed }, { ...own, delegation: null, now })
    await writeKeySet(at('trust'), sealedBytes(set))
    return { gateway: await TakenOverGateway.open({ ...system, stateDir: dir }), host }
  }
  let entries: readonly ReturnType<typeof keyEntry>[] = []
  const root = (): Promise<NamedKey> => stolenKey(system, 'operator', 'operator')
  /** Puts a key set with the forged keys on the bus, sealed by this key. */
  const publishKeys = async (signer: NamedKey): Promise<void> => {
    const known = await newest()
    const keys = [...known.set.keys, ...entries]
    const set = sealNext(known, { keys }, { ...signer, delegation: null, now: Date.now() })
    const value = sealedBytes(set)
    await putRecord(link, { home: 'own', bucket: 'keys' }, { key: NEWEST_KEY_SET_KEY, value })
  }
  const publishPolicy = async (signer: NamedKey): Promise<void> => {
    const policies = link.records({ home: 'own', bucket: 'policies' })
    const epoch = forged.gateway.policies.epoch + 1
    const head = { tenant: 'main', epoch, operatorKey: signer }
    await publishBundle(policies, 'main', sealBundleOf([{ text: ALLOW_ALL }], head))
  }
  const like = () => forged.gateway.decisionOf(refund)
  /** A small refund under the forged keys, or something else at tier 1. */
  const atTierOne = async (contract: ToolContract, args: JsonObject): Promise<string> => {
    const { gateway, host } = forged
    const decided = await gateway.decide(await like(), args, { tool: contract })
    assert.equal(decided.decision.tier, 1)
    const word = hostApproval('ana', { ...decided, contract, verdict: 'approve' }, host)
    return reasonOf(await gateway.send(gateway.granted(decided, contract, [word])))
  }
  const paid = async () => (await paidRefunds(system)).map((one) => one.amount_minor)

  test('with the account keys alone it is anyone on the bus, and empties what is stored', async () => {
    const seen = await forged.gateway.decisionOf(refund)
    assert.equal(seen.tool_id, 'shop.refund')
    const stored = async (): Promise<number> =>
      (await link.records({ home: 'own', bucket: 'approvals' }).list('main')).length
    await until('the request is stored', async () => (await stored()) > 0)
    const purge = '$JS.API.STREAM.PURGE.KV_approvals'
    await link.bus.request(purge, new Uint8Array(), { timeoutMs: 5_000 })
    assert.equal(await stored(), 0)
  })

  test('with the account keys alone it neither grants nor approves, freezes or makes policy', async () => {
    const stranger = namedKey('operator')
    await publishKeys(stranger)
    assert.equal(await atTierOne(tool('shop.refund'), refundOf('20.00')), 'grant_key_unknown')
    const bucket = { home: 'own', bucket: 'policies' } as const
    const genuine = await link.records(bucket).get(`main.${NEWEST_BUNDLE_KEY}`)
    await publishPolicy(stranger)
    const voice: Voice = { link, home: 'own', tenant: tenantNamed('main'), key: stranger }
    await sayFreeze(voice, { kind: 'tenant' })
    await until('the executor has heard of both', async () => {
      const heard = await Promise.all(
        ['policy_refused', 'freeze_refused'].map((type) => forged.gateway.lastOfExecutor(type)),
      )
      return heard.every((event) => event !== undefined)
    })
    const read = await propose(system, 'shop.get_order', { order_id: ORDER }, 10_000)
    assert.equal(read.body['status'], 'succeeded', read.text)
    const removal = await propose(system, 'memory.delete_entities', { entityNames: ['a'] }, 5_000)
    assert.equal(removal.body['status'], 'denied')
    assert.ok(genuine !== undefined)
    await putRecord(link, bucket, { key: `main.${NEWEST_BUNDLE_KEY}`, value: genuine.value })
    assert.deepEqual(await paid(), [])
  })

  test('with the root key it grants and approves at tier 1, and nothing at tier 2', async () => {
    await publishKeys(await root())
    const contract = tool('shop.refund')
    const untilBelieved = async () => (await atTierOne(contract, refundOf('20.00'))) === 'admitted'
    await until('its keys are believed', untilBelieved)
    await until('the shop pays', async () => (await paid()).length > 0)
    const { gateway, host } = forged
    const large = await gateway.decide(await like(), refundOf('150.00'), { tool: contract })
    const signing = { ...large, contract, verdict: 'approve' } as const
    const byHost = gateway.granted(large, contract, [hostApproval('ana', signing, host)])
    assert.equal(reasonOf(await gateway.send(byHost)), 'evidence_wrong_kind')
    const byOwn = gateway.granted(large, contract, [signApproval(ownApprover(system), signing)])
    assert.equal(reasonOf(await gateway.send(byOwn)), 'credential_not_pinned')
    const relations = { relations: [] }
    assert.equal(await atTierOne(tool('memory.create_relations'), relations), 'below_floor')
    assert.deepEqual(await paid(), [2_000])
  })

  test('with the root key it seals a policy that allows what it likes, within floors', async () => {
    await publishPolicy(await root())
    const args = { entityNames: ['a'] }
    const removed = async (): Promise<boolean> =>
      (await propose(system, 'memory.delete_entities', args, 5_000)).body['status'] === 'succeeded'
    await until('the policy is in force', removed)
    const relations = { relations: [] }
    const floored = await propose(system, 'memory.create_relations', relations, 5_000)
    assert.equal(floored.body['status'], 'refused', floored.text)
  })
})

function ownApprover(system: RunningSystem): Approver {
  const origin = system.portal
  const rpId = new URL(origin).hostname
  const authenticator = new SoftwareAuthenticator({ algorithm: 'ES256', rpId, origin })
  return { person: 'ana', authenticator }
}
