import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@trustgw/runtime'
import { HOSTILE_TEXTS } from '@trustgw/testkit'
import { openRecord } from '../src/approvals/approval-record.ts'
import { cardText, detailTexts, endText, plain } from '../src/channels/card-text.ts'
import { CARD_MAX_CHARS } from '../src/channels/channel.ts'
import { withArguments } from './support/channels.ts'
import { chatRendering } from './support/chat-rendering.ts'
import { approvalRequest, TENANT } from './support/world.ts'

/** What a chat would draw as nothing, as another order or as a command, but for the isolates of ours. */
const UNSEEN = /(?![\n\u2068\u2069])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u
const NONE = { calls: [], dropped: 0, leftOut: 0 }
const CONTEXT = { tenant: TENANT, person: 'ann', earlier: NONE, events: [] }

const hostile = (text: string) => {
  const request = withArguments(approvalRequest({ clock: systemClock }, { tier: 1 }), {
    to: text,
    [text.slice(0, 200)]: 1,
  })
  const principal = { ...request.decision.principal, subject: text.slice(0, 200) }
  const decision = { ...request.decision, principal, on_behalf_of: text.slice(0, 200) }
  return openRecord({ ...request, decision: { ...decision, reason: text.slice(0, 400) } })
}

for (const { name, text } of HOSTILE_TEXTS) {
  test(`a card in a chat shows ${name} in every field as it is, within every limit`, () => {
    const record = hostile(text)
    const now = record.request.requested_at
    const { text: shown } = cardText(record, CONTEXT, now)
    const denial = {
      v: 1,
      action_id: record.request.action_id,
      tenant: TENANT,
      verdict: 'deny',
      approver: text.slice(0, 60),
      roles: [],
      channel: 'portal',
      reason: text,
      decided_at: now,
      evidence: null,
    } as const
    const denied = { decision: denial, delivery: 'accepted', answer: 'denied' } as const
    const ended = endText({ ...record, state: 'denied', decisions: [denied] }, CONTEXT)
    for (const one of [shown, ended, ...detailTexts(record, CONTEXT, now)]) {
      assert.doesNotMatch(one, UNSEEN)
      assert.ok(one.length <= CARD_MAX_CHARS, String(one.length))
      assert.equal(one.split('\u2068').length, one.split('\u2069').length, 'every isolate ends')
    }
    assert.match(shown, /Short string: \S+\n/)
    assert.doesNotMatch(plain(text), /\n/)
    assert.notEqual(chatRendering(text).shown, '')
  })
}

test('what is cut is said, and is not whole', () => {
  const request = approvalRequest({ clock: systemClock }, { tier: 1 })
  const now = request.requested_at
  const short = cardText(openRecord(withArguments(request, { to: 'acme' })), CONTEXT, now)
  assert.equal(short.isWhole, true)
  assert.match(short.text, /\/to\u2069 = “\u2068acme\u2069”/)
  for (const input of [{ to: 'x'.repeat(700) }, manyArguments(200)]) {
    const long = cardText(openRecord(withArguments(request, input)), CONTEXT, now)
    assert.equal(long.isWhole, false)
    assert.match(long.text, /cut: 700 characters|more lines: Inspect/)
  }
  const other = { ...request, arguments: '{"to":"mallory"}' }
  const forged = cardText(openRecord(other), CONTEXT, now)
  assert.equal(forged.isWhole, false)
  assert.match(forged.text, /^Do not approve this/)
})

const manyArguments = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`argument-${n}`, n]))

test('a look-alike is called out before the arguments', () => {
  const record = openRecord(
    withArguments(approvalRequest({ clock: systemClock }), { to: '\u0410cme Supplies' }),
  )
  const { text } = cardText(record, CONTEXT, record.request.requested_at)
  assert.match(text, /^! .*\/to.*(?:Cyrillic|alphabet|letters)/m)
})

test('what could not be compared, or was forged, is said; more to look at than fits is not whole', () => {
  const request = withArguments(approvalRequest({ clock: systemClock }, { tier: 1 }), {
    to: 'acme',
  })
  const said = (earlier: Parameters<typeof cardText>[1]['earlier']) =>
    cardText(openRecord(request), { ...CONTEXT, earlier }, request.requested_at)
  assert.match(said(undefined).text, /^! What was approved before could not be read/m)
  assert.match(said({ ...NONE, dropped: 2 }).text, /^! .*2 that the server told of did not match/m)
  assert.match(said(NONE).text, /^Nobody here has approved a call of this tool yet/m)
  const odd = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`to${n}`, '\u0410cme']))
  const many = openRecord(withArguments(request, odd))
  const card = cardText(many, CONTEXT, request.requested_at)
  assert.match(card.text, /more to look at on the approval page/)
  assert.equal(card.isWhole, false)
})
