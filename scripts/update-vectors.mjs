// Writes the vectors of hostile grants and assertions anew (vectors/admission/hostile-*.json). Keys, ids and
// times are of seeds, so without a change of the protocol the files stay as they are; a test compares.
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

if (process.argv.includes('--help')) {
  process.stdout.write('node scripts/update-vectors.mjs\n  after: npx tsc -b\n')
  process.exit(0)
}
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const MADE = join(ROOT, 'packages/executor/dist/test/support/hostile')
const { makeHostileGrants } = await import(join(MADE, 'make-grants.js'))
const { makeHostileAssertions } = await import(join(MADE, 'make-assertions.js'))

for (const [name, make] of [
  ['hostile-grants', makeHostileGrants],
  ['hostile-assertions', makeHostileAssertions],
]) {
  const document = await make()
  const text = `${JSON.stringify(document, null, 1)}\n`
  writeFileSync(join(ROOT, 'vectors/admission', `${name}.json`), text)
  process.stdout.write(`${name}: ${document.cases.length} cases, ${text.length} characters\n`)
}
