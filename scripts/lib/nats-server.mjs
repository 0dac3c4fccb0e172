/**
 * Obtain nats-server before anything is built: plain Node, no dependencies.
 *
 * Order: NATS_SERVER, PATH, the project's cache, and at last a fetch into that cache by the
 * machine's own package tool with its signature check. No host is named here: the mirror and the
 * key are those that the machine already trusts, only the suite is another one.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** Below this the server ignores per-key expiry in silence, and lacks settings that we rely on. */
const MIN_VERSION = [2, 11]
const FETCH_TIMEOUT_MS = 180_000
const VERSION_TIMEOUT_MS = 10_000
/** Newer Debian suites that carry a recent enough server, the slower-moving first. */
const SUITES = ['forky', 'sid']
const DEBIAN_SUITES =
  /^(?:bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)$/
/** Debian puts it in a system folder that an ordinary user's PATH does not name. */
const SYSTEM_DIRS = ['/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/usr/bin']

const WAYS = [
  'Ways to get nats-server 2.11 or later:',
  '  - put it on PATH, or',
  '  - set NATS_SERVER=/path/to/nats-server, or',
  '  - install it with your package manager (its name is nats-server nearly everywhere), or',
  '  - copy the binary out of the official container image of nats.',
].join('\n')

/** A fault with a stable `code`, whose message is meant for a person. */
export class NatsServerMissing extends Error {
  /**
   * @param {'not_found' | 'too_old' | 'fetch_failed'} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message)
    this.name = 'NatsServerMissing'
    this.code = code
  }
}

/**
 * The version of a binary, or undefined when it cannot be run or is not a nats-server.
 * @param {string} binary
 */
export function natsVersion(binary) {
  const run = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: VERSION_TIMEOUT_MS })
  return /^nats-server: v(\d+\.\d+\.\d+\S*)\s*$/.exec(run.stdout ?? '')?.[1]
}

