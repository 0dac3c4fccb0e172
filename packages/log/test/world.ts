import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LogName, logFiles, type RunningLog, startLog } from '@trustgw/log'
import {
  type ActionId,
  type AuditEventType,
  type AuditPayload,
  actionId,
  type Component,
  parseComponent,
  parseTenantId,
  type TenantId,
} from '@trustgw/protocol'
import {
  type AuditWriter,
  type BusLink,
  type Clock,
  connectNats,
  executorCrossings,
  generateSigningKey,
  keyIdOf,
  MemoryBroker,
  nodeRandom,
  PublicKeys,
  type SigningKey,
  sha256,
  silentLogger,
  startAuditWriter,
  systemClock,
} from '@trustgw/runtime'
import { startBusWorld } from '@trustgw/testkit/bus-world'

export const ACME: TenantId = tenant('acme')
export const OTHER: TenantId = tenant('other')

function tenant(text: string): TenantId {
  const parsed = parseTenantId(text)
  if (!parsed.ok) throw new TypeError(text)
  return parsed.value
}

function component(text: string): Component {
  const parsed = parseComponent(text)
  if (!parsed.ok) throw new TypeError(text)
  return parsed.value
}

export const SERVICES = ['gateway', 'host', 'exec-connector'] as const
export type Service = (typeof SERVICES)[number]

/** Keys of one installation. */
export class Ring {
  readonly audit: Readonly<Record<Service, SigningKey>> = {
    gateway: generateSigningKey(),
    host: generateSigningKey(),
    'exec-connector': generateSigningKey(),
  }
  readonly log: SigningKey = generateSigningKey()

  get logKey(): { kid: string; sign: SigningKey['sign'] } {
    return { kid: keyIdOf('log', this.log.publicKey), sign: this.log.sign }
  }

  kid(service: Service): string {
    return keyIdOf('audit', this.audit[service].publicKey)
  }

  get keys(): PublicKeys {
    return new PublicKeys([
      ...SERVICES.map((service) => ({
        kid: this.kid(service),
        role: 'audit' as const,
        publicKey: this.audit[service].publicKey,
        component: service,
      })),
      { kid: this.logKey.kid, role: 'log', publicKey: this.log.publicKey, component: 'log' },
    ])
  }
}

export interface Links {
  link(service: Service | 'log'): Promise<BusLink>
  stop(): Promise<void>
}

export const ADAPTERS: readonly { readonly name: string; start(): Promise<Links> }[] = [
  { name: 'memory', start: () => Promise.resolve(memoryLinks()) },
  { name: 'a real nats-server', start: natsLinks },
]

export function memoryLinks(): Links {
  const broker = new MemoryBroker({ logger: silentLogger })
  return {
    link: (service) =>
      Promise.resolve(
        broker.link(
          service === 'exec-connector' ? { crossings: executorCrossings('connector') } : {},
        ),
      ),
    stop: () => Promise.resolve(),
  }
}

async function natsLinks(): Promise<Links> {
  const world = await startBusWorld({ tenants: ['acme', 'other'] })
  const open: BusLink[] = []
  return {
    link: async (service) => {
      const creds = service === 'exec-connector' ? world.executor() : world.creds[service]
      const link = await connectNats({
        servers: [world.url],
        creds,
        logger: silentLogger,
        random: nodeRandom,
      })
      open.push(link)
      return link
    },
    stop: async () => {
      await Promise.all(open.map((link) => link.bus.drain()))
      await world.stop()
    },
  }
}

export interface World {
  readonly dir: string
  readonly ring: Ring
  readonly links: Links
  writer(service: Service, tenantId?: TenantId): Promise<AuditWriter>
  log(options?: {
    link?: BusLink
    clock?: Clock
    intervalMs?: number
    gatherMs?: number
  }): Promise<RunningLog>
  stop(): Promise<void>
}

export async function startWorld(links: Links = memoryLinks()): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), 'tg-log-'))
  const ring = new Ring()
  return {
    dir,
    ring,
    links,
    writer: async (service, tenantId = ACME) => {
      const link = await links.link(service)
      return startAuditWriter({
        tenant: tenantId,
        component: component(service),
        instance: 'main',
        local: service === 'exec-connector',
        kid: ring.kid(service),
        sign: ring.audit[service].sign,
        sha256,
        clock: systemClock,
        random: nodeRandom,
        bus: link.bus,
        publisher: link.publisher({ stream: 'AUDIT' }),
        reader: link.reader({ home: 'data', stream: 'AUDIT' }),
        keyFor: ring.keys.keyFor({ role: 'audit', component: service }),
      })
    },
    log: async (options = {}) =>
      startLog({
        link: options.link ?? (await links.link('log')),
        tenants: [ACME, OTHER],
        keys: ring.keys,
        logKey: ring.logKey,
        dir,
        clock: options.clock ?? systemClock,
        logger: silentLogger,
        checkpointIntervalMs: options.intervalMs ?? 20,
        gatherMs: options.gatherMs ?? 0,
      }),
    stop: async () => {
      await links.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

export function newAction(): ActionId {
  return actionId(nodeRandom.bytes(16))
}

/** One approved action, told by every component as it really is. */
export async function tellStory(world: World, action: ActionId = newAction()): Promise<void> {
  const gateway = await world.writer('gateway')
  const host = await world.writer('host')
  const executor = await world.writer('exec-connector')
  const say = async (
    writer: AuditWriter,
    type: AuditEventType,
    payload: AuditPayload,
  ): Promise<void> => {
    const actor = { kind: 'system', id: 'test' } as const
    await writer.append(type, { actor, action_id: action, payload })
  }
  await say(gateway, 'proposed', { tool: 'shop.refund' })
  await say(gateway, 'evaluated', { tier: 2, rule: 'refunds', effect: 'require_approval' })
  await say(gateway, 'approval_requested', { tier: 2 })
  await say(host, 'approval_given', { tier: 2 })
  await say(gateway, 'approved', { approver: 'ann' })
  await say(gateway, 'grant_issued', { jti: 'jti-1' })
  await say(executor, 'started', { jti: 'jti-1', tool_id: 'shop.refund' })
  await say(executor, 'finished', { jti: 'jti-1', outcome: 'succeeded' })
  await say(gateway, 'succeeded', { jti: 'jti-1' })
}

/** Waits for a condition; the test's own time limit ends a wait that never comes true. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await systemClock.sleep(5)
}

/** The entries of a log, without the newline at the end. */
export async function readLines(dir: string, name: LogName = ACME): Promise<string[]> {
  const text = await readFile(logFiles(dir, name).entries, 'utf8')
  return text === '' ? [] : text.slice(0, -1).split('\n')
}

export async function writeLines(dir: string, lines: readonly string[]): Promise<void> {
  await writeFile(logFiles(dir, ACME).entries, lines.map((line) => `${line}\n`).join(''))
}
