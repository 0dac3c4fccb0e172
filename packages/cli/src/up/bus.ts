import { connect, type NatsConnection } from '@nats-io/transport-node'
import {
  type BusCreds,
  type BusKeys,
  type BusPorts,
  buildBusConfig,
  findNatsServer,
  issueUser,
  loadBusKeys,
  type NatsServer,
  provisionStreams,
  type Settings,
  startNatsServer,
} from '@trustgw/runtime'
import { layoutOf } from '../install/layout.ts'
import { publishKeySet } from '../keys/key-admin.ts'

const CONNECT_TIMEOUT_MS = 5_000

export interface StartBusOptions {
  readonly settings: Settings
  readonly searchPath: string | undefined
  readonly cacheDir: string
  readonly onLine: (line: string) => void
}

export interface StartedBus {
  readonly server: NatsServer
  readonly version: string
}

/** Starts nats-server and makes the streams that are missing, with identities that end at once. */
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
  const server = await startNatsServer({
    binary: binary.path,
    dir: layout.bus,
    ports: { client: settings.nats.port, websocket: settings.nats.websocket_port },
    onLine: options.onLine,
    ...(searchPath === undefined ? {} : { searchPath }),
    config: (ports) => busConfig(settings, keys, ports),
  })
  try {
    await provision(server.url, keys)
    await publishKeySet(settings)
  } catch (error) {
    await server.stop()
    throw error
  }
  return { server, version: binary.version }
}

/** The configuration with which the bus is started here; it holds no secret. */
export function busConfig(settings: Settings, keys: BusKeys, ports: BusPorts): string {
  return buildBusConfig(keys, {
    dir: layoutOf(settings).bus,
    serverName: 'trustgw',
    host: '127.0.0.1',
    clientPort: ports.client,
    websocketPort: ports.websocket,
    allowedOrigins: [settings.host.origin],
    syncInterval: settings.nats.sync_interval === 'always' ? 'always' : 'default',
    issuedAt: nowSeconds(),
  })
}

async function provision(url: string, keys: BusKeys): Promise<void> {
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
      servers: url,
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
    await provisionStreams({ data: await client(issued()), executors })
  } finally {
    await Promise.allSettled(open.map((connection) => connection.close()))
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
