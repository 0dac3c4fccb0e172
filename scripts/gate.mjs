// `npm run gate`: what a change must pass before its tests count. Each gate is named; all run, the first failure decides the exit.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { prepare, ROOT } from './lib/setup.mjs'

prepare()
const bin = (name) => join(ROOT, 'node_modules', '.bin', name)
const gates = [
  ['format', bin('biome'), ['check', '.']],
  ['types', process.execPath, [join(ROOT, 'node_modules/@typescript/native/bin/tsc'), '-b']],
  ['lint', bin('oxlint'), ['--type-aware', '--deny-warnings', 'packages', 'examples']],
  [
    'dependency rule',
    bin('depcruise'),
    ['--config', '.dependency-cruiser.cjs', 'packages', 'examples'],
  ],
  ['dead code', bin('knip'), ['--no-progress']],
  ['invariants and install scripts', process.execPath, [join(ROOT, 'scripts/check-repo.mjs')]],
]
let failed = 0
for (const [name, command, args] of gates) {
  const started = Date.now()
  const result = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  if (result.status === 0) {
    process.stdout.write(`ok    ${name} (${seconds} s)\n`)
    continue
  }
  failed += 1
  process.stdout.write(
    `FAIL  ${name} (${seconds} s)\n${result.stdout}${result.stderr}${result.error?.message ?? ''}\n`,
  )
}
process.exit(failed === 0 ? 0 : 1)
