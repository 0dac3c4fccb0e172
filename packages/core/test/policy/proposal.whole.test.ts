import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseProposal, type ToolFacts } from '@trustgw/core'
import type { Json } from '@trustgw/protocol'

const tool = (id: string): ToolFacts => ({
  id,
  operation: 'read',
  category: 'payments',
  tags: ['money'],
  bundle: 'house',
  amount: { kind: 'none' },
})

test('each member that a contract says is refused of a registered tool, and only of that one', () => {
  const said: Readonly<Record<string, Json>> = {
    operation: 'read',
    category: 'crm',
    tags: ['pii'],
    bundle: 'shop',
    amount: 'none',
  }
  for (const [name, value] of Object.entries(said)) {
    const proposal = { tool: 'shop.refund', [name]: value }
    assert.deepEqual(parseProposal(proposal, [tool('shop.order'), tool('shop.refund')]), {
      ok: false,
      reason: 'proposal_refused',
      problems: [{ pointer: `/${name}`, message: 'the contract of the registered tool says this' }],
    })
    assert.ok(parseProposal(proposal, [tool('shop.order')]).ok)
    assert.ok(parseProposal(proposal).ok)
  }
})

test('of a tool that is not registered the proposal itself says what it is', () => {
  const read = parseProposal(
    { tool: 'shop.refund', operation: 'delete', category: 'crm', tags: [], bundle: 'other' },
    [tool('shop.order')],
  )
  assert.ok(read.ok)
  assert.deepEqual(read.value.tool, {
    id: 'shop.refund',
    operation: 'delete',
    category: 'crm',
    tags: [],
    bundle: 'other',
    amount: { kind: 'none' },
  })
  const bare = parseProposal({ tool: 'shop.refund' })
  assert.deepEqual(bare.ok && bare.value.tool.bundle, 'shop')
})

test('a proposal without its tool lacks that, whatever else it says of it', () => {
  const read = parseProposal({ operation: 'read', bundle: 'shop' })
  assert.deepEqual(read.ok ? [] : read.problems, [
    { pointer: '/tool', message: 'a proposal names its tool' },
  ])
})

test('null is a value of arguments only: elsewhere inside a member it is said to be wrong', () => {
  const problems = (value: Json): unknown => {
    const read = parseProposal(value)
    return read.ok ? [] : read.problems
  }
  assert.deepEqual(problems({ tool: 'a.b', roles: ['x', null] }), [
    { pointer: '/roles/1', message: 'expected text, found null' },
  ])
  assert.deepEqual(problems({ tool: 'a.b', args: null }), [
    { pointer: '/args', message: 'expected an object' },
  ])
})

test('a member with another name is refused, with the nearest one where one is near', () => {
  const read = parseProposal({ tool: 'a.b', zzzzzzzz: 1, agnt: 'bot' })
  assert.deepEqual(read.ok ? [] : read.problems, [
    { pointer: '/zzzzzzzz', message: '"zzzzzzzz" is not a key that means anything here' },
    {
      pointer: '/agnt',
      message: '"agnt" is not a key that means anything here',
      nearest: 'agent',
    },
  ])
})
