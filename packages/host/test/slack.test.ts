import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ApprovalRequest } from '@trustgw/protocol'
import { BusFault } from '@trustgw/runtime'
import { SlackDouble, type SlackMessage } from '@trustgw/testkit/chat-doubles'
import { askFor, codeFor, withArguments } from './support/channels.ts'
import {
  type Answer,
  approvalRequest,
  enrol,
  type RequestOptions,
  type SignedIn,
  startWorld,
  text,
  until,
  type World,
} from './support/world.ts'

const ANN = 'U0ANN'
const STRANGER = 'U0STRANGER'

describe('Slack', () => {
  let double: SlackDouble
  let world: World
  let ann: SignedIn

  before(async () => {
    double = await SlackDouble.start()
    const { token, signingSecret, origin: apiUrl } = double
    world = await startWorld({ slack: { token, signingSecret, apiUrl } })
    ann = await enrol(world, 'ann', ['approver'])
  })
  after(async () => {
    await world.stop()
    await double.stop()
  })

  const now = (): number => Math.floor(world.clock.now() / 1_000)
  const post = (signed: { body: string; headers: Record<string, string> }): Promise<Answer> =>
    world.call('POST', '/channels/slack', { raw: signed.body, headers: signed.headers })
  const asked = (options: RequestOptions = {}): Promise<ApprovalRequest> =>
    askFor(world, approvalRequest(world, { tier: 1, channels: ['slack'], ...options }))
  const of = (person: string): readonly SlackMessage[] =>
    double.messages.filter((message) => message.person === person)
  async function card(request: ApprovalRequest): Promise<SlackMessage> {
    const find = () =>
      of(ANN).find(({ buttons }) =>
        buttons.some(({ value = '' }) => value.includes(request.action_id)),
      )
    await until(() => find() !== undefined)
    return find() ?? assert.fail()
  }
  const labels = ({ buttons }: SlackMessage): readonly string[] =>
    buttons.map(({ text: label }) => label)
  const state = async (request: ApprovalRequest): Promise<string> =>
    text((await world.call('GET', `/api/approvals/${request.action_id}`, ann)).json, 'state')

  it('answers the challenge, and refuses what is not signed, or not now', async () => {
    const challenge = { type: 'url_verification', challenge: 'abc' }
    const signed = double.sign(JSON.stringify(challenge), 'application/json', now())
    assert.deepEqual((await post(signed)).json, { challenge: 'abc' })
    assert.equal((await post({ ...signed, body: `${signed.body} ` })).status, 403)
    assert.equal((await post({ ...signed, headers: {} })).status, 403)
    for (const at of [now() - 301, now() + 302]) {
      assert.equal((await post(double.say(ANN, 'hello', at))).status, 403)
    }
    assert.equal(double.messages.length, 0)
  })

  it('links, shows, approves at tier 1 by a press and edits the message', async () => {
    await post(double.say(STRANGER, 'show me', now()))
    assert.match(of(STRANGER)[0]?.text ?? '', /not linked/)
    await post(double.say(ANN, await codeFor(world, ann, 'slack'), now()))
    assert.match(of(ANN)[0]?.text ?? '', /Linked/)
    const request = await asked()
    const message = await card(request)
    assert.deepEqual(labels(message), ['Approve', 'Deny', 'Inspect', 'Open the approval page'])
    assert.deepEqual([message.types, message.fallback], [['plain_text'], 'Trust Gateway'])
    assert.equal((await post(double.press(STRANGER, message, 'Approve', now()))).status, 200)
    assert.equal(await state(request), 'pending_approval')
    const press = double.press(ANN, message, 'Approve', now())
    assert.equal((await post(press)).status, 200)
    await until(() => message.text.includes('Approved by'))
    assert.deepEqual(labels(message), [])
    assert.equal(world.gateway.decisions.at(-1)?.channel, 'slack')
    const count = double.messages.length
    assert.equal((await post(press)).status, 200)
    assert.equal(double.messages.length, count, 'a repeat is answered and not done')
  })

  it('draws no markup, mention or link out of what others wrote', async () => {
    const note = '<!channel> *bold* <http://evil.example|bank> :tada: &lt;b&gt; \u202e'
    const request = withArguments(approvalRequest(world, { tier: 1, channels: ['slack'] }), {
      note,
    })
    const message = await card(await askFor(world, request))
    assert.ok(message.text.includes(note.replace('\u202e', '⟦U+202E right-to-left override⟧')))
    assert.deepEqual([message.types, message.fallback], [['plain_text'], 'Trust Gateway'])
    await post(double.press(ANN, message, 'Deny', now()))
    await until(() => message.text.includes('Denied by'))
  })

  it('leads to the page where a passkey is due, denies there, and outlasts throttling', async () => {
    double.weather({ kind: 'throttled', calls: 1, seconds: 1 })
    const request = await asked({ tier: 2 })
    const message = await card(request)
    assert.deepEqual(labels(message), ['Deny', 'Inspect', 'Open the approval page'])
    assert.equal(message.buttons.at(-1)?.url, `${world.origin}/approvals/${request.action_id}`)
    assert.match(message.text, /Compare the short string: \S/)
    await post(double.press(ANN, message, 'Deny', now()))
    await until(() => message.text.includes('Denied by'))
    assert.equal(world.gateway.decisions.at(-1)?.verdict, 'deny')
  })
  it('answers a press in time while the store does not, and says what could not be done', async () => {
    const message = await card(await asked())
    const { approvals } = world.deps
    const reads = approvals.get.bind(approvals)
    let release = (): void => undefined
    const held = new Promise<never>((_, reject) => {
      release = () => reject(new BusFault('bus_timeout', 'gone'))
    })
    approvals.get = () => held
    const answer = await post(double.press(ANN, message, 'Deny', now()))
    assert.equal(answer.status, 200)
    release()
    await until(() => of(ANN).some(({ text: one }) => one.includes('could not be done')))
    approvals.get = reads
    await post(double.press(ANN, message, 'Deny', now() + 1))
    await until(() => message.text.includes('Denied by'))
  })
})
