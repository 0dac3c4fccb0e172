// Writes the documents that are made from code, or with --check says whether one has drifted.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hostileTexts } from './lib/hostile-texts-document.mjs'

if (process.argv.includes('--help')) {
  process.stdout.write('node scripts/generate-docs.mjs [--check]\n  after: npx tsc -b\n')
  process.exit(0)
}
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const { settingsReference } = await import(join(ROOT, 'packages/runtime/dist/src/index.js'))

const { HOSTILE_TEXTS } = await import(join(ROOT, 'packages/testkit/dist/src/hostile-texts.js'))

const MARK =
  '<!-- Made by scripts/generate-docs.mjs from packages/runtime/src/settings/definition.ts; do not edit. -->'
const [title, ...rest] = settingsReference().trimEnd().split('\n')
const documents = [
  ['docs/guides/configuration.md', `${[title, '', MARK, ...rest].join('\n')}\n`],
  ['docs/hostile-texts.md', hostileTexts(HOSTILE_TEXTS)],
]

const check = process.argv.includes('--check')
let drifted = 0
for (const [name, text] of documents) {
  const file = join(ROOT, name)
  const same = existsSync(file) && readFileSync(file, 'utf8') === text
  if (same) continue
  drifted += 1
  if (check) {
    process.stderr.write(`${name} has drifted: run node scripts/generate-docs.mjs\n`)
    continue
  }
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
process.stdout.write(`${documents.length} documents, ${drifted} ${check ? 'drifted' : 'written'}\n`)
process.exit(check && drifted > 0 ? 1 : 0)
