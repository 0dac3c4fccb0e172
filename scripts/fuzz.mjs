// `npm run fuzz -- --runs 100000`: the fuzz tests of every parser that meets the bus, longer than `npm test`
// runs them, each from a seed that is printed. A failure is repeated with that seed.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { prepare, ROOT } from './lib/setup.mjs'

const HELP = `npm run fuzz -- [--runs N] [--seed N]
  --runs  inputs for each property (default 10000)
  --seed  from where they are drawn (default: one of this moment)
`
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const isCount = (text) => /^[0-9]{1,9}$/.test(text)
if (!isCount(values.runs) || !isCount(values.seed.replace(/^-/, ''))) {
  process.stderr.write(HELP)
  process.exit(2)
}
prepare()
const files = readdirSync(join(ROOT, 'packages'))
  .map((name) => join(ROOT, 'packages', name, 'dist/test'))
  .flatMap((folder) => {
    try {
      return readdirSync(folder).map((name) => join(folder, name))
    } catch {
      return []
    }
  })
  .filter((file) => /^fuzz.*\.test\.js$/.test(basename(file)))
process.stdout.write(`${files.length} files, ${values.runs} runs, seed ${values.seed}\n`)
const failed = files.filter((file) => {
  const args = [file, '--runs', values.runs, '--seed', values.seed]
  return spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' }).status !== 0
})
for (const file of failed) process.stdout.write(`failed: ${file.slice(ROOT.length + 1)}\n`)
process.stdout.write(failed.length === 0 ? 'all hold\n' : '')
process.exit(failed.length === 0 ? 0 : 1)
