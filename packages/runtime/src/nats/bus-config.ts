import path from 'node:path'
import type { BusKeys } from './bus-keys.ts'
import type { ImportSpec } from './crossings.ts'
import { accountJwt, activationJwt, operatorJwt } from './jwt.ts'
import { NatsError } from './nats-error.ts'
import { type AccountSpec, busTopology, SYSTEM_ACCOUNT } from './topology.ts'

export interface BusConfigOptions {
  /** Absolute folder for streams and accounts; only the server writes there. */
  readonly dir: string
  readonly serverName: string
  /** Where clients connect; loopback only, since nothing here is encrypted. */
  readonly host: string
  /** -1 picks a free port. */
  readonly clientPort: number
  readonly websocketPort: number
  /** Exact origins of pages that may open the WebSocket; at least one. */
  readonly allowedOrigins: readonly string[]
  /** `always` puts every message on disk before it is acknowledged; production wants that. */
  readonly syncInterval: 'always' | 'default'
  /** Unix seconds. A later one makes the server take the accounts anew. */
  readonly issuedAt: number
  /** The other servers of the cluster, where there is one. */
  readonly cluster?: BusCluster
}

/** Several servers that are one bus. */
export interface BusCluster {
  /** Where this server hears the others. */
  readonly port: number
  /** Where all of them hear each other, this one too. */
  readonly ports: readonly number[]
  /** What they show each other: whoever has it is part of the bus, with every account. */
  readonly secret: string
}

/** The cookie in which a portal session carries its bus token. */
export const BUS_COOKIE = 'tg_bus'
export const BUS_MAX_PAYLOAD_BYTES: number = 1024 * 1024
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])
const PORT_MAX = 65_535
/** A service's token is part of its CONNECT line, and these state every subject by name. */
const CONTROL_LINE_MAX_BYTES = 8_192

/** The token of one account of this installation, to be preloaded or pushed. */
export function busAccountJwt(keys: BusKeys, name: string, issuedAt: number): string {
  const spec = busTopology(keys).find((item) => item.name === name)
  if (spec === undefined) throw new NatsError('key_missing', `no bus account ${name}`)
  return accountToken(keys, spec, { issuedAt })
}

/** Public keys of every account by name: what a service compares `Nats-Request-Info` with. */
export function busAccountKeys(keys: BusKeys): Readonly<Record<string, string>> {
  const names = busTopology(keys).map((spec) => spec.name)
  return Object.fromEntries(names.map((name) => [name, keys.account(name).publicKey]))
}

/**
 * The server's configuration: operator mode with every account preloaded, so that nobody is
 * anonymous and no crossing waits for another. Its only secret is that of a cluster. `NatsError` `config_refused`
 * for a listener beyond loopback, an odd origin, port or path.
 */
export function buildBusConfig(keys: BusKeys, options: BusConfigOptions): string {
  check(options)
  const system = keys.account(SYSTEM_ACCOUNT).publicKey
  const head = { name: 'trust-gateway', issuedAt: options.issuedAt }
  const specs = busTopology(keys)
  const own = specs.reduce((sum, spec) => sum + (spec.jetstream?.diskBytes ?? 0), 0)
  const replicas = options.cluster?.ports.length ?? 1
  const disk = own * replicas
  const preload = specs.map(
    (spec) => `  ${keys.account(spec.name).publicKey}: ${accountToken(keys, spec, options)}`,
  )
  const host = options.host === '::1' ? '[::1]' : options.host
  return [
    `server_name: ${quoted(options.serverName)}`,
    `listen: ${quoted(`${host}:${options.clientPort}`)}`,
    `max_payload: ${BUS_MAX_PAYLOAD_BYTES}`,
    `max_control_line: ${CONTROL_LINE_MAX_BYTES}`,
    'write_deadline: "5s"',
    'logtime: false',
    'jetstream {',
    `  store_dir: ${quoted(path.join(options.dir, 'jetstream'))}`,
    '  domain: core',
    '  max_memory_store: 0',
    `  max_file_store: ${disk}`,
    ...(options.syncInterval === 'always' ? ['  sync_interval: always'] : []),
    '}',
    `operator: ${operatorJwt(head, keys.operator, keys.signing.publicKey, system)}`,
    `system_account: ${system}`,
    'resolver {',
    '  type: full',
    `  dir: ${quoted(path.join(options.dir, 'jwt'))}`,
    '  allow_delete: true',
    '  interval: "2m"',
    '}',
    'resolver_preload {',
    ...preload,
    '}',
    ...clusterLines(options),
    'websocket {',
    `  listen: ${quoted(`${host}:${options.websocketPort}`)}`,
    '  no_tls: true',
    '  same_origin: false',
    `  allowed_origins: [${options.allowedOrigins.map(quoted).join(', ')}]`,
    `  jwt_cookie: ${quoted(BUS_COOKIE)}`,
    '  compression: false',
    '  handshake_timeout: "3s"',
    '}',
    '',
  ].join('\n')
}

