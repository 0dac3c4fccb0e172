import { spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { NatsError } from './nats-error.ts'

export interface NatsBinary {
  readonly path: string
  readonly version: string
}

export interface FindBinaryOptions {
  /** What `NATS_SERVER` says, when it says something: then nothing else is looked at. */
  readonly named?: string
  /** What `PATH` says. */
  readonly searchPath?: string
  /** The project's cache, `<project>/.cache/nats`, where the start script puts a fetched one. */
  readonly cacheDir?: string
}

/** Below this the server ignores per-key expiry in silence. */
export const NATS_MIN_VERSION = '2.11'
const [MIN_MAJOR = 0, MIN_MINOR = 0] = NATS_MIN_VERSION.split('.').map(Number)
const VERSION_TIMEOUT_MS = 10_000
/** Debian installs into a system folder that an ordinary user's PATH does not name. */
const SYSTEM_DIRS = ['/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/usr/bin']
const WAYS = `put ${NATS_MIN_VERSION} or later on PATH, set NATS_SERVER=/path/to/nats-server, install it with the package manager, or run \`npm start\` once, which fetches it`

/**
 * An installed nats-server that is recent enough; nothing is fetched. `NatsError` `binary_missing`
 * or `binary_too_old`, whose message names the remedy.
 */
export function findNatsServer(options: FindBinaryOptions): NatsBinary {
  const named = options.named !== undefined && options.named !== ''
  const candidates = named ? [options.named ?? ''] : placesOf(options)
  const present = candidates.flatMap((file) => {
    const version = isExecutable(file) ? natsServerVersion(file) : undefined
    return version === undefined ? [] : [{ path: file, version }]
  })
  const recent = present.find((binary) => isRecentNatsServer(binary.version))
  if (recent !== undefined) return recent
  const [old] = present
  if (old !== undefined) {
    throw new NatsError(
      'binary_too_old',
      `nats-server ${old.version} at ${old.path} is older than ${NATS_MIN_VERSION}: ${WAYS}`,
    )
  }
  const where = named
    ? `NATS_SERVER=${options.named} is not a runnable nats-server`
    : 'no nats-server'
  throw new NatsError('binary_missing', `${where}: ${WAYS}`)
}

/** The version that a binary states, or `undefined` when it is not a nats-server that runs here. */
export function natsServerVersion(file: string): string | undefined {
  const run = spawnSync(file, ['--version'], {
    encoding: 'utf8',
    timeout: VERSION_TIMEOUT_MS,
    env: {},
  })
  return /^nats-server: v(\d+\.\d+\.\d+\S*)\s*$/.exec(run.stdout ?? '')?.[1]
}

export function isRecentNatsServer(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > MIN_MAJOR || (major === MIN_MAJOR && minor >= MIN_MINOR)
}

function placesOf({ searchPath, cacheDir }: FindBinaryOptions): readonly string[] {
  const listed = (searchPath ?? '').split(path.delimiter).filter((dir) => path.isAbsolute(dir))
  const dirs = [...listed, ...SYSTEM_DIRS, ...(cacheDir === undefined ? [] : [cacheDir])]
  return [...new Set(dirs)].map((dir) => path.join(dir, 'nats-server'))
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
