import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ApprovalRequest, isJsonArray, isJsonObject } from '@trustgw/protocol'
import {
  type Answer,
  approvalRequest,
  ask,
  enrol,
  type SignedIn,
  startWorld,
  tell,
  text,
  until,
  type World,
} from './support/world.ts'

interface Earlier {
  readonly id: string
  readonly state: unknown
  readonly approvers: unknown
}

describe('what was approved before', () => {
  let world: World
  let ann: SignedIn
  before(async () => {
    world = await startWorld()
    ann = await enrol(world, 'ann', ['approver'])
  })
  after(async () => {
    await world.stop()
  })

  async function asked(): Promise<ApprovalRequest> {
    const request = approvalRequest(world, { tier: 1 })
    assert.equal((await ask(world, request))['status'], 'stored')
    return request
  }

  async function approve({ action_id }: ApprovalRequest): Promise<void> {
    const path = `/api/approvals/${action_id}`
    const begun = await world.call('POST', `${path}/begin`, { body: {}, cookies: ann.cookies })
    const body = { nonce: text(begun.json, 'nonce'), assertion: null }
    const answer = await world.call('POST', `${path}/approve`, { body, cookies: ann.cookies })
    assert.equal(answer.status, 200)
  }

  const get = ({ action_id }: ApprovalRequest, cookies = ann.cookies): Promise<Answer> =>
    world.call('GET', `/api/approvals/${action_id}/earlier`, { cookies })

  async function earlier(request: ApprovalRequest): Promise<readonly Earlier[]> {
    const { status, json } = await get(request)
    assert.equal(status, 200)
    assert.equal(json['left_out'], 0)
    const found = json['earlier']
    assert.ok(found !== undefined && isJsonArray(found))
    return found.map((one) => {
      assert.ok(isJsonObject(one))
      const of = one['request']
      assert.ok(of !== undefined && isJsonObject(of))
      return { id: text(of, 'action_id'), state: one['state'], approvers: one['approvers'] }
    })
  }

  it('is shown for the same tool, whole, with who approved and what became of it', async () => {
    const first = await asked()
    assert.deepEqual(await earlier(first), [])
    await approve(first)
    assert.deepEqual(await earlier(first), [], 'an action is not compared with itself')
    const second = await asked()
    assert.deepEqual(await earlier(second), [
      { id: first.action_id, state: null, approvers: ['ann'] },
    ])
    await tell(world, first, { state: 'succeeded', revision: 9 })
    await until(async () => (await earlier(second))[0]?.state === 'succeeded')
    const json = (await get(second)).json['earlier']
    assert.ok(json !== undefined && isJsonArray(json) && isJsonObject(json[0] ?? null))
    assert.deepEqual(
      JSON.parse(JSON.stringify(json[0]))['request'],
      JSON.parse(JSON.stringify(first)),
    )
  })

  it('is nothing that was denied or only asked, nor shown to anybody without a session', async () => {
    const denied = await asked()
    const waiting = await asked()
    const path = `/api/approvals/${denied.action_id}/deny`
    await world.call('POST', path, { body: { reason: 'no' }, cookies: ann.cookies })
    const ids = (await earlier(waiting)).map(({ id }) => id)
    assert.equal(ids.includes(denied.action_id), false)
    assert.equal(ids.includes(waiting.action_id), false)
    assert.equal((await get(waiting, {})).status, 401)
    assert.equal((await get(approvalRequest(world))).status, 404)
  })

  it('is the latest twenty, newest first, after a restart too', async () => {
    const approved: string[] = []
    for (let turn = 0; turn < 22; turn += 1) {
      const request = await asked()
      await approve(request)
      approved.unshift(request.action_id)
    }
    const waiting = await asked()
    const shown = (await earlier(waiting)).map(({ id }) => id)
    assert.deepEqual(shown.toSorted(), approved.slice(0, 20).toSorted())
    await world.restart()
    assert.deepEqual(
      (await earlier(waiting)).map(({ id }) => id).toSorted(),
      approved.slice(0, 20).toSorted(),
    )
  })

  it('keeps the first account of a request that is asked again without one', async () => {
    const request = approvalRequest(world)
    const told = { ...request, chain: { depth: 1, tools: ['shop.get_order'], complete: false } }
    assert.equal((await ask(world, told))['status'], 'stored')
    assert.equal((await ask(world, request))['status'], 'stored')
    const shown = await world.call('GET', `/api/approvals/${request.action_id}`, {
      cookies: ann.cookies,
    })
    assert.deepEqual(JSON.parse(JSON.stringify(shown.json['chain'])), told.chain)
    const many = Array.from({ length: 65 }, (_, at) => ({ pointer: `/${at}`, origins: ['agent'] }))
    const tooMany = await ask(world, { ...approvalRequest(world), origins: many })
    assert.deepEqual(tooMany['code'], 'request_malformed')
  })
})
