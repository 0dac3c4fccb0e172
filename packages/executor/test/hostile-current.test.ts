import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from './support/connectors.ts'
import { makeHostileAssertions } from './support/hostile/make-assertions.ts'
import { makeHostileGrants } from './support/hostile/make-grants.ts'

for (const [file, make] of [
  ['hostile-grants', makeHostileGrants],
  ['hostile-assertions', makeHostileAssertions],
] as const) {
  test(`the file is what its generator makes: ${file}`, async () => {
    const text = await readFile(join(ROOT, `vectors/admission/${file}.json`), 'utf8')
    assert.equal(text, `${JSON.stringify(await make(), null, 1)}\n`)
  })
}
