import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, type NatsConnection, wsconnect } from '@nats-io/transport-node'
import {
  agentsAccount,
  BUS_COOKIE,
  type BusCreds,
  type BusKeys,
  type BusRole,
  buildBusConfig,
  busAccountKeys,
  createBusKeys,
  findNatsServer,
  issueUser,
  type NatsServer,
  peopleAccount,
  portalToken,
  provisionStreams,
  pushTenant,
  startNatsServer,
} from '@trustgw/runtime'
import { WebSocket as NodeWebSocket } from 'ws'

export interface BusWorldOptions {
  /** Default `['acme']`. */
  readonly tenants?: readonly string[]
  /** Default `['connector']`. */
  readonly profiles?: readonly string[]
  /** Origins that may open the WebSocket. Default `['http://localhost:8080']`. */
  readonly origins?: readonly string[]
}

export interface WorldCreds {
  readonly gateway: BusCreds
  readonly host: BusCreds
  readonly log: BusCreds
  /** By profile. */
  readonly executor: Readonly<Record<string, BusCreds>>
  readonly provisionSystem: BusCreds
  readonly provisionData: BusCreds
  /** By profile. */
  readonly provisionExecutor: Readonly<Record<string, BusCreds>>
}

export interface PortalLogin {
  readonly jwt: string
  readonly inboxPrefix: string
}

export interface PortalConnectOptions {
  /** `null` sends no Origin, as a program does. Default the first allowed origin. */
  readonly origin?: string | null
}

/** A fresh, real nats-server with every account, stream and consumer of an installation. */
export interface BusWorld {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string
  /** `ws://127.0.0.1:<port>` */
  readonly wsUrl: string
  readonly dir: string
  readonly server: NatsServer
  readonly tenants: readonly string[]
  readonly profiles: readonly string[]
  /** Account name to public key, as `Nats-Request-Info` names accounts. */
  readonly accounts: Readonly<Record<string, string>>
  readonly creds: WorldCreds
  /** DATA's provisioning user, connected. */
  readonly provisionConn: NatsConnection
  keys(): BusKeys
  /** The credentials of one service of a world; throws for an unknown profile. */
  executor(profile?: string): BusCreds
  /** A new agent of a tenant. */
  agent(tenant?: string, label?: string): BusCreds
  /** A new portal session of a tenant; one hour by default. */
  person(tenant?: string, lifeS?: number): PortalLogin
  /** A new identity of any role. */
  issue(role: BusRole): BusCreds
  /** A plain client connection, closed by `stop`. Does not reconnect. */
  connect(creds: BusCreds): Promise<NatsConnection>
  connectPortal(login: PortalLogin, options?: PortalConnectOptions): Promise<NatsConnection>
  /** Adds a tenant to the running server. */
  addTenant(tenant: string): Promise<void>
  stop(): Promise<void>
}

const PROJECT_NATS_CACHE = fileURLToPath(new URL('../../../../.cache/nats', import.meta.url))
const CONNECT_TIMEOUT_MS = 5_000
const SESSION_S = 3_600
const MS_PER_S = 1_000

/** Unix seconds now. */
function nowS(): number {
  return Math.floor(Date.now() / MS_PER_S)
}

/**
 * Starts a world on free ports in a folder of its own; about 150 ms. `stop` ends everything and
 * removes the folder. Needs an installed or once fetched nats-server.
 */
export async function startBusWorld(options: BusWorldOptions = {}): Promise<BusWorld> {
  const tenants = options.tenants ?? ['acme']
  const profiles = options.profiles ?? ['connector']
  const dir = mkdtempSync(path.join(tmpdir(), 'tg-world-'))
  const keysDir = path.join(dir, 'operator')
  try {
    const keys = createBusKeys(keysDir, { tenants, profiles })
    const server = await startServer(keys, path.join(dir, 'bus'), options.origins)
    return await populate({ dir, keysDir, server, keys, origins: options.origins ?? ORIGINS })
  } catch (error) {
    rmSync(dir, { recursive: true, force: true })
    throw error
  }
}

const ORIGINS: readonly string[] = ['http://localhost:8080']

function startServer(
  keys: BusKeys,
  dir: string,
  origins: readonly string[] = ORIGINS,
): Promise<NatsServer> {
  const { NATS_SERVER: named, PATH: searchPath } = process.env
  const binary = findNatsServer({
    ...(named !== undefined && { named }),
    ...(searchPath !== undefined && { searchPath }),
    cacheDir: PROJECT_NATS_CACHE,
  })
  return startNatsServer({
    binary: binary.path,
    dir,
    ports: { client: -1, websocket: -1 },
    onLine: () => undefined,
    config: (ports) =>
      buildBusConfig(keys, {
        dir,
        serverName: 'world',
        host: '127.0.0.1',
        clientPort: ports.client,
        websocketPort: ports.websocket,
        allowedOrigins: origins,
        syncInterval: 'default',
        issuedAt: nowS(),
      }),
  })
}

