import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ApprovalRequest } from '@trustgw/protocol'
import { HOSTILE_TEXTS } from '@trustgw/testkit'
import { REFUND, requestOf, sha256, TENANT } from '@trustgw/testkit/approval-requests'
import { storyEarlier, storyRequests } from '@trustgw/testkit/approval-story'
import { reviewEarlier } from '../src/earlier.ts'
import { ink, writtenOrder } from '../src/ink.ts'
import { reviewRequest } from '../src/review.ts'
import { type CardSection, textCard } from '../src/text-card.ts'
import { textRendering } from './text-rendering.ts'

const now = Date.UTC(2026, 5, 1)

function cardOf(
  request: ApprovalRequest,
  before: readonly ApprovalRequest[] = [],
): readonly CardSection[] {
  const reviewed = reviewRequest(request, TENANT, sha256)
  assert.ok(reviewed.ok)
  const told = before.map((one) => ({
    request: one,
    approved_at: now,
    approvers: ['ben'],
    state: null,
  }))
  const earlier = { ...reviewEarlier(told, request, sha256), leftOut: 0 }
  return textCard(reviewed.value, { given: [], earlier, person: 'ada', now })
}

const textOf = (sections: readonly CardSection[]): string =>
  sections
    .map(({ title, lines }) =>
      [`# ${title ?? ''}`, ...lines.map(({ name, text }) => `${name ?? ''}: ${text}`)].join('\n'),
    )
    .join('\n')

describe('a card in plain text', () => {
  it('says what the page says: sentence, words, findings, values, origins, reason, hashes', () => {
    const { refund } = storyRequests(now)
    assert.ok(refund !== undefined)
    const text = textOf(cardOf(refund, storyEarlier(now)))
    for (const said of [
      /wants to move 250\.00 EUR \(two hundred and fifty euros\) with “Refund an order”/,
      /Tier 2, by passkey\. To decide until 2026-06-01 \d\d:\d\d:\d\d UTC: \d+ minutes/,
      /Compared with the last \d+ calls of this tool that people approved; hashed again here\./,
      /\/order_id: ord_/,
      /Gateway says: stood in what shop\.get_order gave/,
      /Why you are asked\n: .+\nRule: .+\nNeeds: 1 of/,
      /Chain of calls: After 2 calls: shop\.find_orders → shop\.get_order, by the gateway’s word/,
      /If you approve: shop\.refund_order runs once, with exactly these arguments, for 250\.00 EUR/,
      /If you deny: Nothing runs/,
      /Arguments hash: sha256:/,
      /Code: [0-9A-Z]{4}-[0-9A-Z]{4}$/,
    ]) {
      assert.match(text, said)
    }
  })

  it('leaves no argument out and shortens none', () => {
    const long = `${'word '.repeat(2_000)}end`
    const input = { note: long, list: Array.from({ length: 60 }, (_, at) => `item ${at}`) }
    const text = textOf(cardOf(requestOf({ number: 1, tool: REFUND, now, input })))
    assert.ok(text.includes(`/note: ${long}`))
    for (let at = 0; at < 60; at += 1) assert.ok(text.includes(`/list/${at}: item ${at}\n`))
  })

  it('tells a text from what reads like it', () => {
    const input = { a: 'null', b: null, c: '', d: 'true' }
    const text = textOf(cardOf(requestOf({ number: 2, tool: REFUND, now, input })))
    assert.match(text, /\/a: null\n: as a text\n\/b: null\n\/c: \(an empty text\)/)
  })

  it('says the order in which letters are written that run from right to left', () => {
    assert.equal(writtenOrder('abc 1'), undefined)
    assert.equal(writtenOrder('pay \u05d0\u05d1 1'), 'pay \\u{5d0}\\u{5d1} 1')
  })

  it('[INV-25] lets no hostile text through that is drawn as nothing or moves others', () => {
    const hidden = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u
    for (const [at, { name, text }] of HOSTILE_TEXTS.entries()) {
      const { shown, said } = textRendering(text)
      assert.doesNotMatch([shown, ...said].join('\n'), hidden, name)
      const tool = { ...REFUND, title: 'T' }
      const input = { value: text, ...(text.length < 1_000 ? { [text]: 1 } : {}) }
      const sections = cardOf(requestOf({ number: 10 + at, tool, now, input }))
      assert.doesNotMatch(textOf(sections), hidden, name)
      const values = sections.find(({ title }) => /^\d+ arguments?$/.test(title ?? ''))
      const value = values?.lines.find((line) => line.name === '/value')
      assert.equal(value?.text, text === '' ? '(an empty text)' : ink(text), name)
    }
  })
})
