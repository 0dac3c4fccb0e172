import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ACTION_STATES } from '@trustgw/protocol'
import { argumentRows, endsOf, HEAD_CHARS, LONG_TEXT_CHARS, TAIL_CHARS } from '../src/arguments.ts'
import { progressOf, stateView } from '../src/states.ts'

function statuses(state: (typeof ACTION_STATES)[number]): readonly string[] | undefined {
  return progressOf(state)?.map(({ status }) => status)
}

describe('states', () => {
  it('gives each state a label of its own', () => {
    const labels = ACTION_STATES.map((state) => stateView(state).label)
    assert.equal(new Set(labels).size, ACTION_STATES.length)
  })

  it('shows the road of an approved action and where it stopped', () => {
    assert.deepEqual(statuses('executing'), ['done', 'done', 'now', 'ahead'])
    assert.deepEqual(statuses('succeeded'), ['done', 'done', 'done', 'done'])
    assert.deepEqual(statuses('failed'), ['done', 'done', 'done', 'bad'])
    assert.equal(statuses('denied'), undefined)
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
