import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ApprovalRequest, utf8Encode } from '@trustgw/protocol'
import { systemClock } from '@trustgw/runtime'
import {
  approvalRequest,
  ask,
  at,
  enrol,
  type SignedIn,
  startWorld,
  TENANT,
  tell,
  text,
  until,
  type World,
} from './support/world.ts'

describe('after a failure', () => {
  let world: World
  let ann: SignedIn
  before(async () => {
    world = await startWorld()
    ann = await enrol(world)
  })
  after(async () => {
    await world.stop()
  })

  const deny = (request: ApprovalRequest) =>
    world.call('POST', `/api/approvals/${request.action_id}/deny`, {
      body: { reason: 'no' },
      cookies: ann.cookies,
    })
  const sentFor = (request: ApprovalRequest) =>
    world.gateway.decisions.filter(({ action_id }) => action_id === request.action_id)

  it('sends again until the gateway answers', async () => {
    const request = approvalRequest(world)
    await ask(world, request)
    await world.gateway.down()
    const pending = deny(request)
    await systemClock.sleep(300)
    assert.equal(sentFor(request).length, 0)
    world.gateway.up()
    assert.deepEqual((await pending).json, { state: 'denied', delivered: true })
    assert.equal(sentFor(request).length, 1)
    const shown = await world.call('GET', `/api/approvals/${request.action_id}`, {
      cookies: ann.cookies,
    })
    assert.equal(shown.json['state'], 'denied')
  })

  it('sends nothing before the event is on record, and then it does', async () => {
    const request = approvalRequest(world)
    await ask(world, request)
    world.auditDown = true
    const pending = deny(request)
    await until(async () => {
      const shown = await world.call('GET', `/api/approvals/${request.action_id}`, {
        cookies: ann.cookies,
      })
      return shown.json['state'] === 'denied'
    })
    assert.equal(sentFor(request).length, 0)
    world.auditDown = false
    assert.equal((await pending).status, 200)
    await until(() => sentFor(request).length === 1)
  })

  it('takes up after a restart what was stored and not delivered', async () => {
    const request = approvalRequest(world)
    await ask(world, request)
    world.auditDown = true
    const pending = deny(request)
    await until(async () => {
      const shown = await world.call('GET', `/api/approvals/${request.action_id}`, {
        cookies: ann.cookies,
      })
      return shown.json['state'] === 'denied'
    })
    await Promise.allSettled([world.host.stop(), pending])
    assert.equal(sentFor(request).length, 0)
    world.auditDown = false
    await world.restart()
    await until(() => sentFor(request).length === 1)
  })

  it('lists pending approvals and actions again after a restart', async () => {
    const request = approvalRequest(world)
    await ask(world, request)
    await tell(world, request, { revision: 7 })
    await tell(world, request, { revision: 6, state: 'proposed' })
    await world.restart()
    const approvals = await world.call('GET', '/api/approvals', { cookies: ann.cookies })
    assert.ok(approvals.text.includes(request.action_id))
    const actions = await world.call('GET', '/api/actions', { cookies: ann.cookies })
    const listed = actions.json['actions']
    assert.ok(Array.isArray(listed))
    assert.equal(actions.json['whole'], true, 'the stream still has all')
    const mine = listed.filter((one) => text(one, 'action_id') === request.action_id)
    assert.equal(mine.length, 1)
    assert.equal(text(mine[0] ?? null, 'state'), 'pending_approval')
  })

  it('shows events as they come, and leaves out what is not one', async () => {
    const request = approvalRequest(world)
    const { bus } = world.gateway.link
    bus.publish(`ui.v1.${TENANT}.events`, utf8Encode('{"action_id":"<script>"}'))
    await tell(world, request, { revision: 9, state: 'succeeded' })
    await until(async () => {
      const { text: body } = await world.call('GET', '/api/actions', { cookies: ann.cookies })
      return body.includes(request.action_id)
    })
    const { text: body } = await world.call('GET', '/api/actions', { cookies: ann.cookies })
    assert.ok(!body.includes('<script>'))
  })

  it('does not act on a stored value that it did not sign [INV-32]', async () => {
    const request = approvalRequest(world)
    await ask(world, request)
    const { approvals, acl } = world.deps
    const stored = (await approvals.list(TENANT)).at(-1)
    assert.ok(stored)
    const [head = '', body = '', tail = ''] = Buffer.from(stored.value).toString().split('.')
    const payload = Buffer.from(body, 'base64url').toString().replace('"pending"', '"approved"')
    const forged = [head, Buffer.from(payload).toString('base64url'), tail].join('.')
    await approvals.replace(stored.key, utf8Encode(forged), stored.revision)
    const refused = await deny(request)
    assert.equal(refused.status, 500)
    assert.equal(text(refused.json, 'code'), 'internal')
    assert.ok(!refused.text.includes('stored'))
    const copied = (await acl.list(TENANT)).at(-1)
    assert.ok(copied)
    await acl.create(`${TENANT}.person_eve`, copied.value)
    await world.restart()
    const begun = await world.call('POST', '/api/login/begin', { body: {} })
    const listed = JSON.stringify(at(begun.json, 'options', 'allowCredentials'))
    assert.equal(listed.split(ann.login.id).length, 2, 'a copy elsewhere counts for nothing')
    const response = ann.login.assert(text(begun.json, 'options', 'challenge'))
    const body2 = { ceremony: text(begun.json, 'ceremony'), response }
    assert.equal((await world.call('POST', '/api/login/finish', { body: body2 })).status, 200)
  })

  it('stops cleanly, twice if asked', async () => {
    const other = await startWorld()
    await other.host.stop()
    await other.host.stop()
    await assert.rejects(other.call('GET', '/health'))
    assert.ok(other.audit.some(({ type }) => type === 'service_stopped'))
    await other.stop()
  })
})
