import {
  connect,
  credsAuthenticator,
  headers,
  type MsgHdrs,
  type NatsConnection,
} from '@nats-io/transport-node'
import { asObject, type Json, parseJsonObject } from '@trustgw/protocol'

/** What a process of the floor is told over its channel; credentials never stand in its arguments. */
export interface FloorSettings {
  readonly nats: string
  readonly creds: string
  readonly inbox_prefix: string
  /** A tenant that no other process listens for. */
  readonly tenant: string
  readonly dir: string
  readonly server: readonly string[]
  readonly tool: string
}

/** The first message from the parent, read like anything else from outside. */
export async function settingsFromParent(): Promise<FloorSettings> {
  const message = await new Promise<unknown>((resolve) => process.once('message', resolve))
  const parsed = typeof message === 'string' ? parseJsonObject(message) : undefined
  if (parsed?.ok !== true) throw new TypeError('no settings for the floor')
  const { nats, creds, inbox_prefix, tenant, dir, server, tool } = parsed.value
  return {
    nats: text(nats),
    creds: text(creds),
    inbox_prefix: text(inbox_prefix),
    tenant: text(tenant),
    dir: text(dir),
    server: Array.isArray(server) ? server.map(text) : [],
    tool: text(tool),
  }
}

function text(value: Json | undefined): string {
  if (typeof value !== 'string') throw new TypeError('odd settings for the floor')
  return value
}

export function tellParent(message: Readonly<Record<string, Json>>): void {
  process.send?.(JSON.stringify(message))
}

/** Ends with the parent, whatever way that ends. */
export function endWithParent(): void {
  process.on('disconnect', () => process.exit(0))
}

export function connectFloor(settings: FloorSettings): Promise<NatsConnection> {
  return connect({
    servers: settings.nats,
    inboxPrefix: settings.inbox_prefix,
    authenticator: credsAuthenticator(new TextEncoder().encode(settings.creds)),
    reconnect: false,
    noAsyncTraces: true,
  })
}

const WRITE_TIMEOUT_MS = 5_000
let written = 0

/** One acknowledged write into a bucket; each its own key, as nonces and actions have. */
export async function storedWrite(
  nc: NatsConnection,
  bucket: string,
  write: { readonly tenant: string; readonly data: Uint8Array },
): Promise<void> {
  written += 1
  const id = `bench-${process.pid}-${written}`
  const subject = `$KV.${bucket}.${write.tenant}.${id}`
  const answer = await nc.request(subject, write.data, {
    timeout: WRITE_TIMEOUT_MS,
    headers: messageId(id),
  })
  const parsed = parseJsonObject(answer.data)
  const refused = parsed.ok ? asObject(parsed.value['error'] ?? null) : undefined
  if (!parsed.ok || refused !== undefined) throw new Error('a write of the floor was refused')
}

function messageId(id: string): MsgHdrs {
  const made = headers()
  made.set('Nats-Msg-Id', id)
  made.set('Nats-Expected-Last-Subject-Sequence', '0')
  return made
}

/** One read of a key that is not there: the way is the same, the answer smaller. */
export async function storedRead(nc: NatsConnection, subject: string): Promise<void> {
  await nc.request(subject, '', { timeout: WRITE_TIMEOUT_MS })
}
