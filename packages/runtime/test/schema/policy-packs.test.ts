import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Json } from '@trustgw/protocol'
import { parse } from 'smol-toml'
import { AjvSchemaCompiler } from '../../src/index.ts'

const ROOT = new URL('../../../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8')
const asJson = (toml: string): Json => JSON.parse(JSON.stringify(parse(toml)))

const compiled = new AjvSchemaCompiler().compile(JSON.parse(read('spec/policy.schema.json')))
assert.ok(compiled.ok)
const schema = compiled.value

const POLICIES = ['policies/', 'examples/policies/'].flatMap((folder) =>
  readdirSync(new URL(folder, ROOT))
    .filter((name) => name.endsWith('.toml') && !name.endsWith('.tests.toml'))
    .map((name) => `${folder}${name}`),
)

for (const file of POLICIES) {
  test(`an editor that has the published schema finds nothing in ${file}`, () => {
    assert.equal(schema.check(asJson(read(file))), undefined)
  })
}

test('an editor that has the published schema finds a misspelt key', () => {
  const misspelt = read('policies/payments.toml').replace('on_exceed', 'on_excess')
  assert.equal(schema.check(asJson(misspelt))?.keyword, 'required')
})
