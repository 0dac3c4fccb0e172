import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { canonicalize, hashText, type JsonObject } from '@trustgw/protocol'
import { AjvSchemaCompiler, sha256, silentLogger, systemClock } from '@trustgw/runtime'
import type { ToolRun } from '../../src/connectors/connector.ts'
import { Credentials } from '../../src/connectors/credentials.ts'
import { NodeHttpClient } from '../../src/connectors/http-client.ts'
import { HttpConnector } from '../../src/connectors/http-connector.ts'
import { readManifest } from '../../src/connectors/load-manifests.ts'
import type {
  ConnectorManifest,
  HttpManifest,
  StdioManifest,
} from '../../src/connectors/manifest.ts'
import { StdioConnector } from '../../src/connectors/stdio-connector.ts'
import { StdioMcpClient } from '../../src/connectors/stdio-mcp-client.ts'
import { PROFILE } from './world.ts'

/** The repository, from `packages/executor/dist/test/support`. */
export const ROOT: string = fileURLToPath(new URL('../../../../../', import.meta.url))
export const SHOP_KEY = 'a-key-of-the-shop-for-tests'

export async function tempDir(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'trustgw-executor-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

export async function exampleManifest(
  name: string,
  edit = (text: string) => text,
): Promise<ConnectorManifest> {
  const text = await readFile(join(ROOT, 'examples/connectors', `${name}.toml`), 'utf8')
  const read = readManifest(`${name}.toml`, edit(text))
  if (!read.ok) throw new TypeError(JSON.stringify(read.problem))
  return read.value
}

export function credentials(): Credentials {
  const text = `version = 1\n[credentials.shop]\nsecret = "${SHOP_KEY}"\nallow = []\n`
  const read = Credentials.parse('credentials.toml', text)
  if (!read.ok) throw new TypeError(JSON.stringify(read.problem))
  return read.value
}

export interface StartedStdio {
  readonly connector: StdioConnector
  /** Leaders of the process groups that were started, in order. */
  readonly pids: () => readonly number[]
}

export async function startStdio(manifest: StdioManifest, stateDir: string): Promise<StartedStdio> {
  const clients: StdioMcpClient[] = []
  const connector = new StdioConnector({
    manifest,
    profile: PROFILE,
    tool_timeout_ms: 10_000,
    credentials: credentials(),
    state_dir: stateDir,
    modules_dir: ROOT,
    schemas: new AjvSchemaCompiler(),
    clock: systemClock,
    logger: silentLogger,
    makeClient: (command, events) => {
      const client = new StdioMcpClient(command, events, silentLogger)
      clients.push(client)
      return client
    },
  })
  await connector.start()
  const pids = (): readonly number[] =>
    clients.flatMap((client) => (client.pid === undefined ? [] : [client.pid]))
  return { connector, pids }
}

/** Pauses are a hundredth of what they are. */
const hurried = { ...systemClock, sleep: (ms: number) => systemClock.sleep(ms / 100) }

export function startHttp(manifest: HttpManifest): HttpConnector {
  return new HttpConnector({
    manifest,
    profile: PROFILE,
    tool_timeout_ms: 10_000,
    credentials: credentials(),
    schemas: new AjvSchemaCompiler(),
    clock: hurried,
    logger: silentLogger,
    http: new NodeHttpClient(),
  })
}

export function runOf(tool: string, args: JsonObject, key = 'key-1'): ToolRun {
  return {
    tool,
    arguments: args,
    arguments_text: canonicalize(args),
    idempotency_key: hashText(sha256, key),
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export async function until(
  holds: () => boolean | Promise<boolean>,
  budgetMs = 8_000,
): Promise<void> {
  const end = performance.now() + budgetMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('it did not come to pass')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
