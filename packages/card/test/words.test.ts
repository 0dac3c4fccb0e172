import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ACTION_STATES } from '@trustgw/protocol'
import { argumentRows, endsOf, HEAD_CHARS, LONG_TEXT_CHARS, TAIL_CHARS } from '../src/arguments.ts'
import { courseOf, stateView } from '../src/states.ts'

describe('states', () => {
  it('gives each state a label of its own', () => {
    const labels = ACTION_STATES.map((state) => stateView(state).label)
    assert.equal(new Set(labels).size, ACTION_STATES.length)
  })

  it('shows the road of an action, and says whether it ran', () => {
    const told = ACTION_STATES.map((state) => {
      const { title, steps, sentence } = courseOf(state)
      const road = steps?.map(({ status }) => status.slice(0, 1)).join('') ?? '-'
      const ran = sentence?.startsWith('Nothing ran') === true ? 'nothing ran' : ''
      return [state, title.replace('What ', ''), road, ran].join(' ').trim()
    })
    assert.deepEqual(told.toSorted(), [
      'authorized happens now naaa',
      'cancelled This has ended - nothing ran',
      'denied This has ended - nothing ran',
      'dispatched happens now dnaa',
      'executing happens now ddna',
      'expired This has ended - nothing ran',
      'failed happened dddb',
      'needs_human happened dddb',
      'pending_approval happens now -',
      'preparing happens now -',
      'proposed happens now -',
      'reconciled_failed happened dddb',
      'reconciled_succeeded happened dddd',
      'refused happened ddb nothing ran',
      'scheduled happens now -',
      'succeeded happened dddd',
      'unknown_outcome happened dddb',
    ])
  })
})

describe('long arguments', () => {
  it('are told by their length in characters and lose none when folded', () => {
    const text = `${'🙂'.repeat(LONG_TEXT_CHARS)}end`
    const [row] = argumentRows(text)
    assert.equal(row?.long, true)
    assert.equal(row?.length, LONG_TEXT_CHARS + 3)
    const { head, hidden, tail } = endsOf(text)
    assert.equal(Array.from(head).length, HEAD_CHARS)
    assert.equal(Array.from(tail).length, TAIL_CHARS)
    assert.equal(HEAD_CHARS + hidden + TAIL_CHARS, LONG_TEXT_CHARS + 3)
    assert.ok(tail.endsWith('end'))
  })
})
