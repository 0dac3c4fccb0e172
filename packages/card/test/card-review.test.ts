import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ApprovalRequest } from '@trustgw/protocol'
import { eventOf, REFUND, requestOf, sha256, TENANT } from '@trustgw/testkit/approval-requests'
import { storyEarlier, storyRequests, tampered } from '@trustgw/testkit/approval-story'
import { type CardReview, reviewCard } from '../src/card-review.ts'
import { type EarlierApproval, reviewEarlier } from '../src/earlier.ts'
import { chainWords, originWords } from '../src/origins.ts'
import { reviewRequest } from '../src/review.ts'

const now = Date.UTC(2026, 5, 1)
const told = (requests: readonly ApprovalRequest[]): readonly EarlierApproval[] =>
  requests.map((request) => ({ request, approved_at: now, approvers: ['ben'], state: null }))

function reviewOf(
  request: ApprovalRequest,
  before: readonly ApprovalRequest[] = [],
  agents: readonly string[] = [],
): CardReview {
  const reviewed = reviewRequest(request, TENANT, sha256)
  assert.ok(reviewed.ok)
  const events = agents.map((agent, at) => eventOf({ ...request }, 'succeeded', at, { agent }))
  const { calls } = reviewEarlier(told(before), request, sha256)
  return reviewCard(reviewed.value, { earlier: calls, events, person: 'ada' })
}

function said(review: CardReview, tone: 'alarm' | 'care'): readonly string[] {
  return review.attention
    .filter((one) => one.tone === tone)
    .map(({ place, text }) => `${place}: ${text}`)
}

const pay = (number: number, more: object, agent = 'bot'): ApprovalRequest =>
  requestOf({
    number,
    tool: { ...REFUND, id: 'bank.pay' },
    now,
    agent,
    input: { amount: '20.00', currency: 'EUR', ...more },
  })

describe('earlier calls', () => {
  it('are left out where they do not match their hashes, are of another tool, or are the same action', () => {
    const [one, two, three] = [1, 2, 3].map((number) => pay(number, { to: 'Acme' }))
    assert.ok(one !== undefined && two !== undefined && three !== undefined)
    const forged = { ...two, arguments: two.arguments.replace('Acme', 'Evil') }
    const { refund } = storyRequests(now)
    assert.ok(refund !== undefined)
    const { calls, dropped } = reviewEarlier(told([one, forged, refund, three]), one, sha256)
    assert.deepEqual(
      calls.map(({ reviewed }) => reviewed.request.action_id),
      [three.action_id],
    )
    assert.equal(dropped, 3)
    assert.equal(reviewEarlier(told([tampered(refund)]), refund, sha256).dropped, 1)
  })
})