function accountToken(
  keys: BusKeys,
  spec: AccountSpec,
  { issuedAt, cluster }: Pick<BusConfigOptions, 'issuedAt' | 'cluster'>,
): string {
  // The server counts every copy.
  const copies = cluster?.ports.length ?? 1
  const { jetstream } = spec
  const own = keys.account(spec.name).publicKey
  const revocations = keys.revocations[spec.name]
  return accountJwt({ name: spec.name, issuedAt }, own, keys.signing, {
    exports: spec.exports,
    imports: spec.imports.map((item) => importOf(keys, own, item, issuedAt)),
    ...(jetstream && {
      jetstream: { ...jetstream, diskBytes: jetstream.diskBytes * copies },
    }),
    ...(spec.limits && { limits: spec.limits }),
    ...(spec.scope && { scopes: [{ key: keys.scope(spec.name).publicKey, ...spec.scope }] }),
    ...(revocations && { revocations }),
  })
}

function clusterLines({ cluster, host }: BusConfigOptions): readonly string[] {
  if (cluster === undefined) return []
  const at = host === '::1' ? '[::1]' : host
  const { port, ports, secret } = cluster
  const routes = ports
    .filter((other) => other !== port)
    .map((other) => quoted(`nats-route://node:${secret}@${at}:${other}`))
  return [
    'cluster {',
    '  name: trustgw',
    `  listen: ${quoted(`${at}:${port}`)}`,
    '  no_advertise: true',
    `  authorization { user: node, password: ${quoted(secret)}, timeout: 2 }`,
    `  routes: [${routes.join(', ')}]`,
    '}',
  ]
}

function importOf(
  keys: BusKeys,
  importer: string,
  item: ImportSpec,
  issuedAt: number,
): Parameters<typeof accountJwt>[3]['imports'][number] {
  const exporter = keys.account(item.from)
  const { kind, subject } = item
  return {
    kind,
    subject,
    account: exporter.publicKey,
    token: activationJwt({ name: subject, issuedAt }, exporter, importer, { kind, subject }),
    ...(item.local !== undefined && { localSubject: item.local }),
    ...(item.share !== undefined && { share: item.share }),
  }
}

function check(options: BusConfigOptions): void {
  if (!LOOPBACK.has(options.host)) {
    throw refused(`bus host ${options.host}: only loopback, since the bus is not encrypted`)
  }
  checkPort(options.clientPort)
  checkPort(options.websocketPort)
  if (options.clientPort === options.websocketPort && options.clientPort !== -1) {
    throw refused(`bus port ${options.clientPort}: clients and WebSocket need a port each`)
  }
  if (options.allowedOrigins.length === 0) throw refused('bus origins: name at least one')
  for (const port of options.cluster?.ports ?? []) checkPort(port)
  if (options.cluster !== undefined && !/^[A-Za-z0-9_-]{32,}$/.test(options.cluster.secret)) {
    throw refused('bus cluster: a secret of at least 32 letters, digits, - and _')
  }
  const odd = options.allowedOrigins.find((origin) => !isOrigin(origin))
  if (odd !== undefined) {
    throw refused(`bus origin ${odd}: write it as https://host or http://host:port`)
  }
  if (!path.isAbsolute(options.dir)) throw refused(`bus folder ${options.dir}: an absolute path`)
}

function checkPort(port: number): void {
  const valid = Number.isInteger(port) && (port === -1 || (port > 0 && port <= PORT_MAX))
  if (valid) return
  throw refused(`bus port ${port}: a number from 1 to ${PORT_MAX}, or -1 for a free one`)
}

function refused(why: string): NatsError {
  return new NatsError('config_refused', why)
}

function isOrigin(origin: string): boolean {
  if (!URL.canParse(origin)) return false
  const url = new URL(origin)
  return url.origin === origin && (url.protocol === 'https:' || url.protocol === 'http:')
}

/** The configuration language's string: no way to end it early. */
function quoted(text: string): string {
  if (/[\p{Cc}]/u.test(text)) throw new NatsError('config_refused', 'a control character in a name')
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
