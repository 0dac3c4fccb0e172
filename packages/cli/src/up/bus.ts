import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import {
  atomicWriteFile,
  type BusCluster,
  type BusCreds,
  type BusKeys,
  buildBusConfig,
  findNatsServer,
  issueUser,
  loadBusKeys,
  NatsError,
  type NatsServer,
  provisionStreams,
  SECRET_FILE_MODE,
  type Settings,
  startNatsServer,
} from '@trustgw/runtime'
import { exists } from '../install/exists.ts'
import { type BusNode, busAccess, busNodes } from '../install/instances.ts'
import { layoutOf } from '../install/layout.ts'
import { publishKeySet } from '../keys/key-admin.ts'

const CONNECT_TIMEOUT_MS = 5_000
/** A cold cluster takes its time to choose its leaders. */
const CLUSTER_READY_MS = 20_000
const CLUSTER_PAUSE_MS = 100

export interface StartBusOptions {
  readonly settings: Settings
  readonly searchPath: string | undefined
  readonly cacheDir: string
  readonly onLine: (node: string, line: string) => void
}

export interface StartedBus {
  /** In the order of `busNodes`. */
  readonly servers: readonly NatsServer[]
  readonly version: string
}

/** Starts every nats-server and makes the streams that are missing, with identities that end at once. */
export async function startBus(options: StartBusOptions): Promise<StartedBus> {
  const { settings, searchPath, cacheDir } = options
  const named = settings.nats.server_bin
  const binary = findNatsServer({
    ...(named === '' ? {} : { named }),
    ...(searchPath === undefined ? {} : { searchPath }),
    cacheDir,
  })
  const layout = layoutOf(settings)
  const keys = loadBusKeys(layout.busKeys)
  await assertSameNodes(settings)
  const started = await Promise.allSettled(
    busNodes(settings).map((node) =>
      startNatsServer({
        binary: binary.path,
        dir: node.dir,
        ports: { client: node.client, websocket: node.websocket },
        onLine: (line) => options.onLine(node.name, line),
        ...(searchPath === undefined ? {} : { searchPath }),
        config: (ports) => busConfig(settings, keys, { ...node, ...ports }),
      }),
    ),
  )
  const servers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  try {
    const failed = started.find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    await untilProvisioned(settings, keys)
    await publishKeySet(settings)
  } catch (error) {
    await Promise.all(servers.map((server) => server.stop()))
    throw error
  }
  return { servers, version: binary.version }
}

/**
 * What one server stored is not there for three, and the other way round: claims would be forgotten. So
 * their number is what it was at the first start.
 */
async function assertSameNodes(settings: Settings): Promise<void> {
  const { nodes } = settings.nats
  const file = join(layoutOf(settings).bus, 'nodes')
  const isNew = !(await exists(join(layoutOf(settings).bus, 'jetstream')))
  const before = (await exists(file)) ? (await readFile(file, 'utf8')).trim() : isNew ? '' : '1'
  if (before === String(nodes)) return
  if (before !== '') {
    throw new NatsError(
      'config_refused',
      `nats.nodes is ${nodes}, and what is stored was begun with ${before}: set it back, or begin in a new TRUSTGW_STATE_DIR`,
    )
  }
  await atomicWriteFile(file, `${nodes}\n`, { mode: SECRET_FILE_MODE })
}

/** Servers of a new cluster choose a leader first, and refuse until then. */
async function untilProvisioned(settings: Settings, keys: BusKeys): Promise<void> {
  const deadline = performance.now() + (settings.nats.nodes > 1 ? CLUSTER_READY_MS : 0)
  for (;;) {
    try {
      return await provision(settings, keys)
    } catch (error) {
      const isWrong = error instanceof NatsError && error.code === 'stream_mismatch'
      if (isWrong || performance.now() > deadline) throw error
    }
    await sleep(CLUSTER_PAUSE_MS)
  }
}

/** The configuration with which one server is started here. */
export function busConfig(settings: Settings, keys: BusKeys, node: BusNode): string {
  const cluster = clusterOf(settings, node)
  return buildBusConfig(keys, {
    dir: node.dir,
    serverName: cluster === undefined ? 'trustgw' : node.name,
    host: '127.0.0.1',
    clientPort: node.client,
    websocketPort: node.websocket,
    ...(cluster && { cluster }),
    allowedOrigins: [settings.host.origin],
    syncInterval: settings.nats.sync_interval === 'always' ? 'always' : 'default',
    issuedAt: nowSeconds(),
  })
}

function clusterOf(settings: Settings, node: BusNode): BusCluster | undefined {
  if (settings.nats.nodes === 1) return undefined
  const secret = readFileSync(layoutOf(settings).clusterSecret, 'utf8').trim()
  return { port: node.cluster, ports: busNodes(settings).map(({ cluster }) => cluster), secret }
}

async function provision(settings: Settings, keys: BusKeys): Promise<void> {
  const { servers } = busAccess(settings)
  const issued = (profile?: string): BusCreds =>
    issueUser(
      keys,
      profile === undefined ? { kind: 'provision_data' } : { kind: 'provision_executor', profile },
      {
        issuedAt: nowSeconds(),
      },
    ).creds
  const open: NatsConnection[] = []
  const client = async (creds: BusCreds): Promise<NatsConnection> => {
    const connection = await connect({
      servers: [...servers],
      name: creds.name,
      inboxPrefix: creds.inboxPrefix,
      authenticator: (nonce) => creds.prove(nonce),
      reconnect: false,
      timeout: CONNECT_TIMEOUT_MS,
    })
    open.push(connection)
    return connection
  }
  try {
    const executors: Record<string, NatsConnection> = {}
    for (const profile of keys.profiles) executors[profile] = await client(issued(profile))
    await provisionStreams({
      data: await client(issued()),
      executors,
      replicas: settings.nats.nodes,
    })
  } finally {
    await Promise.allSettled(open.map((connection) => connection.close()))
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