/** @param {string} version */
export function isRecent(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > MIN_VERSION[0] || (major === MIN_VERSION[0] && minor >= MIN_VERSION[1])
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** @param {string | undefined} searchPath */
function onPath(searchPath) {
  const dirs = [...(searchPath ?? '').split(path.delimiter).filter(Boolean), ...SYSTEM_DIRS]
  return dirs.map((dir) => path.join(dir, 'nats-server')).find(isExecutable)
}

/**
 * The path of a usable nats-server; fetched once when there is none.
 * @param {{ cacheDir: string, env: Record<string, string | undefined>, say?: (line: string) => void, aptRoot?: string }} options
 *   `cacheDir` is `<project>/.cache/nats`; `env` gives NATS_SERVER and PATH; `say` gets progress
 *   lines; `aptRoot` is where the machine's package sources are
 * @returns {{ binary: string, version: string, from: 'env' | 'path' | 'cache' | 'fetched' }}
 * @throws {NatsServerMissing}
 */
export function ensureNatsServer({ cacheDir, env, say = () => {}, aptRoot = '/etc/apt' }) {
  const named = env.NATS_SERVER
  if (named) {
    const version = natsVersion(named)
    if (!version) {
      throw new NatsServerMissing(
        'not_found',
        `NATS_SERVER=${named} is not a runnable nats-server.`,
      )
    }
    if (isRecent(version)) return { binary: named, version, from: 'env' }
    throw new NatsServerMissing('too_old', tooOld(`NATS_SERVER=${named}`, version))
  }
  const found = onPath(env.PATH)
  const foundVersion = found && natsVersion(found)
  if (found && foundVersion && isRecent(foundVersion)) {
    return { binary: found, version: foundVersion, from: 'path' }
  }
  if (found && foundVersion) say(`${tooOld(found, foundVersion)} Looking for another.`)
  const cached = path.join(cacheDir, 'nats-server')
  const cachedVersion = isExecutable(cached) ? natsVersion(cached) : undefined
  if (cachedVersion && isRecent(cachedVersion)) {
    return { binary: cached, version: cachedVersion, from: 'cache' }
  }
  const version = fetchWithApt(cached, say, aptRoot)
  return { binary: cached, version, from: 'fetched' }
}

function tooOld(what, version) {
  return `${what} is version ${version}; Trust Gateway needs 2.11 or later: upgrade it, or set NATS_SERVER to a newer one.`
}

/**
 * Fetch into `target` by apt, touching nothing of the system's apt state. Needs no root.
 * @param {string} target
 * @param {(line: string) => void} say
 * @param {string} aptRoot
 */
function fetchWithApt(target, say, aptRoot) {
  for (const tool of ['apt-get', 'dpkg-deb']) {
    if (spawnSync(tool, ['--version'], { stdio: 'ignore' }).status !== 0) {
      throw new NatsServerMissing(
        'not_found',
        `No nats-server here, and no ${tool} to fetch it with.\n${WAYS}`,
      )
    }
  }
  const source = debianSource(readAptSources(aptRoot))
  if (!source) {
    throw new NatsServerMissing(
      'not_found',
      `No nats-server here, and no Debian package source in ${aptRoot} to fetch it from.\n${WAYS}`,
    )
  }
  mkdirSync(path.dirname(target), { recursive: true })
  const failures = []
  for (const suite of SUITES) {
    say(`fetching nats-server from Debian ${suite} with apt (signature checked) ...`)
    const outcome = fetchSuite(source, suite, target)
    if (outcome.version) return outcome.version
    failures.push(`${suite}: ${outcome.failure}`)
  }
  throw new NatsServerMissing(
    'fetch_failed',
    `Could not fetch nats-server with apt.\n  ${failures.join('\n  ')}\n${WAYS}`,
  )
}

/**
 * One attempt, in a folder that only this call knows; it is gone afterwards whatever happens.
 * @returns {{ version: string } | { failure: string }}
 */
function fetchSuite(source, suite, target) {
  const work = mkdtempSync(path.join(tmpdir(), 'trustgw-nats-'))
  try {
    const apt = prepareApt(work, source, suite)
    const update = runTool('apt-get', [...apt, 'update'], work)
    if (update) return { failure: update }
    const deb = path.join(work, 'deb')
    const download = runTool('apt-get', [...apt, 'download', 'nats-server'], deb)
    if (download) return { failure: download }
    const file = readdirSync(deb).find((name) => /^nats-server_.*\.deb$/.test(name))
    if (!file) return { failure: 'apt brought no package' }
    const unpack = runTool('dpkg-deb', ['-x', path.join(deb, file), path.join(work, 'x')], work)
    if (unpack) return { failure: unpack }
    return install(path.join(work, 'x/usr/sbin/nats-server'), target)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Check the version beside its place (a temporary folder may forbid running), then one rename. */
function install(unpacked, target) {
  if (!existsSync(unpacked)) return { failure: 'the package holds no nats-server' }
  const staged = `${target}.${randomBytes(8).toString('hex')}.tmp`
  try {
    copyFileSync(unpacked, staged, constants.COPYFILE_EXCL)
    chmodSync(staged, 0o755)
    const version = natsVersion(staged)
    if (!version) return { failure: 'its nats-server does not run here' }
    if (!isRecent(version)) return { failure: `its nats-server is ${version}, older than 2.11` }
    renameSync(staged, target)
    return { version }
  } finally {
    rmSync(staged, { force: true })
  }
}

/** @returns {string | undefined} what went wrong, in one line */
function runTool(tool, args, cwd) {
  const run = spawnSync(tool, args, {
    cwd,
    encoding: 'utf8',
    timeout: FETCH_TIMEOUT_MS,
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (run.status === 0) return undefined
  if (run.error) return `${tool}: ${run.error.message}`
  const lines = `${run.stderr}\n${run.stdout}`.split('\n').map((line) => line.trim())
  const told = lines.find((line) => line.startsWith('E:')) ?? lines.find(Boolean) ?? 'failed'
  return `${tool}: ${told}`
}

/** A private apt world inside `work`: own lists, own cache, one source; the machine's keys. */
function prepareApt(work, source, suite) {
  const dirs = ['lists/partial', 'cache/archives/partial', 'parts', 'prefs', 'deb']
  for (const dir of dirs) mkdirSync(path.join(work, dir), { recursive: true })
  writeFileSync(path.join(work, 'parts/one.sources'), sourceText(source, suite))
  letAptIn(work)
  const options = {
    'Dir::State::lists': path.join(work, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': path.join(work, 'parts'),
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': path.join(work, 'prefs'),
    'Dir::Cache': path.join(work, 'cache'),
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled': 'false',
    'Acquire::AllowInsecureRepositories': 'false',
    'Acquire::AllowWeakRepositories': 'false',
    'APT::Get::AllowUnauthenticated': 'false',
    'APT::Update::Error-Mode': 'any',
  }
  return ['-qq', ...Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`])]
}

/** Run by root, apt drops to its own user, who must be able to write there; nobody else may. */
function letAptIn(work) {
  if (process.getuid?.() !== 0) return
  const uid = Number(spawnSync('id', ['-u', '_apt'], { encoding: 'utf8' }).stdout)
  if (!Number.isInteger(uid) || uid === 0) return
  chmodSync(work, 0o711)
  const owned = ['lists', 'lists/partial', 'cache', 'cache/archives', 'cache/archives/partial']
  for (const dir of [...owned, 'deb']) chownSync(path.join(work, dir), uid, 0)
}

/**
 * Every usable source of the machine, of both formats.
 * @param {string} root normally /etc/apt
 */
export function readAptSources(root) {
  const parts = path.join(root, 'sources.list.d')
  const names = existsSync(parts) ? readdirSync(parts).sort() : []
  const files = names.map((name) => path.join(parts, name))
  const read = (file) => readFileSync(file, 'utf8')
  const list = path.join(root, 'sources.list')
  const stanzas = files.filter((f) => f.endsWith('.sources')).flatMap((f) => parseDeb822(read(f)))
  const lists = [...(existsSync(list) ? [list] : []), ...files.filter((f) => f.endsWith('.list'))]
  return [...stanzas, ...lists.flatMap((file) => parseOneLine(read(file)))]
}

/** The first source that serves a main Debian suite, not its security or updates part alone. */
export function debianSource(sources) {
  return sources.find((source) => source.suites.some((suite) => DEBIAN_SUITES.test(suite)))
}

/** deb822 stanzas. `Trusted` and other ways around the signature are left behind on purpose. */
export function parseDeb822(text) {
  return text.split(/\n[ \t]*\n/).flatMap((stanza) => {
    const fields = new Map()
    let name = ''
    for (const line of stanza.split('\n')) {
      if (line.startsWith('#')) continue
      const head = /^([A-Za-z][A-Za-z0-9-]*):(.*)$/.exec(line)
      if (head) name = head[1].toLowerCase()
      if (name === '') continue
      fields.set(name, head ? head[2].trim() : `${fields.get(name)}\n${line.trimEnd()}`)
    }
    const words = (key) => (fields.get(key) ?? '').split(/\s+/).filter(Boolean)
    if (!words('types').includes('deb') || /^(?:no|false|0)$/i.test(fields.get('enabled') ?? '')) {
      return []
    }
    const source = {
      uris: words('uris'),
      suites: words('suites'),
      signedBy: fields.get('signed-by'),
    }
    return usable(source) ? [source] : []
  })
}

/** One-line sources: `deb [options] uri suite component...`. */
export function parseOneLine(text) {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)(?:\s|$)/.exec(
      line.replace(/#.*$/, ''),
    )
    if (!match) return []
    const signedBy = /(?:^|\s)signed-by\s*=\s*(\S+)/i
      .exec(match[1] ?? '')?.[1]
      ?.split(',')
      .join(' ')
    const source = { uris: [match[2]], suites: [match[3]], signedBy }
    return usable(source) ? [source] : []
  })
}

function usable({ uris }) {
  return (
    uris.length > 0 && uris.every((uri) => /^(?:https?|mirror\+\w+|mirror|file|copy):/.test(uri))
  )
}

/** The same mirror and key with another suite, as a deb822 stanza. */
export function sourceText({ uris, signedBy }, suite) {
  const key = signedBy ? `Signed-By: ${signedBy.trimEnd()}\n` : ''
  return `Types: deb\nURIs: ${uris.join(' ')}\nSuites: ${suite}\nComponents: main\n${key}`
}

/** `<project>/.cache/nats`, seen from this file. */
export const PROJECT_NATS_CACHE = fileURLToPath(new URL('../../.cache/nats', import.meta.url))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const say = (line) => process.stderr.write(`${line}\n`)
    const got = ensureNatsServer({ cacheDir: PROJECT_NATS_CACHE, env: process.env, say })
    process.stdout.write(`${got.binary} ${got.version} (${got.from})\n`)
  } catch (error) {
    if (!(error instanceof NatsServerMissing)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
