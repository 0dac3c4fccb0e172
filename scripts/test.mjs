// `npm test`: does all its set-up, then runs every test. `npm run test:long` adds what does not fit ten minutes.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { prepare, ROOT } from './lib/setup.mjs'

const long = process.argv.includes('--long')
/** The Node that runs the tests; what they run on stays prepared by this one. */
const node =
  process.argv.find((argument) => argument.startsWith('--node='))?.slice('--node='.length) ??
  process.execPath
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))

const natsServer = prepare()
const testFiles = ['packages', 'examples']
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder)).map((name) => join(ROOT, folder, name, 'dist/test')),
  )
  .filter((folder) => existsSync(folder))
  .flatMap((folder) => readdirSync(folder, { recursive: true }).map((name) => join(folder, name)))
  .filter((file) => file.endsWith('.test.js') && (long || !file.endsWith('.long.test.js')))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .toSorted()

if (testFiles.length === 0) {
  process.stderr.write('trustgw: no test file was found; is the build complete?\n')
  process.exit(1)
}
const child = spawn(node, ['--test', '--test-concurrency=3', ...testFiles], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, NATS_SERVER: natsServer },
})
child.on('exit', (code) => process.exit(code ?? 1))
