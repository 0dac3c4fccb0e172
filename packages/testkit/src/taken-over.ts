import { join } from 'node:path'
import {
  type ActionId,
  type AuditEventType,
  type AuditPayload,
  asObject,
  type Component,
  type JsonObject,
  parseComponent,
  parseJson,
  parseTenantId,
  type TenantId,
} from '@trustgw/protocol'
import {
  type AuditWriter,
  type BusLink,
  connectNats,
  keyIdOf,
  loadSigningKey,
  loadTrust,
  type NamedKey,
  nodeRandom,
  readCredsFile,
  sha256,
  silentLogger,
  startAuditWriter,
  systemClock,
} from '@trustgw/runtime'
import type { RunningSystem } from './system.ts'

/** Parties with a folder of their own. */
export type Plane = 'gateway' | 'host' | 'executor' | 'log'

const ASK_TIMEOUT_MS = 5_000
const ANSWER_LIMITS = { maxBytes: 1_048_576, maxDepth: 80 } as const

/** What a system's folders hold, as far as a thief needs it. */
export type Place = Pick<RunningSystem, 'nats' | 'stateDir'>

/** The key in a file of a plane's folder, or of `operator`; its role is the name of the file. */
export async function stolenKey(
  { stateDir }: Pick<Place, 'stateDir'>,
  plane: Plane | 'operator',
  role: string,
): Promise<NamedKey> {
  const { publicKey, sign } = await loadSigningKey(join(stateDir, plane, `${role}.key`))
  return { kid: keyIdOf(role, publicKey), publicKey, sign }
}

export function stolenLink({ nats, stateDir }: Place, creds: string): Promise<BusLink> {
  return connectNats({
    servers: [nats],
    creds: readCredsFile(join(stateDir, creds)),
    logger: silentLogger,
    random: nodeRandom,
  })
}

export function tenantNamed(text: string): TenantId {
  const tenant = parseTenantId(text)
  if (!tenant.ok) throw new TypeError('not a tenant')
  return tenant.value
}

function componentOf(plane: Plane): Component {
  const component = parseComponent(plane === 'executor' ? 'exec-connector' : plane)
  if (!component.ok) throw new TypeError('component')
  return component.value
}

/**
 * One party of a running system in the hands of somebody else: its identity on the bus and the keys
 * of its folder, beside the genuine process. It records as another instance of that party would.
 */
export class TakenOver {
  readonly link: BusLink
  readonly tenant: TenantId
  readonly #place: Place
  readonly #plane: Plane
  #writer: Promise<AuditWriter> | undefined

  private constructor(link: BusLink, plane: Plane, place: Place) {
    this.link = link
    this.tenant = tenantNamed('main')
    this.#plane = plane
    this.#place = place
  }

  static async open(place: Place, plane: Plane): Promise<TakenOver> {
    return new TakenOver(await stolenLink(place, join(plane, 'bus.creds')), plane, place)
  }

  async close(): Promise<void> {
    await this.link.bus.drain()
  }

  key(role: string): Promise<NamedKey> {
    return stolenKey(this.#place, this.#plane, role)
  }

  /** Its own chain of events. */
  audit(): Promise<AuditWriter> {
    this.#writer ??= this.#startWriter()
    return this.#writer
  }

  /** Records an event of an action in this party's name. */
  async say(type: AuditEventType, action_id: ActionId, payload: AuditPayload): Promise<void> {
    const writer = await this.audit()
    await writer.append(type, {
      actor: { kind: 'system', id: this.#plane },
      action_id,
      payload,
    })
  }

  /** Asks on a subject; the answer's object. */
  async ask(subject: string, data: Uint8Array): Promise<JsonObject> {
    const said = await this.link.bus.request(subject, data, { timeoutMs: ASK_TIMEOUT_MS })
    const parsed = parseJson(said, ANSWER_LIMITS)
    const answer = parsed.ok ? asObject(parsed.value) : undefined
    if (answer === undefined) throw new Error(`no answer in form on ${subject}`)
    return answer
  }

  /** Puts a value under a key of a bucket, whatever stood there; what stood there. */
  async put(bucket: string, key: string, value: Uint8Array): Promise<Uint8Array | undefined> {
    return await putRecord(this.link, { home: 'data', bucket }, { key, value })
  }

  async #startWriter(): Promise<AuditWriter> {
    const component = componentOf(this.#plane)
    const { kid, sign } = await this.key('audit')
    const trust = await loadTrust(join(this.#place.stateDir, this.#plane, 'trust'))
    return await startAuditWriter({
      tenant: this.tenant,
      component,
      instance: 'taken-over',
      local: this.#plane === 'executor',
      kid,
      sign,
      sha256,
      clock: systemClock,
      random: nodeRandom,
      bus: this.link.bus,
      publisher: this.link.publisher({ stream: 'AUDIT' }),
      reader: this.link.reader({ home: 'data', stream: 'AUDIT' }),
      keyFor: trust.keyFor({ role: 'audit', component }),
    })
  }
}

/** Puts a value in the place of whatever stands there; what stood there. */
export async function putRecord(
  link: BusLink,
  of: Parameters<BusLink['records']>[0],
  { key, value }: { readonly key: string; readonly value: Uint8Array },
): Promise<Uint8Array | undefined> {
  const records = link.records(of)
  const before = await records.get(key)
  const written =
    before === undefined
      ? await records.create(key, value)
      : await records.replace(key, value, before.revision)
  if (!written.ok) throw new Error(`${key} was not stored: ${written.reason}`)
  return before?.value
}
