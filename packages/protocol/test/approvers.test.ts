import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Approver,
  type ApproversClause,
  type ApproversVerdict,
  approversJson,
  countIn,
  judgeApprover,
  judgeApprovers,
} from '@trustgw/protocol'
import fc from 'fast-check'
import { vectorText } from './support.ts'

const { approvals } = JSON.parse(vectorText('policy/approvers.json')) as {
  readonly approvals: readonly {
    readonly name: string
    readonly approvers: readonly ApproversClause[]
    readonly given: readonly Approver[]
    readonly verdict: ApproversVerdict
  }[]
}

for (const { name, approvers, given, verdict } of approvals) {
  test(`${name}: ${verdict}`, () => {
    assert.equal(judgeApprovers(approvers, given), verdict)
    assert.equal(judgeApprovers(approvers.toReversed(), given.toReversed()), verdict)
  })
}

test('every verdict has a vector', () => {
  assert.deepEqual([...new Set(approvals.map(({ verdict }) => verdict))].sort(), [
    'lacks_role',
    'met',
    'not_met',
    'superfluous',
  ])
})

const roles = fc.subarray(['finance', 'legal', 'it'])
const clauses = fc.array(fc.record({ roles, quorum: fc.integer({ min: 1, max: 3 }) }), {
  minLength: 1,
  maxLength: 3,
})
const people = fc
  .array(roles, { maxLength: 7 })
  .map((all) => all.map((held, index) => ({ approver: `p${index}`, roles: held })))

test('what is met stays met when one more whom it asks approves, while quorums have room', () => {
  fc.assert(
    fc.property(clauses, people, roles, (asked, given, held) => {
      if (judgeApprovers(asked, given) !== 'met') return
      const more = judgeApprovers(asked, [...given, { approver: 'more', roles: held }])
      assert.notEqual(more, 'not_met')
    }),
    { numRuns: 2_000 },
  )
})

test('one clause more is never easier to meet', () => {
  fc.assert(
    fc.property(clauses, clauses, people, (asked, more, given) => {
      if (judgeApprovers([...asked, ...more], given) !== 'met') return
      assert.ok(asked.every((clause) => countIn(clause, given) >= clause.quorum))
    }),
    { numRuns: 2_000 },
  )
})

test('taking only people who count ends in met or not met, and always can go on until met', () => {
  fc.assert(
    fc.property(clauses, people, (asked, coming) => {
      const given: Approver[] = []
      for (const person of coming) {
        const before = judgeApprovers(asked, given)
        const adds = judgeApprover(asked, given, person.roles)
        if (before === 'met') assert.notEqual(adds, 'counts')
        if (adds === 'counts') given.push(person)
        assert.ok(['met', 'not_met'].includes(judgeApprovers(asked, given)))
      }
      const missing = asked.flatMap((clause) => {
        const count = clause.quorum - countIn(clause, given)
        return count > 0 ? [clause] : []
      })
      for (const { roles: wanted } of missing) {
        assert.equal(judgeApprover(asked, given, wanted.slice(0, 1)), 'counts')
      }
      assert.equal(judgeApprovers(asked, given) === 'met', missing.length === 0)
    }),
    { numRuns: 2_000 },
  )
})

test('one person more counts, is not needed, or has no role that is asked', () => {
  const asked = [
    { roles: ['finance'], quorum: 1 },
    { roles: ['legal'], quorum: 1 },
  ]
  const ann = { approver: 'ann', roles: ['finance'] }
  assert.equal(judgeApprover(asked, [], ['finance']), 'counts')
  assert.equal(judgeApprover(asked, [ann], ['finance']), 'not_needed')
  assert.equal(judgeApprover(asked, [ann], ['finance', 'legal']), 'counts')
  assert.equal(judgeApprover(asked, [ann], ['sales']), 'lacks_role')
  assert.equal(judgeApprover([], [], ['finance']), 'lacks_role')
})

test('clauses are written as they are', () => {
  const asked = [{ roles: ['finance', 'legal'], quorum: 2 }]
  assert.deepEqual(approversJson(asked), asked)
})
