/**
 * The first process of the floor: what a gateway cannot leave out of an allowed call, and no
 * gateway. HTTP in, strict parse, canonical form, hash, signatures, stored writes, one request to the
 * second process, one verification, HTTP out.
 */
import { createServer, type IncomingMessage } from 'node:http'
import { canonicalize, hashText, parseJsonObject, utf8Encode } from '@trustgw/protocol'
import { generateSigningKey, sha256, verifierOf } from '@trustgw/runtime'
import { CRITICAL_PATH } from './critical-path.ts'
import {
  connectFloor,
  endWithParent,
  settingsFromParent,
  storedRead,
  storedWrite,
  tellParent,
} from './floor-messages.ts'

const INVOKE_TIMEOUT_MS = 5_000
/** About what a stored action and an audit event weigh. */
const RECORD_BYTES = 1_024

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) if (chunk instanceof Buffer) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function main(): Promise<void> {
  endWithParent()
  const settings = await settingsFromParent()
  const nc = await connectFloor(settings)
  const key = generateSigningKey()
  const verify = verifierOf(key.publicKey)
  const { tenant } = settings
  const record = utf8Encode('r'.repeat(RECORD_BYTES))
  const read = `$JS.data.API.DIRECT.GET.KV_actions.$KV.actions.${tenant}.bench-none`

  const handle = async (body: Buffer): Promise<Uint8Array> => {
    const parsed = parseJsonObject(body)
    if (!parsed.ok) throw new Error(parsed.reason)
    const text = canonicalize(parsed.value)
    const signable = `${text}${hashText(sha256, text)}`
    let signature = key.sign(signable)
    for (let turn = 1; turn < CRITICAL_PATH.gateway_signatures; turn += 1) {
      signature = key.sign(signable)
    }
    for (let turn = 1; turn < CRITICAL_PATH.gateway_stored_writes; turn += 1) {
      await storedWrite(nc, 'actions', { tenant, data: record })
    }
    const to = `exec.v1.${tenant}.connector.invoke`
    const answer = await nc.request(to, utf8Encode(signable), { timeout: INVOKE_TIMEOUT_MS })
    if (verify?.(signable, signature) !== true) throw new Error('signature')
    for (let turn = 0; turn < CRITICAL_PATH.gateway_reads; turn += 1) await storedRead(nc, read)
    await storedWrite(nc, 'actions', { tenant, data: record })
    return answer.data
  }

  const server = createServer((request, response) => {
    bodyOf(request)
      .then(handle)
      .then(
        (data) => {
          response.writeHead(200, { 'content-type': 'application/json' })
          response.end(data)
        },
        (error: unknown) => {
          response.writeHead(500)
          response.end(String(error))
        },
      )
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    tellParent({ ready: true, port: typeof address === 'object' ? (address?.port ?? 0) : 0 })
  })
}

await main()
