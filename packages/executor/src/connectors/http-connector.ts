import {
  asObject,
  type Bundle,
  canonicalize,
  type Hash,
  type Json,
  type JsonObject,
  type Profile,
  parseJson,
  type ToolContract,
} from '@trustgw/protocol'
import type { Clock, Logger, SchemaCompiler } from '@trustgw/runtime'
import type { Connector, Question, RunFailure, RunOutcome, ToolRun } from './connector.ts'
import { contractProblem, digestOf, httpContract } from './contract.ts'
import type { Credentials } from './credentials.ts'
import type { HttpCall, HttpClient, HttpOutcome } from './http-client.ts'
import type { HttpManifest, HttpTool } from './manifest.ts'
import { withReadablePreconditions } from './precondition-problem.ts'

export interface HttpConnectorOptions {
  readonly manifest: HttpManifest
  readonly profile: Profile
  /** How long a call may take where the manifest says nothing. */
  readonly tool_timeout_ms: number
  readonly credentials: Credentials
  readonly schemas: SchemaCompiler
  readonly clock: Clock
  readonly logger: Logger
  readonly http: HttpClient
}

/** Longest body that is read from an upstream. */
export const HTTP_ANSWER_MAX_BYTES: number = 4 * 1024 * 1024
/** How often an upstream is asked by key what became of a call before that counts as unknown. */
export const RECONCILE_TRIES = 4
/**
 * Before the second time it is asked, then twice as long each time. Also how long an upstream may take
 * to record a key that it got before the connection broke.
 */
export const RECONCILE_PAUSE_MS = 1_000
/** All of it is less than a bus gives an answer to be sent in. */
const RECONCILE_TIMEOUT_MS = 4_000
/** How often it has to have no record before that is believed. */
const NO_RECORD_TIMES = 2
const REFERENCE_MAX_CHARS = 200
/** With these somebody between answers, or gives up waiting: the work may still be under way. */
const FOR_ANOTHER: ReadonlySet<number> = new Set([408, 502, 504])
const BODY_METHODS: readonly string[] = ['POST', 'PUT', 'PATCH']

/** An HTTP service. Its tools are those of the manifest; the credential goes as a bearer token. */
export class HttpConnector implements Connector {
  readonly id: string
  readonly bundle: Bundle
  readonly #options: HttpConnectorOptions
  readonly #contracts: readonly ToolContract[]

  constructor(options: HttpConnectorOptions) {
    const { id, title, description } = options.manifest
    this.id = id
    this.bundle = { id, title, description }
    this.#options = options
    this.#contracts = this.#served()
  }

  contracts(): readonly ToolContract[] {
    return this.#contracts
  }

  onChanged(): void {
    // A manifest is read once, at the start.
  }

  async start(): Promise<void> {
    // Nothing runs between calls.
  }

  async stop(): Promise<void> {
    this.#options.http.close()
  }

  async run(run: ToolRun): Promise<RunOutcome> {
    const tool = this.#tool(run.tool)
    if (tool === undefined) return failed('upstream_unreachable')
    const call = this.#callOf(tool, run)
    if (call === undefined) return failed('arguments_unusable')
    const outcome = await this.#options.http.exchange(call)
    const read = readOutcome(tool, outcome)
    if (read.kind !== 'unknown_outcome' || run.timeout_ms !== undefined) return read
    // While a request may still be under way, "no record" proves nothing.
    const settled =
      outcome.kind === 'answered' ? !FOR_ANOTHER.has(outcome.status) : read.reason !== 'timeout'
    return (await this.#ask(tool, run.idempotency_key, settled)) ?? read
  }

  async reconcile(run: Question): Promise<RunOutcome | undefined> {
    const tool = this.#tool(run.tool)
    return tool === undefined ? undefined : await this.#ask(tool, run.idempotency_key, run.isQuiet)
  }

  provesAbsence(tool: string): boolean {
    return this.#tool(tool)?.reconcile?.not_found === 'final'
  }

  /** What the upstream has under the key; undefined where that stays open. */
  async #ask(tool: HttpTool, key: Hash, settled: boolean): Promise<RunOutcome | undefined> {
    const rule = tool.reconcile
    if (rule === undefined) return undefined
    const path = rule.path.replace('{idempotency_key}', encodeURIComponent(key))
    const call: HttpCall = {
      method: 'GET',
      url: new URL(path, this.#options.manifest.base_url),
      headers: this.#headers(),
      body: undefined,
      timeout_ms: RECONCILE_TIMEOUT_MS,
      max_bytes: HTTP_ANSWER_MAX_BYTES,
    }
    let withoutRecord = 0
    for (let times = 0; times < RECONCILE_TRIES; times += 1) {
      if (times > 0) await this.#options.clock.sleep(RECONCILE_PAUSE_MS * 2 ** (times - 1))
      const answer = await this.#options.http.exchange(call)
      const found = foundOutcome(tool, answer)
      if (found !== undefined) return found
      if (isNotFound(answer)) withoutRecord += 1
      const proves = rule.not_found === 'final' && settled
      if (proves && withoutRecord >= NO_RECORD_TIMES) return failed('not_executed')
    }
    return undefined
  }

  #tool(name: string): HttpTool | undefined {
    const { tools } = this.#options.manifest
    return Object.hasOwn(tools, name) ? tools[name] : undefined
  }

