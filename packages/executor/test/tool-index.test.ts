import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contractHash } from '@trustgw/protocol'
import { AjvSchemaCompiler, type SchemaCompiler, sha256 } from '@trustgw/runtime'
import { ToolIndex } from '../src/admit/tool-index.ts'
import { REFUND } from './support/world.ts'

test('a tool is compiled once for each contract, and served under its hash', () => {
  const real = new AjvSchemaCompiler()
  let compiled = 0
  const counting: SchemaCompiler = {
    compile: (schema) => {
      compiled += 1
      return real.compile(schema)
    },
  }
  const tools = new ToolIndex(sha256, counting)
  tools.replace([REFUND])
  const first = tools.find(REFUND.id)
  assert.equal(first?.contract_hash, contractHash(sha256, REFUND))
  tools.replace([{ ...REFUND }])
  assert.equal(tools.find(REFUND.id), first)
  assert.equal(compiled, 1)
  const changed = { ...REFUND, description: 'Pays money back, and more.' }
  tools.replace([changed])
  assert.equal(tools.find(REFUND.id)?.contract_hash, contractHash(sha256, changed))
  assert.equal(compiled, 2)
  tools.replace([])
  assert.deepEqual(tools.list(), [])
})

test('a contract whose schema cannot be compiled is not served, the others are', () => {
  const tools = new ToolIndex(sha256, new AjvSchemaCompiler())
  const broken = { ...REFUND, id: 'shop.broken', input_schema: { type: 'no such type' } }
  tools.replace([broken, REFUND])
  assert.deepEqual(
    tools.list().map(({ contract }) => contract.id),
    [REFUND.id],
  )
  assert.equal(tools.find('shop.broken'), undefined)
})
