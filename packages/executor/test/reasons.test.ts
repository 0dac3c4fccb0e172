import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ADMISSION_REASONS, RETRYABLE_REASONS } from '../src/admit/reasons.ts'

test('only refusals that leave nothing behind may come again', () => {
  assert.deepEqual(RETRYABLE_REASONS.toSorted(), [
    'audit_unreachable',
    'beat_missing',
    'executor_busy',
    'executor_stopping',
    'freezes_behind',
    'frozen',
    'grant_expired',
    'grant_not_yet_valid',
    'journal_unwritable',
    'key_set_behind',
    'policy_epoch_ahead',
    'policy_missing',
    'policy_superseded',
    'precondition_unreadable',
    'store_unreachable',
    'tool_busy',
    'tool_unavailable',
  ])
  for (const reason of RETRYABLE_REASONS) assert.ok(ADMISSION_REASONS.includes(reason), reason)
})

test('each refusal has a reason of its own', () => {
  assert.equal(new Set(ADMISSION_REASONS).size, ADMISSION_REASONS.length)
  for (const reason of ADMISSION_REASONS) assert.match(reason, /^[a-z][a-z_]+$/)
})
