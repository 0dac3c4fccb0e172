import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { actionCode, actionId, type CodedAction, hashText, parseTenantId } from '@trustgw/protocol'
import { sha256 } from './support.ts'

const tenant = parseTenantId('acme')
assert.ok(tenant.ok)

const ACTION: CodedAction = {
  action_id: actionId(new Uint8Array(16)),
  tenant: tenant.value,
  tool_id: 'shop.refund',
  contract_hash: hashText(sha256, 'contract'),
  input_hash: hashText(sha256, 'input'),
  precondition_hash: hashText(sha256, 'precondition'),
}

test('the code of an action is the first 40 bits of what it is, as the specification writes them', () => {
  const { contract_hash, input_hash, precondition_hash } = ACTION
  const text = `{"action_id":"${ACTION.action_id}","contract_hash":"${contract_hash}","input_hash":"${input_hash}","precondition_hash":"${precondition_hash}","tenant":"acme","tool_id":"shop.refund","typ":"trustgw/action-code/1"}`
  const bits = Array.from(createHash('sha256').update(text).digest().subarray(0, 5))
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
  const letters = (bits.match(/.{5}/g) ?? [])
    .map((five) => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.charAt(Number.parseInt(five, 2)))
    .join('')
  assert.equal(actionCode(sha256, ACTION), `${letters.slice(0, 4)}-${letters.slice(4)}`)
})

test('the code of an action changes with each thing that the action is', () => {
  const other = hashText(sha256, 'other')
  const changes: readonly Partial<CodedAction>[] = [
    { tool_id: 'shop.refunds' },
    { contract_hash: other },
    { input_hash: other },
    { precondition_hash: other },
  ]
  const codes = changes.map((change) => actionCode(sha256, { ...ACTION, ...change }))
  assert.equal(new Set([actionCode(sha256, ACTION), ...codes]).size, changes.length + 1)
})
