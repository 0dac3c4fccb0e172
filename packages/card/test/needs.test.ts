import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { needsSentence } from '../src/needs.ts'

const BOTH = [
  { roles: ['finance', 'ops'], quorum: 2 },
  { roles: ['legal'], quorum: 1 },
]

describe('who must approve', () => {
  it('names every clause', () => {
    assert.equal(needsSentence(BOTH), '2 of finance or ops, and 1 of legal')
    assert.equal(needsSentence([{ roles: [], quorum: 1 }]), 'any approver')
    assert.equal(needsSentence([{ roles: [], quorum: 2 }]), 'any 2 approvers')
  })

  it('names order and escalation', () => {
    const order = [
      { roles: ['finance'], quorum: 1 },
      { roles: ['head'], quorum: 1, after: ['finance'] },
    ]
    assert.equal(needsSentence(order), '1 of finance, and 1 of head after finance')
    const escalation = { after_ms: 2 * 3_600_000, roles: ['head', 'cfo'] }
    assert.equal(
      needsSentence([{ roles: ['finance'], quorum: 1, escalation }]),
      '1 of finance (after 2 h also head or cfo)',
    )
    const soon = { after_ms: 90_000, roles: ['head'] }
    assert.equal(
      needsSentence([{ roles: ['finance'], quorum: 1, escalation: soon }]),
      '1 of finance (after 2 min also head)',
    )
  })

  it('says how far each clause is', () => {
    const ann = { approver: 'ann', roles: ['ops', 'legal'] }
    assert.equal(
      needsSentence(BOTH, [ann]),
      '2 of finance or ops (1 so far), and 1 of legal (done)',
    )
  })
})
