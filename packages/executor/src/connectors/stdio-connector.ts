import { mkdir } from 'node:fs/promises'
import {
  type Bundle,
  canonicalize,
  contractJson,
  type JsonObject,
  type Profile,
  type ToolContract,
} from '@trustgw/protocol'
import type { Clock, Logger, SchemaCompiler } from '@trustgw/runtime'
import type { ChildCommand } from './child-group.ts'
import type { Connector, RunOutcome, ToolRun } from './connector.ts'
import { contractProblem, digestOf, mcpContract } from './contract.ts'
import type { Credentials } from './credentials.ts'
import type { StdioManifest } from './manifest.ts'
import {
  ConnectorFault,
  type McpCallOutcome,
  type McpClient,
  type McpClientEvents,
  type McpServer,
} from './mcp-client.ts'
import { withReadablePreconditions } from './precondition-problem.ts'
import { resolvePackage } from './resolve-package.ts'

export interface StdioConnectorOptions {
  readonly manifest: StdioManifest
  readonly profile: Profile
  /** How long a call may take where the manifest says nothing. */
  readonly tool_timeout_ms: number
  readonly credentials: Credentials
  /** Absolute; stands for `{state_dir}`. */
  readonly state_dir: string
  /** Where the search for npm packages starts. */
  readonly modules_dir: string
  readonly schemas: SchemaCompiler
  readonly clock: Clock
  readonly logger: Logger
  readonly makeClient: (command: ChildCommand, events: McpClientEvents) => McpClient
}

export const RESTART_PAUSE_MIN_MS = 250
export const RESTART_PAUSE_MAX_MS = 30_000

interface Prepared {
  readonly command: ChildCommand
  readonly version: string | undefined
  readonly digest: string
}

/**
 * An MCP server as a child. Restarted with growing pauses when it ends; while it is away its tools
 * stay listed and fail with `upstream_unreachable`.
 */
export class StdioConnector implements Connector {
  readonly id: string
  readonly bundle: Bundle
  readonly #options: StdioConnectorOptions
  #contracts: readonly ToolContract[] = []
  #client: McpClient | undefined
  #onChanged: () => void = () => undefined
  #pauseMs = RESTART_PAUSE_MIN_MS
  #stopped = false
  #cancelRestart: () => void = () => undefined

  constructor(options: StdioConnectorOptions) {
    const { id, title, description } = options.manifest
    this.id = id
    this.bundle = { id, title, description }
    this.#options = options
  }

  contracts(): readonly ToolContract[] {
    return this.#contracts
  }

  onChanged(handler: () => void): void {
    this.#onChanged = handler
  }

