import assert from 'node:assert/strict'
import { test } from 'node:test'
import { policySchema } from '@trustgw/core'
import { repositoryFile } from '../hashing.ts'

test('the published schema is the one that the syntax table makes', () => {
  assert.deepEqual(JSON.parse(repositoryFile('spec/policy.schema.json')), policySchema())
})

test('samples name the schema in their first line, so that editors complete and check', () => {
  const [first] = repositoryFile('examples/policies/quick-start.toml').split('\n', 1)
  assert.equal(first, '#:schema ../../spec/policy.schema.json')
})
