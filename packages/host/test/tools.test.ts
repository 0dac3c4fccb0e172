import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  canonicalize,
  contractHash,
  readShape,
  TOOL_ORDER_MAX_BYTES,
  TOOL_ORDER_TYP,
  type ToolContract,
  toolKey,
  toolOrderShape,
  toolTrustJson,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { STEP_UP_MS } from '../src/session/session-desk.ts'
import {
  type Answer,
  at,
  CONTRACT,
  enrol,
  type SignedIn,
  startWorld,
  TENANT,
  text,
  type World,
} from './support/world.ts'

const FOUND: ToolContract = { ...CONTRACT, description: 'Pays money to eve.' }
const FOUND_HASH = contractHash(sha256, FOUND)
const KEY = toolKey(sha256, TENANT, CONTRACT.id)

describe('tools in quarantine', () => {
  let world: World
  let ann: SignedIn
  let cem: SignedIn
  before(async () => {
    world = await startWorld()
    ann = await enrol(world, 'ann', ['admin'])
    cem = await enrol(world, 'cem', ['approver'])
    const trust = toolTrustJson({
      v: 1,
      tenant: TENANT,
      tool_id: CONTRACT.id,
      accepted: CONTRACT,
      accepted_at: 1,
      found: FOUND,
      found_at: 2,
    })
    await world.deps.toolTrust.create(KEY, utf8Encode(canonicalize(trust)))
  })
  after(async () => {
    await world.stop()
  })

  const order = (who: SignedIn, more: object = {}): Promise<Answer> =>
    world.call('POST', '/api/tools/order', {
      body: {
        tool_id: CONTRACT.id,
        order: 'release',
        contract_hash: FOUND_HASH,
        reason: 'Looked at it',
        ...more,
      },
      cookies: who.cookies,
    })
  const listed = async (): Promise<unknown> => {
    const list = await world.call('GET', '/api/tools', { cookies: cem.cookies })
    const tools = at(list.json, 'tools')
    assert.ok(Array.isArray(tools))
    return (tools[0] as { quarantine: unknown }).quarantine
  }

  it('shows both contracts to who is signed in; only an admin orders, about what they looked at', async () => {
    assert.equal(await listed(), 'contract_changed')
    assert.equal((await world.call('GET', '/api/tools')).status, 401)
    assert.equal(text((await order(cem)).json, 'code'), 'role_missing')
    const other = { contract_hash: contractHash(sha256, CONTRACT) }
    assert.equal(text((await order(ann, other)).json, 'code'), 'tool_changed')
    assert.equal((await order(ann, { tool_id: 'no.such' })).status, 404)
    assert.equal((await order(ann, { reason: '' })).status, 400)
    assert.equal(await world.deps.toolOrders.get(KEY), undefined)
    assert.ok(!world.audit.some(({ type }) => type === 'tool_ordered'))
  })

  it('signs the order of an admin, after it is recorded, and shows the tool as released', async () => {
    const done = await order(ann)
    assert.deepEqual(done.json, { order: 'release' })
    const stored = await world.deps.toolOrders.get(KEY)
    const { hostKey } = world.deps
    const verified = verifyJws(new TextDecoder().decode(stored?.value), {
      typ: TOOL_ORDER_TYP,
      maxBytes: TOOL_ORDER_MAX_BYTES,
      keyFor: (kid) => (kid === hostKey.kid ? hostKey.verify : undefined),
    })
    assert.ok(verified.ok)
    const read = readShape(toolOrderShape, verified.value.payload)
    assert.ok(read.ok)
    assert.deepEqual(
      [read.value.by, read.value.order, read.value.contract_hash],
      ['ann', 'release', FOUND_HASH],
    )
    assert.ok(world.audit.some(({ type, actor }) => type === 'tool_ordered' && actor === 'ann'))
    assert.equal(await listed(), null)
    world.clock.advance(STEP_UP_MS)
    const stale = await order(ann)
    assert.deepEqual([stale.status, text(stale.json, 'code')], [403, 'step_up_required'])
    assert.equal((await order(ann, { order: 'quarantine' })).status, 200)
    assert.equal(await listed(), 'ordered')
  })
})