describe('what differs', () => {
  it('is loudest for a payee that looks like an approved one and is not', () => {
    const { odd } = storyRequests(now)
    assert.ok(odd !== undefined)
    const alarms = said(reviewOf(odd, storyEarlier(now)), 'alarm')
    assert.ok(alarms.some((text) => text.startsWith('/payee/name: Looks like “Acme Supplies Ltd”')))
    assert.ok(
      alarms.some((text) => /acme-suppliers\.example differs from acme-supplies/.test(text)),
    )
    assert.ok(alarms.some((text) => /The amount is 10 times the largest of the last 4/.test(text)))
    const cares = said(reviewOf(odd, storyEarlier(now)), 'care')
    assert.ok(cares.includes('/payee/iban: An account that was never approved here before'))
  })

  it('is nothing for the same call again, and quiet for what is new each time', () => {
    const before = [1, 2, 3].map((number) => pay(number, { order: `o-${number}`, to: 'Acme' }))
    const review = reviewOf(pay(9, { order: 'o-9', to: 'Acme' }), before)
    assert.deepEqual(review.attention, [])
    assert.deepEqual(
      review.rows.map(({ standing }) => standing?.kind),
      ['always', 'always', 'varies', 'always'],
    )
    assert.match(review.usual[0]?.text ?? '', /as much as the last 3 approved/)
  })

  it('is said for a new value where values come again, a new argument and one that is missing', () => {
    const before = [1, 2, 3].map((number) => pay(number, { to: 'Acme', memo: 'rent' }))
    assert.deepEqual(said(reviewOf(pay(9, { to: 'Bolt', extra: 1 }), before), 'care'), [
      '/extra: None of the last 3 approved calls had this argument',
      '/to: Never approved here before; the last 3 approved calls had other values',
      'compared: Left out, though the last 3 approved calls had it: /memo',
    ])
  })

  it('is said of amount, currency, agent and contract', () => {
    const before = [pay(1, { to: 'Acme' }), pay(2, { to: 'Acme' })]
    const amounts = (amount: string, currency = 'EUR'): string =>
      reviewOf(pay(9, { to: 'Acme', amount, currency }), before)
        .attention.map(({ tone, text }) => `${tone} ${text}`)
        .join()
    assert.equal(
      amounts('70.00'),
      'care The amount is 3.5 times the largest of the last 2 approved (20.00 EUR)',
    )
    assert.equal(
      amounts('20.01'),
      'care The amount is more than the largest of the last 2 approved (20.00 EUR)',
    )
    assert.match(amounts('240.00'), /^alarm The amount is 12 times/)
    assert.match(amounts('1.00', 'USD'), /Never approved in USD/)
    assert.match(
      said(reviewOf(pay(9, { to: 'Acme' }, 'other'), before), 'care').join(),
      /the agent other/,
    )
  })

  it('is found in time however many values there are', () => {
    const many = (number: number): ApprovalRequest =>
      requestOf({
        number,
        tool: { ...REFUND, id: 'bank.pay' },
        now,
        input: { list: Array.from({ length: 4_000 }, (_, at) => `item ${at} of ${number % 3}`) },
      })
    const before = [1, 2, 3, 4, 5, 6].map(many)
    const start = performance.now()
    assert.equal(reviewOf(many(9), before).rows.length, 4_000)
    assert.ok(performance.now() - start < 5_000)
  })

  it('includes an agent whose name looks like that of another', () => {
    const alarms = said(reviewOf(pay(9, {}, 'refund-bоt'), [], ['refund-bot']), 'alarm')
    assert.ok(alarms.some((text) => /names: “refund-bоt” looks like “refund-bot”/.test(text)))
  })
})

describe('the summary', () => {
  it('names who, for whom, how much in words, who gets it, and what must still be so', () => {
    const { refund } = storyRequests(now)
    assert.ok(refund !== undefined)
    const { summary } = reviewOf(refund)
    assert.deepEqual(
      [summary.who, summary.forWhom, summary.verb, summary.title, summary.amount],
      [
        'support-agent',
        'grace',
        'move',
        'Refund an order',
        { figure: '250.00 EUR', words: 'two hundred and fifty euros' },
      ],
    )
    assert.deepEqual(
      summary.named.map(({ name }) => name),
      ['order_id', 'reason', 'notify_customer'],
    )
    assert.deepEqual(
      summary.provided.map(({ text }) => text),
      ['paid', '250.00 EUR'],
    )
    const minor = {
      ...REFUND,
      amount: {
        kind: 'pointer',
        pointer: '/cents',
        unit: 'minor',
        currency: { kind: 'fixed', code: 'EUR' },
      },
    } as const
    const cents = requestOf({ number: 5, tool: minor, now, input: { cents: 25_000 } })
    assert.equal(reviewOf(cents).summary.minor, '25,000 × 1/100 EUR')
  })
})

describe('the gateway’s word', () => {
  it('is told as such, and nothing is said where it says nothing', () => {
    const { refund, file } = storyRequests(now)
    assert.ok(refund !== undefined && file !== undefined)
    assert.equal(originWords(refund, '/order_id'), 'stood in what shop.get_order gave')
    assert.equal(originWords(refund, '/reason'), undefined)
    assert.equal(chainWords(refund), 'After 2 calls')
    assert.match(chainWords(file), /No earlier call/)
  })
})
