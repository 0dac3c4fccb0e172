// Writes the vectors anew that are made by code: hostile grants and assertions
// (vectors/admission/hostile-*.json), and steps of the life of an action (vectors/lifecycle/steps.json). Keys, ids and
// times are of seeds, so without a change of the protocol the files stay as they are; a test compares.
import { readFileSync, writeFileSync } from 'node:fs'
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

const { allSteps } = await import(join(ROOT, 'packages/core/dist/test/lifecycle/all-steps.js'))
const arrows = JSON.parse(readFileSync(join(ROOT, 'vectors/lifecycle/arrows.json'), 'utf8'))
const made = allSteps(arrows)
writeFileSync(join(ROOT, 'vectors/lifecycle/steps.json'), `${JSON.stringify(made, null, 1)}\n`)
process.stdout.write(`steps: ${made.steps.length}\n`)