interface WorldParts {
  readonly dir: string
  readonly keysDir: string
  readonly server: NatsServer
  readonly keys: BusKeys
  readonly origins: readonly string[]
}

async function populate(parts: WorldParts): Promise<BusWorld> {
  const { server, dir, keysDir } = parts
  const open: NatsConnection[] = []
  const track = async (connection: Promise<NatsConnection>): Promise<NatsConnection> => {
    const made = await connection
    open.push(made)
    return made
  }
  let keys = parts.keys
  const issue = (role: BusRole): BusCreds => issueUser(keys, role, { issuedAt: nowS() }).creds
  const client = (creds: BusCreds): Promise<NatsConnection> =>
    track(plainConnect(server.url, creds))
  const creds = issueAll(keys, issue)
  const close = async (): Promise<void> => {
    await Promise.allSettled(open.map((connection) => connection.close()))
    await server.stop()
    rmSync(dir, { recursive: true, force: true })
  }
  try {
    const provisionConn = await client(creds.provisionData)
    const executors = await Promise.all(
      keys.profiles.map(
        async (profile) => [profile, await client(at(creds.provisionExecutor, profile))] as const,
      ),
    )
    await provisionStreams({ data: provisionConn, executors: Object.fromEntries(executors) })
    return {
      url: server.url,
      wsUrl: server.websocketUrl,
      dir,
      server,
      get tenants() {
        return keys.tenants
      },
      profiles: keys.profiles,
      get accounts() {
        return busAccountKeys(keys)
      },
      creds,
      provisionConn,
      keys: () => keys,
      executor: (profile) => at(creds.executor, profile ?? keys.profiles[0] ?? ''),
      agent: (tenant = keys.tenants[0] ?? '', label = 'agent') =>
        issue({ kind: 'agent', tenant, label }),
      person: (tenant = keys.tenants[0] ?? '', lifeS = SESSION_S) => person(keys, tenant, lifeS),
      issue,
      connect: client,
      connectPortal: (login, { origin = parts.origins[0] ?? null } = {}) =>
        track(portalConnect(server.websocketUrl, login, origin)),
      addTenant: async (tenant) => {
        keys = createBusKeys(keysDir, { tenants: [tenant], profiles: [] })
        const system = await client(creds.provisionSystem)
        await pushTenant(system, keys, tenant, nowS())
        await system.close()
      },
      stop: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function issueAll(keys: BusKeys, issue: (role: BusRole) => BusCreds): WorldCreds {
  const byProfile = (kind: 'executor' | 'provision_executor'): Record<string, BusCreds> =>
    Object.fromEntries(keys.profiles.map((profile) => [profile, issue({ kind, profile })]))
  return {
    gateway: issue({ kind: 'gateway' }),
    host: issue({ kind: 'host' }),
    log: issue({ kind: 'log' }),
    executor: byProfile('executor'),
    provisionSystem: issue({ kind: 'provision_system' }),
    provisionData: issue({ kind: 'provision_data' }),
    provisionExecutor: byProfile('provision_executor'),
  }
}

function person(keys: BusKeys, tenant: string, lifeS: number): PortalLogin {
  const name = peopleAccount(tenant)
  const issuedAt = nowS()
  return portalToken(keys.scope(name), keys.account(name).publicKey, {
    issuedAt,
    expiresAt: issuedAt + lifeS,
  })
}

function plainConnect(url: string, creds: BusCreds): Promise<NatsConnection> {
  return connect({
    servers: url,
    name: creds.name,
    inboxPrefix: creds.inboxPrefix,
    authenticator: (nonce) => creds.prove(nonce),
    reconnect: false,
    timeout: CONNECT_TIMEOUT_MS,
  })
}

function portalConnect(
  url: string,
  login: PortalLogin,
  origin: string | null,
): Promise<NatsConnection> {
  return wsconnect({
    servers: url,
    inboxPrefix: login.inboxPrefix,
    reconnect: false,
    timeout: CONNECT_TIMEOUT_MS,
    wsFactory: (target) => {
      const headers = { cookie: `${BUS_COOKIE}=${login.jwt}` }
      const socket = new NodeWebSocket(target, { headers, ...(origin !== null && { origin }) })
      // The client library uses of a socket only what this one has; the types differ in the rest.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return Promise.resolve({ socket: socket as unknown as WebSocket, encrypted: false })
    },
  })
}

function at(creds: Readonly<Record<string, BusCreds>>, profile: string): BusCreds {
  const found = creds[profile]
  if (found === undefined) throw new TypeError(`no profile ${profile} in this world`)
  return found
}

/** The public account key that a tenant's agents must have. */
export function agentsAccountKey(world: BusWorld, tenant: string): string {
  return world.accounts[agentsAccount(tenant)] ?? ''
}
