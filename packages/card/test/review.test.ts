import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { type ApprovalRequest, approvalStatementJson, canonicalize } from '@trustgw/protocol'
import { REFUND, requestOf, sha256, TENANT } from '@trustgw/testkit/approval-requests'
import { type ReviewedRequest, reviewRequest, signableApproval } from '../src/review.ts'

const NOW = 1_750_000_000_000
const request = requestOf({
  number: 1,
  tool: REFUND,
  now: NOW,
  input: { order_id: 'ord_1', amount: '250.00', currency: 'EUR', lines: [{ sku: 'a/b' }, []] },
})
const ceremony = {
  approver: 'ada',
  nonce: 'AAAAAAAAAAAAAAAAAAAAAA',
  decide_by: request.decide_by,
  run_by: request.run_by,
}

function reviewed(from: ApprovalRequest = request): ReviewedRequest {
  const review = reviewRequest(from, TENANT, sha256)
  assert.ok(review.ok)
  return review.value
}

function refusal(from: ApprovalRequest, tenant: string = TENANT): string {
  const review = reviewRequest(from, tenant, sha256)
  return review.ok ? 'reviewed' : review.reason
}

describe('the review of a request', () => {
  it('passes what was proposed and shows every argument with its pointer', () => {
    const rows = reviewed().rows.map(({ pointer, text, type }) => [pointer, text, type])
    assert.deepEqual(rows, [
      ['/amount', '250.00', 'text'],
      ['/currency', 'EUR', 'text'],
      ['/lines/0/sku', 'a/b', 'text'],
      ['/lines/1', '[]', 'empty_list'],
      ['/order_id', 'ord_1', 'text'],
    ])
  })

  it('escapes member names in pointers', () => {
    const input = { 'a/b~c': { '': 1 } }
    const [row] = reviewed(requestOf({ number: 3, tool: REFUND, now: NOW, input })).rows
    assert.equal(row?.pointer, '/a~1b~0c/')
  })

  it('refuses arguments that are not the ones decided on', () => {
    const swapped = request.arguments.replace('250.00', '25.00')
    assert.equal(refusal({ ...request, arguments: swapped }), 'input_hash_differs')
  })

  it('refuses arguments in another than the canonical form', () => {
    assert.equal(
      refusal({ ...request, arguments: ` ${request.arguments}` }),
      'arguments_not_canonical',
    )
  })

  it('refuses arguments with a duplicate name', () => {
    assert.equal(refusal({ ...request, arguments: '{"a":1,"a":2}' }), 'arguments_unreadable')
  })

  it('refuses a contract of which anything was changed', () => {
    const contract = { ...request.contract, description: 'Harmless.' }
    assert.equal(refusal({ ...request, contract }), 'contract_hash_differs')
  })

  it('refuses a decision about something else', () => {
    const decision = { ...request.decision, tool_id: 'shop.other' }
    assert.equal(refusal({ ...request, decision }), 'tool_differs')
    const foreign = requestOf({ number: 9, tool: REFUND, now: NOW, input: {} })
    assert.equal(refusal({ ...request, action_id: foreign.action_id }), 'action_differs')
    assert.equal(
      refusal({ ...request, precondition_hash: request.decision.input_hash }),
      'precondition_differs',
    )
    assert.equal(refusal(request, 'globex'), 'tenant_differs')
    const allowed = { ...request.decision, effect: 'allow' as const }
    assert.equal(refusal({ ...request, decision: allowed }), 'not_an_approval')
  })

  it('reads the amount by the contract and says when it cannot', () => {
    const { amount } = reviewed()
    assert.equal(amount.kind === 'money' ? amount.money.minor : undefined, 25_000n)
    for (const input of [
      { amount: '1.00' },
      { amount: '1.005', currency: 'EUR' },
      { currency: 'EUR' },
    ]) {
      const odd = reviewed(requestOf({ number: 4, tool: REFUND, now: NOW, input }))
      assert.equal(odd.amount.kind, 'unreadable')
    }
  })

  it('gives one code to an action and another to the same action with other arguments', () => {
    const changed = requestOf({ number: 1, tool: REFUND, now: NOW, input: { amount: '250.01' } })
    assert.match(reviewed().code, /^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/)
    assert.equal(reviewed().code, reviewed().code)
    assert.notEqual(reviewed().code, reviewed(changed).code)
  })
})

describe('the statement to sign', () => {
  it('is challenged by the hash of its canonical form, made of hashes computed here [INV-21]', () => {
    const signable = signableApproval(reviewed(), ceremony, 'ada', sha256)
    assert.ok(signable.ok)
    const { statement, challenge } = signable.value
    const text = canonicalize(approvalStatementJson(statement))
    assert.equal(challenge, createHash('sha256').update(text).digest('base64url'))
    assert.equal(statement.verdict, 'approve')
    assert.equal(statement.input_hash, reviewed().inputHash)
  })

  it('refuses an approver who is somebody else', () => {
    const signable = signableApproval(reviewed(), { ...ceremony, approver: 'eve' }, 'ada', sha256)
    assert.equal(signable.ok ? 'signed' : signable.reason, 'approver_differs')
  })

  it('refuses a deadline other than the one shown', () => {
    const moved = { ...ceremony, run_by: ceremony.run_by + 1 }
    const signable = signableApproval(reviewed(), moved, 'ada', sha256)
    assert.equal(signable.ok ? 'signed' : signable.reason, 'deadline_differs')
  })
})
