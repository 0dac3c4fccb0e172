import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { needsSentence } from '../src/logic/needs.ts'

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

  it('says how far each clause is', () => {
    const ann = { approver: 'ann', roles: ['ops', 'legal'] }
    assert.equal(
      needsSentence(BOTH, [ann]),
      '2 of finance or ops (1 so far), and 1 of legal (done)',
    )
  })
})
