// Writes the snapshots of the wire nouns (vectors/schemas/) anew from the built protocol package.
// Run it when a change of the wire is meant; the test of the protocol package fails until then.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

if (process.argv.includes('--help')) {
  process.stdout.write(
    'node scripts/update-schemas.mjs\n  after: npx tsc -b packages/protocol/src\n',
  )
  process.exit(0)
}
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const FOLDER = join(ROOT, 'vectors/schemas')
const protocol = await import(join(ROOT, 'packages/protocol/dist/src/index.js'))

const files = new Map()
const constants = {}
for (const [name, value] of Object.entries(protocol)) {
  if (/^[A-Z][A-Z0-9_]*$/.test(name)) constants[name] = value
  if (!name.endsWith('Shape') || typeof value !== 'object' || value === null) continue
  const noun = name.slice(0, -'Shape'.length)
  const file = noun.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  files.set(`${file}.json`, protocol.describeShape(value))
}
files.set('constants.json', constants)

mkdirSync(FOLDER, { recursive: true })
for (const name of readdirSync(FOLDER)) {
  if (name.endsWith('.json') && !files.has(name)) rmSync(join(FOLDER, name))
}
for (const [name, value] of files) {
  writeFileSync(join(FOLDER, name), `${JSON.stringify(value, null, 2)}\n`)
}
process.stdout.write(`${files.size} snapshots written\n`)
