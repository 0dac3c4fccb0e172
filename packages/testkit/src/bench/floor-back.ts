/**
 * The second process of the floor: what an executor cannot leave out. Takes the request from the bus,
 * verifies, reads once, writes its line to disk, claims by stored writes, calls the tool over standard
 * streams, signs and stores the result.
 */
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import {
  asObject,
  canonicalize,
  hashText,
  type Json,
  type JsonObject,
  parseJsonObject,
  utf8Encode,
} from '@trustgw/protocol'
import { generateSigningKey, SyncedAppender, sha256, verifierOf } from '@trustgw/runtime'
import { CRITICAL_PATH } from './critical-path.ts'
import {
  connectFloor,
  endWithParent,
  type FloorSettings,
  settingsFromParent,
  storedRead,
  storedWrite,
  tellParent,
} from './floor-messages.ts'
import { LEGACY_VERSION } from './mcp-calls.ts'

const RECORD_BYTES = 512

/** The bare way to call an MCP server over standard streams. */
class StdioServer {
  readonly #waiting = new Map<number, (result: JsonObject) => void>()
  readonly #write: (line: string) => void
  #next = 0

  constructor(command: readonly string[]) {
    const [file = '', ...args] = command
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'], env: {} })
    this.#write = (line) => child.stdin.write(`${line}\n`)
    createInterface({ input: child.stdout }).on('line', (line) => {
      const parsed = parseJsonObject(line)
      if (!parsed.ok || typeof parsed.value['id'] !== 'number') return
      const result = asObject(parsed.value['result'] ?? null)
      if (result !== undefined) this.#waiting.get(parsed.value['id'])?.(result)
    })
  }

  async open(): Promise<void> {
    const clientInfo = { name: 'trustgw-bench', version: '1' }
    const protocolVersion = LEGACY_VERSION
    await this.call('initialize', { protocolVersion, capabilities: {}, clientInfo })
    this.#write(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }))
  }

  call(method: string, params: Readonly<Record<string, Json>>): Promise<JsonObject> {
    this.#next += 1
    const id = this.#next
    return new Promise((resolve) => {
      this.#waiting.set(id, (result) => {
        this.#waiting.delete(id)
        resolve(result)
      })
      this.#write(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    })
  }
}

interface Parts {
  readonly nc: NatsConnection
  readonly settings: FloorSettings
  readonly tool: StdioServer
  readonly lines: SyncedAppender
}

function worker(parts: Parts): (message: Msg) => Promise<void> {
  const { nc, settings, tool, lines } = parts
  const { tenant } = settings
  const key = generateSigningKey()
  const verify = verifierOf(key.publicKey)
  const proof = 'p'.repeat(RECORD_BYTES)
  const signed = key.sign(proof)
  const record = utf8Encode('r'.repeat(RECORD_BYTES))
  const read = `$JS.exd.API.DIRECT.GET.KV_executions.$KV.executions.${tenant}.bench-none`
  return async (message) => {
    for (let turn = 0; turn < CRITICAL_PATH.executor_verifications; turn += 1) {
      if (verify?.(proof, signed) !== true) throw new Error('signature')
    }
    for (let turn = 0; turn < CRITICAL_PATH.executor_reads; turn += 1) await storedRead(nc, read)
    await lines.append('l'.repeat(RECORD_BYTES))
    for (let turn = 1; turn < CRITICAL_PATH.executor_stored_writes; turn += 1) {
      await storedWrite(nc, 'executions', { tenant, data: record })
    }
    const result = await tool.call('tools/call', { name: settings.tool, arguments: {} })
    const text = canonicalize(result)
    const signable = `${text}${hashText(sha256, text)}`
    for (let turn = 0; turn < CRITICAL_PATH.executor_signatures; turn += 1) key.sign(signable)
    await storedWrite(nc, 'executions', { tenant, data: utf8Encode(signable) })
    message.respond(utf8Encode(text))
  }
}

async function main(): Promise<void> {
  endWithParent()
  const settings = await settingsFromParent()
  const nc = await connectFloor(settings)
  const tool = new StdioServer(settings.server)
  await tool.open()
  mkdirSync(settings.dir, { recursive: true, mode: 0o700 })
  const lines = await SyncedAppender.open(join(settings.dir, 'floor.ndjson'))
  const work = worker({ nc, settings, tool, lines })
  const requests = nc.subscribe(`exec.v1.${settings.tenant}.connector.invoke`, {
    queue: 'connector',
  })
  await nc.flush()
  tellParent({ ready: true })
  for await (const message of requests) {
    // A failure is a call without answer, which the first process counts as an error.
    work(message).catch(() => undefined)
  }
}

await main()
