// What `npm start`, `npm test` and the other commands need before any dependency is there:
// plain Node, no imports from node_modules.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
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
    refuse(
      `Node ${process.versions.node} is too old: install Node 20.19 or later and run this again.`,
    )
  }
  if (!['linux', 'darwin'].includes(process.platform)) {
    refuse(
      `${process.platform} is not supported: run it on Linux or macOS, on Windows inside WSL 2, or in a container.`,
    )
  }
}

function run(command, args, what) {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (result.status === 0) return
  const lines = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n')
  const output = (
    lines.length > 40 ? [...lines.slice(0, 20), '…', ...lines.slice(-20)] : lines
  ).join('\n')
  refuse(`${what} failed (${result.error?.message ?? `exit ${result.status}`}):\n${output}`)
}

function digestOf(files) {
  const hash = createHash('sha256').update(process.version)
  for (const file of files)
    hash.update(relative(ROOT, file)).update('\0').update(readFileSync(file)).update('\0')
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

/**
 * Installs what package-lock.json names, when that is not what is installed already. `npm ci` would
 * refuse the lock where it does not list the optional binaries of every platform, so `install` reads
 * it without writing it; where the lock has no binaries for this platform at all, npm resolves the
 * exact versions of the package files instead.
 */
export function ensureDependencies() {
  const stamp = join(ROOT, 'node_modules', '.trustgw-installed')
  const digest = digestOf([join(ROOT, 'package-lock.json')])
  if (isStamped(stamp, digest)) return
  say('installing dependencies (once) …')
  const npm = process.env['npm_execpath']
  const [command, prefix] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []]
  const locked = process.platform === 'linux' && process.arch === 'x64'
  const flags = ['--no-save', '--no-audit', '--no-fund', ...(locked ? [] : ['--no-package-lock'])]
  run(command, [...prefix, 'install', ...flags], 'npm install')
  writeStamp(stamp, digest)
}

const PRODUCT = ['packages/cli/src', 'examples/shop/src']

/**
 * Compiles what changed since the last build: the product, for `npm start`; everything with its
 * tests, for the other commands. Then the portal.
 */
export function ensureBuild({ tests }) {
  const stamp = join(CACHE_DIR, tests ? 'built-all' : 'built-product')
  const sources = [
    'packages',
    'examples',
    'tsconfig.json',
    'tsconfig.base.json',
    'package-lock.json',
  ]
  const digest = digestOf(sources.flatMap((path) => filesUnder(join(ROOT, path))))
  const outputs = ['packages/portal/dist/web/index.html', 'packages/cli/dist/bundle/main.js']
  if (outputs.every((path) => existsSync(join(ROOT, path))) && isStamped(stamp, digest)) return
  say('building …')
  const tsc = join(ROOT, 'node_modules/@typescript/native/bin/tsc')
  run(process.execPath, [tsc, '-b', ...(tests ? [] : PRODUCT)], 'the build')
  run(process.execPath, [join(ROOT, 'scripts/bundle.mjs')], 'the bundle of the command')
  const portal = join(ROOT, 'packages/portal')
  const vite = [join(ROOT, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'error']
  run(process.execPath, [...vite, '--config', join(portal, 'vite.config.mjs')], 'the portal build')
  writeStamp(stamp, digest)
}

/** Everything a command of this project needs; returns the path of nats-server. */
export function prepare({ tests = true } = {}) {
  checkSystem()
  try {
    mkdirSync(CACHE_DIR, { recursive: true })
  } catch (error) {
    refuse(
      `cannot write to ${ROOT} (${error.code}): make the folder writable or clone it where you may write.`,
    )
  }
  ensureDependencies()
  ensureBuild({ tests })
  try {
    return ensureNatsServer({ cacheDir: PROJECT_NATS_CACHE, env: process.env, say }).binary
  } catch (error) {
    return refuse(error.message)
  }
}
