import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ApprovalRequest } from '@trustgw/protocol'
import { PAGE_CODE_TTL_MS } from '../src/approvals/approval-pages.ts'
import { CEREMONY_TTL_MS } from '../src/ceremony/ceremony-book.ts'
import { checkSettings } from '../src/settings.ts'
import type { Twist } from './support/authenticator.ts'
import { challengeFor } from './support/challenge.ts'
import {
  type Answer,
  approvalRequest,
  ask,
  type CallOptions,
  call,
  enrol,
  type RequestOptions,
  type SignedIn,
  startWorld,
  text,
  type World,
} from './support/world.ts'

/** The portal and its approvals on two names of one listener. */
describe('the page of one approval', () => {
  let world: World
  let ann: SignedIn
  let page = ''
  before(async () => {
    world = await startWorld({}, (port) => ({ approvalOrigin: `http://approve.localhost:${port}` }))
    page = world.settings.approvalOrigin ?? ''
    ann = await enrol(world, 'ann', ['approver'])
  })
  after(async () => {
    await world.stop()
  })

  async function asked(options: RequestOptions = {}): Promise<ApprovalRequest> {
    const request = approvalRequest(world, options)
    assert.equal((await ask(world, request))['status'], 'stored')
    return request
  }

  /** A call that names the origin of approvals, from a page of that origin. */
  const onPage = (method: string, path: string, options: CallOptions = {}): Promise<Answer> =>
    call(
      { port: world.settings.listen.port, origin: page, method, path },
      { ...options, headers: { host: new URL(page).host, ...options.headers } },
    )

  const withTicket = (ticket: string, body?: unknown): CallOptions => ({
    headers: { authorization: `Bearer ${ticket}` },
    ...(body === undefined ? {} : { body }),
  })

  async function codeFor(request: ApprovalRequest, who = ann): Promise<string> {
    const path = `/api/approvals/${request.action_id}/page`
    const answer = await world.call('POST', path, { body: {}, cookies: who.cookies })
    const address = text(answer.json, 'address')
    assert.ok(address.startsWith(`${page}/approve#`), answer.text)
    return address.slice(address.indexOf('#') + 1)
  }

  const open = (code: string): Promise<Answer> => onPage('POST', '/api/page', { body: { code } })

  async function ticketFor(request: ApprovalRequest): Promise<string> {
    return text((await open(await codeFor(request))).json, 'ticket')
  }

  async function approve(request: ApprovalRequest, ticket: string, twist: Twist): Promise<Answer> {
    const path = `/api/approvals/${request.action_id}`
    const begun = await onPage('POST', `${path}/begin`, withTicket(ticket, {}))
    if (begun.status !== 200) return begun
    const assertion = ann.approval.assert(challengeFor(request, begun), twist)
    const proof = { nonce: text(begun.json, 'nonce'), assertion }
    return await onPage('POST', `${path}/approve`, withTicket(ticket, proof))
  }

  it('names both origins where a passkey is pinned, the one for approvals first', () => {
    assert.deepEqual(world.enrolled[0]?.origins, [page, world.origin])
  })

  it('approves what is signed there', async () => {
    const request = await asked()
    const opened = await open(await codeFor(request))
    assert.equal(text(opened.json, 'action_id'), request.action_id)
    assert.equal(text(opened.json, 'portal'), world.origin)
    assert.deepEqual(opened.cookies, {})
    const ticket = text(opened.json, 'ticket')
    const path = `/api/approvals/${request.action_id}`
    const [shown, earlier] = await Promise.all(
      [path, `${path}/earlier`].map((one) => onPage('GET', one, withTicket(ticket))),
    )
    assert.equal(earlier?.status, 200, 'at the same time as well')
    assert.equal(shown?.json['state'], 'pending_approval')
    const answer = await approve(request, ticket, { origin: page })
    assert.equal(answer.json['state'], 'authorized', answer.text)
  })

  it('takes no signature of the portal, and the portal begins none', async () => {
    const request = await asked()
    const ticket = await ticketFor(request)
    const signed = await approve(request, ticket, { origin: world.origin })
    assert.equal(signed.json['code'], 'assertion_refused', signed.text)
    const path = `/api/approvals/${request.action_id}/begin`
    const begun = await world.call('POST', path, { body: {}, cookies: ann.cookies })
    assert.equal(begun.json['code'], 'page_needed')
  })

  it('denies there as well, and what takes no passkey is still approved in the portal', async () => {
    const request = await asked()
    const path = `/api/approvals/${request.action_id}/deny`
    const denied = await onPage(
      'POST',
      path,
      withTicket(await ticketFor(request), { reason: 'not today' }),
    )
    assert.equal(denied.json['state'], 'denied', denied.text)
    const small = await asked({ tier: 1 })
    const begun = await world.call('POST', `/api/approvals/${small.action_id}/begin`, {
      body: {},
      cookies: ann.cookies,
    })
    assert.equal(begun.status, 200)
  })

  it('opens once by a code, and within a minute', async () => {
    const request = await asked()
    const code = await codeFor(request)
    assert.equal((await open(code)).status, 200)
    assert.equal((await open(code)).json['code'], 'ceremony_unknown')
    assert.equal((await open('A'.repeat(43))).json['code'], 'ceremony_unknown')
    const late = await codeFor(request)
    world.clock.advance(PAGE_CODE_TTL_MS)
    assert.equal((await open(late)).json['code'], 'ceremony_unknown')
  })

  it('is good for one action, and for as long as the session that opened it', async () => {
    const ben = await enrol(world, 'ben', ['approver'])
    const [request, other] = [await asked(), await asked()]
    const mine = text((await open(await codeFor(request, ben))).json, 'ticket')
    const path = (one: ApprovalRequest): string => `/api/approvals/${one.action_id}`
    assert.equal((await onPage('GET', path(request), withTicket(mine))).status, 200)
    assert.equal((await onPage('GET', path(other), withTicket(mine))).json['code'], 'no_session')
    const waiting = await codeFor(request, ben)
    await world.call('DELETE', '/api/session', { body: {}, cookies: ben.cookies })
    assert.equal((await onPage('GET', path(request), withTicket(mine))).json['code'], 'no_session')
    assert.equal((await open(waiting)).json['code'], 'ceremony_unknown')
    const long = await ticketFor(request)
    world.clock.advance(CEREMONY_TTL_MS)
    assert.equal((await onPage('GET', path(request), withTicket(long))).json['code'], 'no_session')
  })

  it('answers nothing else under that name: no portal, no cookie that counts, no other origin', async () => {
    const cid = await enrol(world, 'cid', ['approver'])
    const request = await asked()
    const path = `/api/approvals/${request.action_id}`
    for (const [method, elsewhere] of [
      ['GET', '/'],
      ['GET', '/index.html'],
      ['GET', '/enrol'],
      ['GET', '/api/session'],
      ['GET', '/api/approvals'],
      ['GET', '/api/policy'],
      ['POST', '/api/login/begin'],
      ['POST', `${path}/page`],
    ] as const) {
      const options = { cookies: cid.cookies, ...(method === 'POST' ? { body: {} } : {}) }
      assert.equal((await onPage(method, elsewhere, options)).status, 404, elsewhere)
    }
    const byCookie = await onPage('GET', path, { cookies: cid.cookies })
    assert.equal(byCookie.json['code'], 'no_session')
    const code = await codeFor(request, cid)
    const foreign = { body: { code }, headers: { origin: world.origin } }
    assert.equal((await onPage('POST', '/api/page', foreign)).json['code'], 'origin_refused')
    assert.equal((await world.call('POST', '/api/page', { body: { code } })).status, 404)
    assert.equal((await open(code)).status, 200)
  })

  it('is one document under a policy that leaves nothing but itself', async () => {
    const answer = await onPage('GET', '/approve')
    assert.match(answer.text, /<title>approval/)
    const csp = String(answer.headers['content-security-policy'])
    assert.match(csp, /connect-src 'self';/)
    assert.match(csp, /require-trusted-types-for 'script'/)
    assert.doesNotMatch(csp, /ws:|worker|unsafe/)
    assert.match(String(answer.headers['permissions-policy']), /credentials-create=\(\)/)
    assert.equal((await onPage('GET', '/assets/index-Ab12Cd34.js')).status, 200)
  })

  it('refuses settings under which no passkey could be used on both', () => {
    const { settings } = world
    const refuses = (changed: Partial<typeof settings>, problem: RegExp): void => {
      assert.throws(() => checkSettings({ ...settings, ...changed }), problem)
    }
    refuses({ approvalOrigin: settings.origin }, /another origin/)
    refuses({ approvalOrigin: 'https://approve.localhost' }, /same scheme/)
    refuses({ approvalOrigin: `${page}/x` }, /not an origin/)
    refuses({ approvalRpId: 'approve.localhost' }, /approval_rp_id does not cover/)
    refuses({ approvalOrigin: 'http://approve.example' }, /does not cover/)
  })
})
