import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compilePolicy, decide, parsePolicy, type ToolFacts } from '@trustgw/core'
import {
  actionId,
  canonicalize,
  contractHash,
  hashText,
  type Json,
  readShape,
  type ToolContract,
  toolContractShape,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { runCommand } from '../src/run-command.ts'
import { PLAIN_STYLE, type Terminal } from '../src/terminal.ts'

// dist/test/ → packages/cli/test/fixtures/policy
export const FIXTURES: string = fileURLToPath(
  new URL('../../test/fixtures/policy/', import.meta.url),
)

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command line in this process, which is in the folder of the files that it names. */
export async function run(...argv: readonly string[]): Promise<Ran> {
  const out: string[] = []
  const err: string[] = []
  const terminal: Terminal = {
    out: (text) => out.push(`${text}\n`),
    err: (text) => err.push(`${text}\n`),
    style: PLAIN_STYLE,
    width: 80,
    interactive: false,
  }
  const invocation = { argv, env: {}, cwd: process.cwd(), script: '' }
  const code = await runCommand(invocation, terminal)
  return { code, out: out.join(''), err: err.join('') }
}

export const json = (text: string): Record<string, never> => JSON.parse(text)

/**
 * Compares what a command prints, as text and as JSON, with `expected/NAME`. With UPDATE_GOLDENS in
 * the environment it writes them instead: read the difference before it is kept.
 */
export async function golden(name: string, ...argv: readonly string[]): Promise<void> {
  const text = await run(...argv)
  const shown = `$ trustgw ${argv.join(' ')}\n${text.out}${text.err}exit ${text.code}\n`
  assert.equal(shown, await keptOr(`${name}.txt`, shown), name)
  const asJson = await run(...argv, '--json')
  assert.equal(asJson.code, text.code, 'JSON changes no exit code')
  assert.equal(asJson.out.trimEnd().split('\n').length, 1, 'one document')
  const found: unknown = JSON.parse(asJson.out)
  const kept = await keptOr(`${name}.json`, `${JSON.stringify(found, null, 2)}\n`)
  assert.deepEqual(found, JSON.parse(kept), name)
}

/** What is kept under a name; with UPDATE_GOLDENS what was found is kept first. */
export async function keptOr(name: string, found: string): Promise<string> {
  const file = `${FIXTURES}expected/${name}`
  if (process.env['UPDATE_GOLDENS'] !== undefined) {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, found)
  }
  return readFile(file, 'utf8')
}

export async function toolContracts(): Promise<readonly ToolContract[]> {
  const { tools } = JSON.parse(await readFile(`${FIXTURES}tools.json`, 'utf8'))
  return tools.map((tool: Json) => {
    const read = readShape(toolContractShape, tool)
    assert.ok(read.ok)
    return read.value
  })
}

export interface Happened {
  readonly n: number
  readonly tool: ToolContract
  readonly args: Readonly<Record<string, Json>>
  readonly ageMs: number
  readonly agent?: string
}

/** An action as it is stored, decided by the policy of a fixture; one line. */
export async function storedAction(policyFile: string, happened: Happened): Promise<string> {
  const parsed = parsePolicy(await readFile(`${FIXTURES}${policyFile}`, 'utf8'), {
    file: policyFile,
  })
  assert.ok(parsed.ok)
  const { n, tool, args, ageMs, agent = 'support-bot' } = happened
  const at = Date.now() - ageMs
  const principal = { tenant: 'main', issuer: 'api-key', client: 'k1', subject: agent }
  const facts: ToolFacts = tool
  const { policy_fingerprint, ...decision } = decide(compilePolicy(parsed.value, sha256), {
    tool: facts,
    args,
    tenant: 'main',
    workspace: 'default',
    agent,
    user: null,
    source: 'mcp',
    auth_level: 1,
    roles: null,
    time_ms: at,
    counters: new Map([['refund-velocity', { count: 0, amount: null }]]),
  })
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(0, n)
  const action_id = actionId(bytes)
  const common = {
    action_id,
    tenant: 'main',
    workspace: 'default',
    principal,
    on_behalf_of: null,
    tool_id: tool.id,
    input_hash: hashText(sha256, canonicalize(args)),
  }
  const record = {
    v: 1,
    proposal: {
      ...common,
      trace: 't1',
      source: 'mcp',
      auth_level: 1,
      arguments: args,
      client_key: null,
      received_at: at,
    },
    tool: {
      contract_hash: contractHash(sha256, tool),
      operation: tool.operation,
      credential_ref: 'shop',
      amount: null,
    },
    state: { kind: 'proposed', since: at, round: 1, issued: [], cancel: null },
    decision: {
      ...common,
      typ: 'trustgw/decision/1',
      contract_hash: contractHash(sha256, tool),
      ...decision,
      policy_fingerprint,
      policy_epoch: 1,
      decided_at: at,
    },
    decision_event: null,
    evidence: [],
    grant: null,
    granted_to: [],
    result: null,
  }
  return JSON.stringify(record)
}