  #headers(): Record<string, string> {
    const { credentials, manifest } = this.#options
    const secret = credentials.secretOf(manifest.credential)
    return {
      accept: 'application/json',
      'user-agent': 'trustgw-executor',
      ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
    }
  }

  #callOf(tool: HttpTool, run: ToolRun): HttpCall | undefined {
    const target = fillPath(tool.path, run.arguments)
    if (target === undefined) return undefined
    const url = new URL(target.path, this.#options.manifest.base_url)
    const headers = this.#headers()
    let body: string | undefined
    if (BODY_METHODS.includes(tool.method)) {
      body = target.used.length === 0 ? run.arguments_text : canonicalize(target.rest)
      headers['content-type'] = 'application/json'
      headers['content-length'] = String(Buffer.byteLength(body))
    } else if (!addQuery(url, target.rest)) {
      return undefined
    }
    if (tool.idempotency_header !== undefined) {
      headers[tool.idempotency_header.toLowerCase()] = run.idempotency_key
    }
    const longest = this.#options.manifest.limits?.call_timeout_ms ?? this.#options.tool_timeout_ms
    const timeout_ms = Math.min(run.timeout_ms ?? longest, longest)
    return { method: tool.method, url, headers, body, timeout_ms, max_bytes: HTTP_ANSWER_MAX_BYTES }
  }

  #served(): readonly ToolContract[] {
    const { manifest, profile, schemas, logger, credentials } = this.#options
    if (!credentials.has(manifest.credential)) {
      logger.warn('credential_missing', { connector: manifest.id, name: manifest.credential })
      return []
    }
    const contracts = Object.entries(manifest.tools).flatMap(([name, tool]) => {
      const digest = digestOf({
        base_url: manifest.base_url,
        method: tool.method,
        path: tool.path,
        idempotency_header: tool.idempotency_header ?? null,
        reconcile: tool.reconcile === undefined ? null : { ...tool.reconcile },
      })
      const contract = httpContract({ manifest, profile, version: '1', digest }, name, tool)
      const problem = contractProblem(contract, schemas)
      if (problem === undefined) return [contract]
      logger.warn('tool_refused', { connector: manifest.id, tool: name, problem })
      return []
    })
    return withReadablePreconditions(contracts, {
      output: (read) => read.output_schema ?? true,
      onRefused: ({ id }, problem) =>
        logger.warn('tool_refused', { connector: manifest.id, tool: id, problem }),
    })
  }
}

interface FilledPath {
  readonly path: string
  readonly used: readonly string[]
  readonly rest: JsonObject
}

/** Undefined when an argument of the path is missing, not a plain value, or moves up a folder. */
function fillPath(template: string, args: JsonObject): FilledPath | undefined {
  const used: string[] = []
  let usable = true
  const path = template.replaceAll(/\{([A-Za-z0-9_]+)\}/g, (_, name: string) => {
    const text = plainText(Object.hasOwn(args, name) ? args[name] : undefined)
    if (text === undefined || text === '' || text === '.' || text === '..') usable = false
    used.push(name)
    return encodeURIComponent(text ?? '')
  })
  if (!usable) return undefined
  const rest = Object.fromEntries(Object.entries(args).filter(([name]) => !used.includes(name)))
  return { path, used, rest }
}

function addQuery(url: URL, args: JsonObject): boolean {
  for (const [name, value] of Object.entries(args)) {
    const text = plainText(value)
    if (text === undefined) return false
    url.searchParams.append(name, text)
  }
  return true
}

function plainText(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}

function readOutcome(tool: HttpTool, outcome: HttpOutcome): RunOutcome {
  if (outcome.kind === 'not_sent') return failed('upstream_unreachable')
  if (outcome.kind === 'lost') return { kind: 'unknown_outcome', reason: outcome.reason }
  const { status } = outcome
  if (status >= 200 && status < 300) return readAnswer(tool, outcome.body)
  // A redirect is not followed: its target never saw the request (traps: redirects to elsewhere).
  const refused = status >= 300 && status < 500 && status !== 408
  if (!refused) return { kind: 'unknown_outcome', reason: 'upstream_fault' }
  return {
    kind: 'failed',
    reason: 'upstream_refused',
    output: { status, code: problemCode(outcome.body) },
  }
}

function readAnswer(tool: HttpTool, body: Uint8Array): RunOutcome {
  if (body.length === 0) return { kind: 'succeeded', output: null, provider_reference: null }
  const parsed = parseJson(body, { maxBytes: HTTP_ANSWER_MAX_BYTES })
  if (!parsed.ok) return { kind: 'unknown_outcome', reason: 'malformed_answer' }
  const member = tool.provider_reference
  const reference = member === undefined ? undefined : asObject(parsed.value)?.[member]
  return {
    kind: 'succeeded',
    output: parsed.value,
    provider_reference:
      typeof reference === 'string' ? reference.slice(0, REFERENCE_MAX_CHARS) : null,
  }
}

/** The stable code of a problem document (RFC 9457); its prose stays out. */
function problemCode(body: Uint8Array): string | null {
  const parsed = parseJson(body, { maxBytes: HTTP_ANSWER_MAX_BYTES })
  const code = parsed.ok ? asObject(parsed.value)?.['code'] : undefined
  return typeof code === 'string' && /^[a-z0-9_.-]{1,64}$/i.test(code) ? code : null
}

function foundOutcome(tool: HttpTool, outcome: HttpOutcome): RunOutcome | undefined {
  if (outcome.kind !== 'answered' || outcome.status !== 200) return undefined
  const read = readAnswer(tool, outcome.body)
  return read.kind === 'succeeded' ? read : undefined
}

function isNotFound(outcome: HttpOutcome): boolean {
  return outcome.kind === 'answered' && outcome.status === 404
}

function failed(reason: RunFailure): RunOutcome {
  return { kind: 'failed', reason, output: null }
}
