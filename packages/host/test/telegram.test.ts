import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ApprovalRequest } from '@trustgw/protocol'
import { BusFault, type LogFields, type Logger } from '@trustgw/runtime'
import { TelegramDouble, type TelegramMessage } from '@trustgw/testkit/chat-doubles'
import { askFor, codeFor, unlink, withArguments } from './support/channels.ts'
import {
  approvalRequest,
  enrol,
  type RequestOptions,
  type SignedIn,
  startWorld,
  tell,
  text,
  until,
  type World,
} from './support/world.ts'

const ANN = 7_001
const BEN = 7_002
const STRANGER = 7_666
const ONE_TAP = { tier: 1, roles: ['approver'], channels: ['portal', 'telegram'] } as const
const SECRET = 'webhook_secret-0123456789abcdef01234567'

describe('Telegram', () => {
  let double: TelegramDouble
  let world: World
  let ann: SignedIn
  let ben: SignedIn
  const lines: string[] = []

  before(async () => {
    double = await TelegramDouble.start()
    world = await startWorld(settings(null))
    await world.host.stop()
    Object.assign(world.deps, { log: intoLines(lines) })
    await world.restart()
    ann = await enrol(world, 'ann', ['approver'])
    ben = await enrol(world, 'ben', ['viewer'])
  })
  after(async () => {
    await world.stop()
    await double.stop()
  })

  const settings = (webhookSecret: string | null) => ({
    telegram: { token: double.token, apiUrl: double.origin, webhookSecret },
  })
  const asked = (options: RequestOptions = {}): Promise<ApprovalRequest> =>
    askFor(world, approvalRequest(world, { ...ONE_TAP, ...options }))
  const said = (person: number): string => double.chat(person).at(-1)?.text ?? ''
  /** The message of a request, when it stands there. */
  async function card(person: number, request: ApprovalRequest): Promise<TelegramMessage> {
    const find = () =>
      double
        .chat(person)
        .find(({ buttons }) =>
          buttons.some(({ callback_data = '' }) => callback_data.includes(request.action_id)),
        )
    await until(() => find() !== undefined)
    return find() ?? assert.fail()
  }
  const labels = ({ buttons }: TelegramMessage): readonly string[] =>
    buttons.map(({ text: label }) => label)
  const state = async (request: ApprovalRequest): Promise<string> =>
    text((await world.call('GET', `/api/approvals/${request.action_id}`, ann)).json, 'state')
  const noticed = async (press: () => unknown): Promise<string> => {
    const known = double.notices.length
    press()
    await until(() => double.notices.length > known)
    return double.notices.at(-1) ?? ''
  }

  it('says nothing to a stranger but how to link, and links by the code of the portal', async () => {
    await asked()
    double.say(STRANGER, 'show me')
    await until(() => said(STRANGER).includes('not linked'))
    double.say(ANN, await codeFor(world, ann, 'telegram'), -100)
    double.say(ANN, await codeFor(world, ann, 'telegram'))
    await until(() => double.chat(ANN).some(({ text: one }) => one.includes('Linked.')))
    double.say(BEN, await codeFor(world, ben, 'telegram'))
    await until(() => double.chat(BEN).length === 1)
    const heard = double.chat(ANN).filter(({ text: one }) => one.includes('is linked'))
    assert.deepEqual(heard, [], 'a code in a group links nobody')
    assert.equal(double.chat(STRANGER).length, 1)
    const listed = await world.call('GET', '/api/channels', ann)
    assert.match(listed.text, /"channel":"telegram","linked_at":\d/)
  })

  it('shows a request to whom it asks alone, and a tap of tier 1 approves it', async () => {
    const request = await asked()
    const message = await card(ANN, request)
    assert.deepEqual(labels(message), ['Approve', 'Deny', 'Inspect'])
    assert.match(message.text, /25000/)
    assert.match(message.text, new RegExp(`${world.origin}/approvals/${request.action_id}`))
    assert.deepEqual([message.entities, message.plain], [['pre'], true])
    assert.equal(double.chat(BEN).length, 1, 'ben may not decide')
    assert.equal(await noticed(() => double.press(ANN, message, 'Approve')), 'Approved')
    await until(() => message.text.includes('Approved by'))
    assert.deepEqual(labels(message), [])
    const sent = world.gateway.decisions.at(-1)
    assert.deepEqual(
      [sent?.verdict, sent?.channel, sent?.approver, sent?.evidence?.kind],
      ['approve', 'telegram', 'ann', 'host'],
    )
  })

  it('offers no tap where a passkey is due or the rule names other channels, but the page', async () => {
    for (const options of [{ tier: 2 }, { channels: ['portal'] }, { channels: [] }] as const) {
      const request = await asked(options)
      const message = await card(ANN, request)
      assert.deepEqual(labels(message), ['Deny', 'Inspect'], JSON.stringify(options))
      assert.match(message.text, /[Ss]hort string: \S/)
      // A tap that somebody makes up is judged as the offer was.
      const data = message.buttons[0]?.callback_data?.replace(/^d/, 'a') ?? ''
      const notice = await noticed(() => double.pressData(ANN, message, data))
      assert.match(notice, /passkey|does not let people approve here/)
      assert.equal(await state(request), 'pending_approval')
      assert.equal(await noticed(() => double.press(ANN, message, 'Deny')), 'Denied')
      await until(() => message.text.includes('Denied by'))
      assert.equal(world.gateway.decisions.at(-1)?.channel, 'telegram')
    }
  })

  it('inspects everything, and offers no tap for what no message holds in full', async () => {
    const long = withArguments(approvalRequest(world, ONE_TAP), {
      note: 'x'.repeat(5_000),
      to: 'acme',
    })
    const message = await card(ANN, await askFor(world, long))
    assert.deepEqual(labels(message), ['Deny', 'Inspect'])
    const data = message.buttons[0]?.callback_data?.replace(/^d/, 'a') ?? ''
    assert.match(await noticed(() => double.pressData(ANN, message, data)), /Not all of it fits/)
    const known = double.chat(ANN).length
    await noticed(() => double.press(ANN, message, 'Inspect'))
    const shown = double.chat(ANN).slice(known)
    assert.ok(shown.some(({ text: one }) => one.includes(long.decision.input_hash)))
    assert.ok(shown.every(({ entities }) => entities.join() === 'pre'))
    await noticed(() => double.press(ANN, message, 'Deny'))
    await until(() => message.text.includes('Denied by'))
  })

  it('lets whoever may approve stop what waits in its undo window, and says so as long as it waits', async () => {
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'scheduled' })
    const approved = async () => {
      const made = approvalRequest(world, ONE_TAP)
      const obligations = { ...made.decision.obligations, undo_ms: 60_000 }
      const request = await askFor(world, { ...made, decision: { ...made.decision, obligations } })
      const message = await card(ANN, request)
      await noticed(() => double.press(ANN, message, 'Approve'))
      await until(() => message.text.includes('can be stopped'))
      const at = request.requested_at + 1
      const decide_by = at + 60_000
      await tell(world, request, { revision: 4, state: 'scheduled', at, decide_by })
      await until(() => message.text.includes('Runs by itself at 20'))
      return { request, message, at }
    }
    const stopped = await approved()
    assert.deepEqual(labels(stopped.message), ['Stop it'])
    const bens = { ...stopped.message, chat: BEN }
    assert.match(await noticed(() => double.press(BEN, bens, 'Stop it')), /roles do not cover/)
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'cancelled' })
    assert.equal(await noticed(() => double.press(ANN, stopped.message, 'Stop it')), 'Stopped')
    await until(() => stopped.message.text.includes('Stopped in Telegram'))
    assert.deepEqual(labels(stopped.message), [])
    assert.equal(world.gateway.decisions.at(-1)?.verdict, 'deny')
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'scheduled' })
    const late = await approved()
    world.gateway.answer = () => Promise.resolve({ status: 'refused', code: 'not_pending' })
    assert.doesNotMatch(await noticed(() => double.press(ANN, late.message, 'Stop it')), /Stopped/)
    const { at } = late
    await tell(world, late.request, { revision: 5, state: 'dispatched', at: at + 1 })
    await until(() => late.message.text.includes('Approved by') && !late.message.buttons.length)
    assert.doesNotMatch(late.message.text, /Runs by itself/)
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'authorized' })
  })

  it('draws no markup, mention or command out of what others wrote', async () => {
    const note = '<b>x</b> [bank](http://evil.example) *y* @admin /start \u001b[2J'
    const request = withArguments(approvalRequest(world, ONE_TAP), { note })
    const message = await card(ANN, await askFor(world, request))
    const shown = note.replace('\u001b', '⟦U+001B escape, starts a terminal command⟧')
    assert.ok(message.text.includes(shown), message.text)
    assert.deepEqual([message.entities, message.plain], [['pre'], true])
    await noticed(() => double.press(ANN, message, 'Deny'))
    await until(() => message.text.includes('Denied by'))
  })

  it('gives a stranger who presses nothing, and nobody who is not asked a verdict', async () => {
    const request = await asked()
    const message = await card(ANN, request)
    const stolen = { ...message, chat: STRANGER }
    assert.match(await noticed(() => double.press(STRANGER, stolen, 'Approve')), /not linked/)
    const bens = { ...message, chat: BEN }
    assert.match(await noticed(() => double.press(BEN, bens, 'Approve')), /roles do not cover/)
    assert.match(await noticed(() => double.press(BEN, bens, 'Deny')), /roles do not cover/)
    assert.equal(await state(request), 'pending_approval')
    await noticed(() => double.press(ANN, message, 'Deny'))
    await until(() => message.text.includes('Denied by'))
  })

  it('loses nothing to throttling, an outage, a lost answer and a restart, and doubles only a lost answer', async () => {
    const count = (request: ApprovalRequest): number =>
      double.chat(ANN).filter(({ text: one }) => one.includes(request.action_id)).length
    double.weather({ kind: 'throttled', calls: 1, seconds: 1 })
    const throttled = await asked()
    await card(ANN, throttled)
    double.weather({ kind: 'deaf', calls: 1 })
    const lost = await asked()
    await until(() => count(lost) === 2)
    double.weather({ kind: 'down' })
    const meanwhile = await asked()
    const denied = await world.call('POST', `/api/approvals/${throttled.action_id}/deny`, {
      ...ann,
      body: { reason: 'no' },
    })
    assert.equal(denied.status, 200)
    await until(() => lines.some((line) => line.includes('channel_not_delivered')))
    await world.host.stop()
    double.weather({ kind: 'fine' })
    await world.restart()
    const message = await card(ANN, meanwhile)
    await until(() =>
      double.chat(ANN).some(({ text: one }) => one.includes('Denied by \u2068ann\u2069: \u2068no')),
    )
    assert.deepEqual([count(meanwhile), count(throttled)], [1, 0])
    assert.equal(await noticed(() => double.press(ANN, message, 'Approve')), 'Approved')
    await until(() => message.edits > 0)
  })

  it('asks whoever blocked the bot again once they let it', async () => {
    double.blocked.add(ANN)
    const request = await asked()
    await until(() => lines.some((line) => line.includes('account_gone')))
    assert.equal(await state(request), 'pending_approval', 'the portal has it')
    double.blocked.delete(ANN)
    await world.restart()
    const message = await card(ANN, request)
    assert.equal(double.chat(ANN).filter(({ text: one }) => one === message.text).length, 1)
    await noticed(() => double.press(ANN, message, 'Deny'))
    await until(async () => (await state(request)) === 'denied')
  })

  it('goes on hearing after another program asked for its updates', async () => {
    const other = await fetch(`${double.origin}/bot${double.token}/getUpdates`, { method: 'POST' })
    assert.equal(other.status, 200)
    await until(() => lines.some((line) => /telegram_not_heard.*409/.test(line)))
    const request = await asked()
    const message = await card(ANN, request)
    await noticed(() => double.press(ANN, message, 'Deny'))
    await until(async () => (await state(request)) === 'denied')
  })

  it('takes updates under its secret only, and each once', async () => {
    await world.host.stop()
    Object.assign(world.settings, { channels: settings(SECRET) })
    await world.restart()
    await until(() => double.webhook !== undefined)
    assert.deepEqual(double.webhook, { url: `${world.origin}/channels/telegram`, secret: SECRET })
    // What was heard and not confirmed before the stop comes once more.
    await double.deliver()
    const request = await asked()
    const message = await card(ANN, request)
    const update = double.press(ANN, message, 'Deny')
    const wrong = { 'x-telegram-bot-api-secret-token': `${SECRET.slice(0, -1)}x` }
    assert.deepEqual(await double.deliver(wrong), [403])
    assert.deepEqual(await double.deliver({ 'content-type': 'text/plain' }), [415])
    assert.equal(await state(request), 'pending_approval')
    assert.deepEqual(await double.deliver(), [200])
    await until(async () => (await state(request)) === 'denied')
    const notices = double.notices.length
    const again = await world.call('POST', '/channels/telegram', {
      body: update,
      headers: { 'x-telegram-bot-api-secret-token': SECRET },
    })
    assert.equal(again.status, 200)
    assert.equal(double.notices.length, notices)
    const huge = await world.call('POST', '/channels/telegram', {
      raw: `{"update_id":1,"x":"${'y'.repeat(300_000)}"}`,
      headers: { 'x-telegram-bot-api-secret-token': SECRET },
    })
    assert.equal(huge.status, 413)
    assert.equal((await world.call('POST', '/channels/slack', { body: {} })).status, 404)
  })

  it('lets what it could not do be brought again', async () => {
    const request = await asked()
    const message = await card(ANN, request)
    const { approvals } = world.deps
    const reads = approvals.get.bind(approvals)
    approvals.get = () => Promise.reject(new BusFault('bus_timeout', 'gone'))
    double.press(ANN, message, 'Deny')
    assert.deepEqual(await double.deliver(), [503])
    approvals.get = reads
    assert.equal(await state(request), 'pending_approval')
    assert.deepEqual(await double.deliver(), [200])
    await until(async () => (await state(request)) === 'denied')
  })

  it('asks an account that was unlinked nothing any more', async () => {
    const request = await asked()
    const message = await card(ANN, request)
    assert.equal((await unlink(world, ann, 'telegram')).status, 200)
    await until(() => message.text === 'You are not asked about this any more.')
    const pressed = { ...message, buttons: [] }
    double.pressData(ANN, pressed, `a.${request.action_id}.${request.requested_at.toString(36)}`)
    const known = double.notices.length
    assert.deepEqual(await double.deliver(), [200])
    assert.match(double.notices[known] ?? '', /not linked/)
    assert.equal(await state(request), 'pending_approval')
    assert.equal((await unlink(world, ann, 'telegram')).status, 404)
  })

  it('never logs its token or its secret', () => {
    assert.ok(lines.length > 0)
    for (const secret of [double.token, SECRET])
      assert.ok(!lines.some((line) => line.includes(secret)))
  })
})

function intoLines(lines: string[]): Logger {
  const note = (event: string, fields?: LogFields): void => {
    lines.push(JSON.stringify({ event, ...fields }))
  }
  const logger: Logger = { debug: note, info: note, warn: note, error: note, with: () => logger }
  return logger
}
