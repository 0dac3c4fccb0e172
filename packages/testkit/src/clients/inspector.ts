import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { JsonObject } from '@trustgw/protocol'
import {
  type Era,
  record,
  type ToolAnswer,
  type ToolCaller,
  texts,
  toolAnswer,
} from './tool-caller.ts'

const run = promisify(execFile)
const PEER = fileURLToPath(new URL('../../../peers/inspector/', import.meta.url))
const SCRIPT = 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js'
const FILES = ['package.json', 'package-lock.json']
const INSTALL_TIMEOUT_MS = 300_000
const CALL_TIMEOUT_MS = 40_000

/**
 * The official inspector exactly as its lock file says, installed once under `cacheDir`; its script.
 * It is no dependency of the project: it is large and would bring an install script. None is run.
 */
export async function ensureInspector(cacheDir: string): Promise<string> {
  const folder = join(cacheDir, 'inspector')
  if (await isInstalled(folder)) return join(folder, SCRIPT)
  await mkdir(cacheDir, { recursive: true })
  const made = await mkdtemp(join(cacheDir, 'inspector-'))
  try {
    for (const file of FILES) await copyFile(join(PEER, file), join(made, file))
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--workspaces=false']
    await run('npm', args, { cwd: made, timeout: INSTALL_TIMEOUT_MS })
    // Another test may have been quicker.
    if (await isInstalled(folder)) await rm(made, { recursive: true, force: true })
    else await putInPlace(made, folder)
  } catch (error) {
    await rm(made, { recursive: true, force: true })
    throw new Error('the MCP inspector could not be installed', { cause: error })
  }
  return join(folder, SCRIPT)
}

async function putInPlace(made: string, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await rename(made, folder).catch(async (error: unknown) => {
    if (!(await isInstalled(folder))) throw error
    await rm(made, { recursive: true, force: true })
  })
}

async function isInstalled(folder: string): Promise<boolean> {
  try {
    await stat(join(folder, SCRIPT))
    const same = FILES.map(
      async (file) =>
        (await readFile(join(folder, file), 'utf8')) === (await readFile(join(PEER, file), 'utf8')),
    )
    return (await Promise.all(same)).every(Boolean)
  } catch {
    return false
  }
}

export interface InspectorOptions {
  readonly script: string
  readonly url: string
  readonly apiKey: string
  readonly era: Era
  /** Where it may keep what it remembers. */
  readonly home: string
}

/** `inspector --cli`: one process and one connection for each request. */
export class Inspector implements ToolCaller {
  readonly #options: InspectorOptions

  constructor(options: InspectorOptions) {
    this.#options = options
  }

  /** `--strict`: it fails when a schema is one that some client would refuse. */
  async tools(): Promise<readonly string[]> {
    return texts(record(await this.#ask(['tools/list', '--strict']))['tools'], 'name')
  }

  async call(name: string, args: JsonObject): Promise<ToolAnswer> {
    const json = ['--tool-args-json', JSON.stringify(args)]
    return toolAnswer(await this.#ask(['tools/call', '--tool-name', name, ...json]))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #ask(method: readonly string[]): Promise<unknown> {
    const { script, url, apiKey, era, home } = this.#options
    const how = ['--transport', 'http', '--protocol-era', era]
    const key = ['--header', `Authorization: Bearer ${apiKey}`]
    const args = [script, '--cli', url, ...how, ...key, '--method', ...method]
    const env = { HOME: home, PATH: '/usr/local/bin:/usr/bin:/bin' }
    const { stdout } = await run(process.execPath, args, { env, timeout: CALL_TIMEOUT_MS })
    return JSON.parse(stdout)
  }
}
