// What `npm start`, `npm test` and the other commands need before any dependency is there:
// plain Node, no imports from node_modules.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureNatsServer, PROJECT_NATS_CACHE } from './nats-server.mjs'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const CACHE_DIR = join(ROOT, '.cache')
const MINIMUM_NODE = [20, 19]

/** One line, what is wrong and what to do about it; exit 1. */
export function refuse(message) {
  process.stderr.write(`trustgw: ${message}\n`)
  process.exit(1)
}

const say = (text) => process.stderr.write(`  ${text}\n`)

export function checkSystem() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor < MINIMUM_NODE[1])) {
    refuse(`Node ${process.versions.node} is too old: install Node 20.19 or later and run this again.`)
  }
  if (!['linux', 'darwin'].includes(process.platform)) {
    refuse(
      `${process.platform} is not supported: run it on Linux or macOS, on Windows inside WSL 2, or in a container.`,
    )
  }
}

function run(command, args, what) {
  const result = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  if (result.status === 0) return
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-40).join('\n')
  refuse(`${what} failed (${result.error?.message ?? `exit ${result.status}`}):\n${output}`)
}

function digestOf(files) {
  const hash = createHash('sha256').update(process.version)
  for (const file of files) hash.update(relative(ROOT, file)).update('\0').update(readFileSync(file)).update('\0')
  return hash.digest('hex')
}

function isStamped(stamp, digest) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === digest
}

function writeStamp(stamp, digest) {
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(`${stamp}.tmp`, digest)
  renameSync(`${stamp}.tmp`, stamp)
}

function filesUnder(folder, skip = new Set(['node_modules', 'dist', '.cache'])) {
  if (!existsSync(folder)) return []
  if (statSync(folder).isFile()) return [folder]
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !skip.has(entry.name))
    .flatMap((entry) => filesUnder(join(folder, entry.name), skip))
    .toSorted()
}

/** Installs exactly what package-lock.json names, when it is not what is installed already. */
export function ensureDependencies() {
  const stamp = join(ROOT, 'node_modules', '.trustgw-installed')
  const digest = digestOf([join(ROOT, 'package-lock.json')])
  if (isStamped(stamp, digest)) return
  say('installing dependencies (once) …')
  const npm = process.env['npm_execpath']
  const [command, prefix] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []]
  run(command, [...prefix, 'ci', '--no-audit', '--no-fund'], 'npm ci')
  writeStamp(stamp, digest)
}

/** Compiles the packages and the portal, when a source changed since the last build. */
export function ensureBuild() {
  const stamp = join(CACHE_DIR, 'built')
  const sources = ['packages', 'examples', 'tsconfig.json', 'tsconfig.base.json', 'package-lock.json']
  const digest = digestOf(sources.flatMap((path) => filesUnder(join(ROOT, path))))
  const built = existsSync(join(ROOT, 'packages/portal/dist/web/index.html')) &&
    existsSync(join(ROOT, 'packages/cli/dist/src/main.js'))
  if (built && isStamped(stamp, digest)) return
  say('building …')
  run(process.execPath, [join(ROOT, 'node_modules/@typescript/native/bin/tsc'), '-b'], 'the build')
  run(
    process.execPath,
    [join(ROOT, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'warn', '--config', join(ROOT, 'packages/portal/vite.config.mjs')],
    'the build of the portal',
  )
  writeStamp(stamp, digest)
}

/** Everything a command of this project needs; returns the path of nats-server. */
export function prepare() {
  checkSystem()
  try {
    mkdirSync(CACHE_DIR, { recursive: true })
  } catch (error) {
    refuse(`cannot write to ${ROOT} (${error.code}): make the folder writable or clone it where you may write.`)
  }
  ensureDependencies()
  ensureBuild()
  try {
    return ensureNatsServer({ cacheDir: PROJECT_NATS_CACHE, env: process.env, say }).binary
  } catch (error) {
    return refuse(error.message)
  }
}
