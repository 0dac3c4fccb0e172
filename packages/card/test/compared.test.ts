import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { PlacedFinding } from '../src/card-review.ts'
import { attentionHead, type ComparedWith, comparedWords } from '../src/compared.ts'
import type { EarlierCall } from '../src/earlier.ts'

const NONE: ComparedWith = { calls: [], dropped: 0, leftOut: 0 }
const ONE: ComparedWith = { ...NONE, calls: [{} as EarlierCall] }
const finding = (tone: PlacedFinding['tone']): PlacedFinding => ({ place: '/to', text: 'x', tone })

it('calls nothing calm that was not compared', () => {
  const head = (
    earlier: Parameters<typeof attentionHead>[1],
    ...found: PlacedFinding[]
  ): string => {
    const { title, tone } = attentionHead(found, earlier)
    return `${tone}: ${title}`
  }
  assert.equal(head(ONE), 'calm: Nothing stands out')
  assert.equal(head(NONE), 'calm: The first of its kind')
  assert.equal(head('loading'), 'calm: Comparing…')
  assert.equal(head(undefined), 'care: Not compared')
  assert.equal(head({ ...NONE, leftOut: 3 }), 'care: Not compared')
  assert.equal(head({ ...NONE, dropped: 1 }), 'alarm: Look at this first')
  assert.equal(head({ ...ONE, dropped: 1 }), 'alarm: Look at this first')
  assert.equal(head(undefined, finding('care')), 'care: 1 thing is unusual')
  assert.equal(head('loading', finding('alarm')), 'alarm: Look at this first')
})

it('never says that nobody approved where something could not be compared', () => {
  assert.match(comparedWords(NONE, 'here'), /^Nobody here has approved/)
  for (const one of [
    { ...NONE, dropped: 2 },
    { ...NONE, leftOut: 2 },
  ])
    assert.doesNotMatch(comparedWords(one, 'here'), /Nobody/)
})