  async start(): Promise<void> {
    if (this.#stopped) return
    const { logger, makeClient, manifest } = this.#options
    let exited = false
    try {
      const prepared = await this.#prepare()
      const client = makeClient(prepared.command, {
        onExit: () => {
          exited = true
          if (this.#client === client) this.#client = undefined
          this.#restartLater()
        },
        onToolsChanged: () => void this.#refresh(client, prepared),
      })
      const server = await client.start()
      if (exited || this.#stopped) {
        await client.stop()
        return
      }
      this.#client = client
      this.#pauseMs = RESTART_PAUSE_MIN_MS
      this.#accept(server, prepared)
    } catch (error) {
      const code = error instanceof ConnectorFault ? error.code : 'connector_start_failed'
      logger.warn('connector_not_started', { connector: manifest.id, code })
      this.#restartLater()
    }
  }

  async run(run: ToolRun): Promise<RunOutcome> {
    const client = this.#client
    if (client === undefined) return failed('upstream_unreachable')
    const { manifest, tool_timeout_ms } = this.#options
    const longest = manifest.limits?.call_timeout_ms ?? tool_timeout_ms
    const outcome = await client.call({
      tool: run.tool,
      arguments: run.arguments,
      timeout_ms: Math.min(run.timeout_ms ?? longest, longest),
    })
    return readOutcome(outcome)
  }

  /** MCP has no way to ask by key. */
  async reconcile(): Promise<undefined> {
    return await Promise.resolve(undefined)
  }

  provesAbsence(): boolean {
    return false
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelRestart()
    const client = this.#client
    this.#client = undefined
    await client?.stop()
  }

  #restartLater(): void {
    if (this.#stopped) return
    this.#cancelRestart()
    this.#cancelRestart = this.#options.clock.setTimer(this.#pauseMs, () => void this.start())
    this.#pauseMs = Math.min(this.#pauseMs * 2, RESTART_PAUSE_MAX_MS)
  }

  async #refresh(client: McpClient, prepared: Prepared): Promise<void> {
    try {
      const server = await client.refresh()
      if (this.#client === client) this.#accept(server, prepared)
    } catch {
      // An upstream that cannot say what it offers serves nothing any more.
      await client.stop()
    }
  }

  #accept(server: McpServer, prepared: Prepared): void {
    const before = this.#contracts.map(textOf).join('\n')
    this.#contracts = this.#served(server, prepared)
    if (this.#contracts.map(textOf).join('\n') !== before) this.#onChanged()
  }

  #served(server: McpServer, prepared: Prepared): readonly ToolContract[] {
    const { manifest, profile, schemas, logger } = this.#options
    const version = prepared.version ?? (server.version || 'unknown')
    const source = { manifest, profile, version, digest: prepared.digest }
    const names = server.tools.map((tool) => tool.name)
    const missing = Object.keys(manifest.tools).filter((name) => !names.includes(name))
    for (const tool of missing) logger.warn('tool_not_offered', { connector: manifest.id, tool })
    const contracts = server.tools.flatMap((tool) => {
      const declared = Object.hasOwn(manifest.tools, tool.name)
        ? manifest.tools[tool.name]
        : undefined
      if (declared === undefined && manifest.serve_undeclared !== true) return []
      // Two tools of one name: nobody can tell which one was approved.
      const twice = names.filter((name) => name === tool.name).length > 1
      const contract = mcpContract(source, tool, declared)
      const problem = twice ? 'listed_twice' : contractProblem(contract, schemas)
      if (problem === undefined) return [contract]
      logger.warn('tool_refused', { connector: manifest.id, tool: tool.name, problem })
      return []
    })
    return withReadablePreconditions(contracts, {
      output: resultSchema,
      onRefused: ({ id }, problem) =>
        logger.warn('tool_refused', { connector: manifest.id, tool: id, problem }),
    })
  }

  async #prepare(): Promise<Prepared> {
    const { manifest, state_dir, modules_dir, credentials } = this.#options
    const expand = (text: string): string => text.replaceAll('{state_dir}', state_dir)
    for (const folder of manifest.directories ?? []) {
      await mkdir(expand(folder), { recursive: true, mode: 0o700 })
    }
    const secret = credentials.secretOf(manifest.credential)
    const env = Object.fromEntries(
      Object.entries(manifest.env ?? {}).map(([name, value]) => [name, expand(value)]),
    )
    if (manifest.credential_env !== undefined && secret !== undefined) {
      env[manifest.credential_env] = secret
    }
    const shared = { env, cwd: state_dir, secrets: secret === undefined ? [] : [secret] }
    const settings = { args: [...manifest.args], env: { ...manifest.env } }
    if (manifest.package !== undefined) {
      const found = await resolvePackage(manifest.package, modules_dir)
      const { version, entry, entry_sha256 } = found
      const args = manifest.args.map(expand)
      return {
        command: { ...shared, mode: 'module', file: entry, args },
        version,
        digest: digestOf({ ...settings, package: manifest.package, version, entry_sha256 }),
      }
    }
    const [file = '', ...first] = (manifest.command ?? []).map(expand)
    const args = [...first, ...manifest.args.map(expand)]
    return {
      command: { ...shared, mode: 'command', file, args },
      version: undefined,
      digest: digestOf({ ...settings, command: [...(manifest.command ?? [])] }),
    }
  }
}

function failed(reason: 'upstream_unreachable' | 'upstream_refused'): RunOutcome {
  return { kind: 'failed', reason, output: null }
}

/** What a call of an MCP tool gives: its output schema is that of the structured part. */
function resultSchema({ output_schema }: ToolContract): JsonObject {
  const properties = { content: { type: 'array' }, structuredContent: output_schema ?? true }
  return { type: 'object', additionalProperties: false, properties }
}

function textOf(contract: ToolContract): string {
  return canonicalize(contractJson(contract))
}

function readOutcome(outcome: McpCallOutcome): RunOutcome {
  if (outcome.kind === 'rejected') return failed('upstream_refused')
  if (outcome.kind === 'not_sent') return failed('upstream_unreachable')
  if (outcome.kind === 'lost') return { kind: 'unknown_outcome', reason: outcome.reason }
  return outcome.is_error
    ? { kind: 'failed', reason: 'tool_error', output: outcome.result }
    : { kind: 'succeeded', output: outcome.result, provider_reference: null }
}
