import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { executorComponent, type JwsSigner, type Profile, type TenantId } from '@trustgw/protocol'
import {
  AjvSchemaCompiler,
  type AuditWriter,
  type BusLink,
  type Clock,
  type Disk,
  type FreezeBook,
  type KeyBook,
  type Logger,
  nodeDisk,
  type PublicKeys,
  type Random,
  recordKeyNews,
  type SchemaCompiler,
  sha256,
} from '@trustgw/runtime'
import type { AdmissionDeps } from './admit/admission.ts'
import type { BeatDeps } from './admit/check-beat.ts'
import type { FreezeDeps } from './admit/check-freeze.ts'
import { type Claims, openClaims } from './admit/open-claims.ts'
import { ToolIndex } from './admit/tool-index.ts'
import { type AgentBook, followAgents } from './agents/agent-book.ts'
import { Heartbeat, type HeartbeatDeps } from './beat/heartbeat.ts'
import type { Connector } from './connectors/connector.ts'
import type { Credentials } from './connectors/credentials.ts'
import { NodeHttpClient } from './connectors/http-client.ts'
import { HttpConnector } from './connectors/http-connector.ts'
import { type ConnectorManifest } from './connectors/manifest.ts'
import { StdioConnector } from './connectors/stdio-connector.ts'
import { StdioMcpClient } from './connectors/stdio-mcp-client.ts'
import { Executor } from './executor.ts'
import { startFreezes } from './freeze/own-freezes.ts'
import { followPins } from './pins/pin-follower.ts'
import { PinRegistry, type PinSource } from './pins/pin-registry.ts'
import { PinnedPolicies } from './policy/pinned-policies.ts'
import { type OwnFiles, readOwnFiles } from './read-files.ts'
import { Catalogue } from './run/catalogue.ts'
import { callsAtOnce, limitsOf, timeoutsOf } from './run/manifest-limits.ts'
import { RegistryPublisher } from './run/registry-publisher.ts'
import { ResultOutbox } from './run/result-outbox.ts'
import { Runner } from './run/runner.ts'
import { startAudits } from './run/start-audits.ts'
import { ToolGate } from './run/tool-gate.ts'
import { Wal } from './run/wal.ts'

export interface ExecutorSettings {
  readonly profile: Profile
  readonly tenants: readonly TenantId[]
  /** Absolute; `{state_dir}` of the manifests. */
  readonly state_dir: string
  /** Folder of `pins.json`, `credentials.toml`, `executor.toml`: the same for all executors of a profile on one machine. */
  readonly executor_dir: string
  /** Folder of `wal.ndjson`, `policies/` and `freezes/`, which no other process has. Default `executor_dir`. */
  readonly own_dir?: string
  readonly connectors_dir: string
  /** Where the search for npm packages of connectors starts. */
  readonly modules_dir: string
  /** This process's name in its audit chain; the same at each start. */
  readonly instance: string
  /** Longest output of a tool; a longer one is withheld. A manifest may say less. */
  readonly result_max_bytes: number
  /** How long a tool may run, unless its manifest says otherwise. */
  readonly tool_timeout_ms: number
  readonly max_running: number
  /** Where approvals are signed, when that is one origin; undefined: what each pin says. */
  readonly approval_origin?: string | undefined
  /** Takes policy bundles that production refuses (`policy.allow_by_default`). */
  readonly development_policy: boolean
}

export interface ServiceKey {
  readonly kid: string
  readonly sign: JwsSigner
}

export interface ExecutorRunDeps {
  readonly link: BusLink
  /** The public keys that this executor trusts, as they are now. */
  readonly trust: PublicKeys
  /** The key set that they come from. */
  readonly keySet: HeartbeatDeps['keySet'] & Pick<KeyBook, 'onNews'>
  readonly resultKey: ServiceKey
  readonly auditKey: ServiceKey
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface RunningExecutor {
  /** Tool ids that are served now. */
  tools(): readonly string[]
  /** Ends what runs, kills the connectors' processes, delivers results. Idempotent. */
  stop(): Promise<void>
}

export const STOP_GRACE_MS = 5_000
export const MAX_RUNNING = 64

/** What an executor has of its own, whatever the bus says. */
export interface ExecutorParts {
  readonly files: OwnFiles
  readonly schemas: SchemaCompiler
  /** By the first part of the ids of their tools. */
  readonly connectors: ReadonlyMap<string, Connector>
  readonly pins: PinSource
  /** Where pins from the bus are added; without it none are. */
  readonly pinFile?: string
  /** What `wal.ndjson`, `policies/` and `freezes/` are on. */
  readonly disk: Disk
  /** A folder in which freezes are honoured while the bus is out of reach. */
  readonly inbox?: string
}

/**
 * Starts an executor on an open link. Throws `ExecutorFault`, `BusFault`, `AuditFault`, `FileFault`.
 * Upstreams that do not start are tried again in the background.
 */
export async function runExecutor(
  settings: ExecutorSettings,
  deps: ExecutorRunDeps,
): Promise<RunningExecutor> {
  await mkdir(ownDir(settings), { recursive: true, mode: 0o700 })
  const files = await readOwnFiles(settings.connectors_dir, settings.executor_dir)
  const schemas = new AjvSchemaCompiler()
  const context = { settings, deps, credentials: files.credentials, schemas }
  const connectors = makeConnectors(files.manifests, context)
  const pinFile = join(settings.executor_dir, 'pins.json')
  const pins = new PinRegistry(pinFile)
  const inbox = join(settings.executor_dir, 'freezes', 'in')
  const own = { files, schemas, connectors, pins, pinFile, disk: nodeDisk, inbox }
  return await startExecutor(settings, deps, own)
}

/** The same with its own parts given: the simulator's disk and upstream, else the machine's. */
export async function startExecutor(
  settings: ExecutorSettings,
  deps: ExecutorRunDeps,
  own: ExecutorParts,
): Promise<RunningExecutor> {
  const { connectors, schemas } = own
  const claims = await openClaims(deps.link)
  const audits = await startAudits({ ...settings, ...deps })
  const tools = new ToolIndex(sha256, schemas)
  const catalogue = new Catalogue([...connectors.values()], tools)
  const heartbeat = new Heartbeat({ ...deps, bus: deps.link.bus })
  const policies = pinnedPolicies({ settings, deps, audits, own, catalogue })
  await policies.start()
  const auditOf = (tenant: TenantId): AuditWriter | undefined => audits.get(tenant)
  const freezes = await startFreezes({
    ...settings,
    ...deps,
    ...own,
    dir: join(ownDir(settings), 'freezes'),
    auditOf,
    sha256,
  })
  const follower = await followPins(own, { ...settings, ...deps, pins: own.pins, auditOf, sha256 })
  const agents = await followAgents({
    ...settings,
    ...deps,
    ...own,
    dir: join(ownDir(settings), 'agents'),
    auditOf,
    onChanged: () => catalogue.offer(),
    sha256,
  })
  const live = { policies, heartbeat, freezes, agents }
  const parts: Parts = { ...own, ...live, settings, deps, claims, audits, tools }
  const { executor, outbox, wal } = await assemble(parts)
  const registry = makeRegistry({ settings, deps, policies, agents })
  await catalogue.serve(registry)
  heartbeat.start()
  const stopRecording = recordKeyNews({
    book: deps.keySet,
    audits: [...audits.values()],
    actor: { kind: 'system', id: executorComponent(settings.profile) },
    log: deps.logger,
  })
  executor.listen()
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    await policies.stop()
    await freezes.stop()
    await follower?.stop()
    await agents.stop()
    await registry.stop()
    stopRecording()
    await executor.stop(STOP_GRACE_MS)
    await heartbeat.stop()
    await Promise.all([...connectors.values()].map((connector) => connector.stop()))
    await executor.settled()
    await outbox.close(STOP_GRACE_MS)
    await wal.close()
  }
  return {
    tools: () => tools.list().map(({ contract }) => contract.id),
    stop: async () => {
      stopped ??= stop()
      await stopped
    },
  }
}

interface Parts extends ExecutorParts {
  readonly settings: ExecutorSettings
  readonly deps: ExecutorRunDeps
  readonly claims: Claims
  readonly audits: ReadonlyMap<TenantId, AuditWriter>
  readonly tools: ToolIndex
  readonly policies: PinnedPolicies
  readonly heartbeat: Heartbeat
  readonly freezes: FreezeBook
  readonly agents: AgentBook
}

interface Assembled {
  readonly executor: Executor
  readonly outbox: ResultOutbox
  readonly wal: Wal
}

async function assemble(parts: Parts): Promise<Assembled> {
  const { settings, files, claims, audits, disk } = parts
  const { link, clock, logger, random, resultKey, trust } = parts.deps
  const { wal, remains } = await Wal.open(join(ownDir(settings), 'wal.ndjson'), clock.now(), disk)
  const outbox = new ResultOutbox({
    results: link.publisher({ stream: 'RESULTS' }),
    executions: link.records({ home: 'exd', bucket: 'executions' }),
    ...resultKey,
    keyFor: trust.keyFor({ role: 'result', component: executorComponent(settings.profile) }),
    sha256,
    clock,
    logger,
  })
  const own = new Set(remains.entered.map(({ action_id }) => action_id))
  await outbox.recover(settings.tenants, own)
  const auditOf = (tenant: TenantId): AuditWriter | undefined => audits.get(tenant)
  const safety = {
    secrets: files.credentials.secrets(),
    resultMaxBytesOf: limitsOf(files.manifests, settings),
  }
  const { connectors, tools } = parts
  const runner = new Runner({
    profile: settings.profile,
    connectors,
    journal: claims.journal,
    outbox,
    wal,
    auditOf,
    ...safety,
    sha256,
    clock,
    logger,
  })
  const executor = new Executor({
    profile: settings.profile,
    tenants: settings.tenants,
    bus: link.bus,
    admission: admissionDeps(parts),
    reading: { connectors, tools, ...safety, sha256, clock, logger },
    claiming: { ...claims, ...beliefs(parts), wal, auditOf, clock, random, sha256 },
    runner,
    outbox,
    auditOf,
    remains,
    max_running: settings.max_running,
    longestRunMs: timeoutsOf(files.manifests, settings),
    gate: new ToolGate({ atOnce: callsAtOnce(files.manifests), clock, logger }),
    logger,
  })
  return { executor, outbox, wal }
}

function ownDir({ own_dir, executor_dir }: ExecutorSettings): string {
  return own_dir ?? executor_dir
}

/** What is asked twice of each grant: whether it may still be believed, and nothing stands still. */
function beliefs({ deps, heartbeat, freezes }: Parts): BeatDeps & FreezeDeps {
  return {
    grantKeyFor: deps.trust.keyFor({ role: 'grant', component: 'gateway' }),
    liveness: heartbeat,
    freezes,
    freezesHeard: (tenant) => heartbeat.freezesHeard(tenant),
  }
}

function admissionDeps(parts: Parts): Omit<AdmissionDeps, 'tenants'> {
  const { settings, deps, files, tools, pins, policies } = parts
  return {
    ...beliefs(parts),
    profile: settings.profile,
    auditKeyFor: deps.trust.keyFor({ role: 'audit', component: 'gateway' }),
    hostKeyFor: deps.trust.keyFor({ role: 'host', component: 'host' }),
    tools,
    credentials: files.credentials,
    audit: deps.link.reader({ home: 'data', stream: 'AUDIT' }),
    floorOf: (tool) => files.floors.get(tool) ?? 0,
    approvalOrigin: settings.approval_origin,
    pins,
    policies,
    sha256,
    clock: deps.clock,
  }
}

interface ConnectorContext {
  readonly settings: ExecutorSettings
  readonly deps: ExecutorRunDeps
  readonly credentials: Credentials
  readonly schemas: SchemaCompiler
}

function makeConnectors(
  manifests: readonly ConnectorManifest[],
  context: ConnectorContext,
): ReadonlyMap<string, Connector> {
  return new Map(manifests.map((manifest) => [manifest.id, makeConnector(manifest, context)]))
}

function makeConnector(manifest: ConnectorManifest, context: ConnectorContext): Connector {
  const { settings, deps, credentials, schemas } = context
  const logger = deps.logger.with({ connector: manifest.id })
  const { clock } = deps
  const { profile, tool_timeout_ms } = settings
  const shared = { profile, tool_timeout_ms, credentials, schemas, clock, logger }
  if (manifest.kind === 'http') {
    return new HttpConnector({ ...shared, manifest, http: new NodeHttpClient() })
  }
  return new StdioConnector({
    ...shared,
    manifest,
    state_dir: settings.state_dir,
    modules_dir: settings.modules_dir,
    makeClient: (command, events) => new StdioMcpClient(command, events, logger),
  })
}

interface PolicyParts {
  readonly settings: ExecutorSettings
  readonly deps: ExecutorRunDeps
  readonly audits: ReadonlyMap<TenantId, AuditWriter>
  readonly own: ExecutorParts
  readonly catalogue: Catalogue
}

function pinnedPolicies({ settings, deps, audits, own, catalogue }: PolicyParts): PinnedPolicies {
  return new PinnedPolicies({
    tenants: settings.tenants,
    records: deps.link.records({ home: 'data', bucket: 'policies' }),
    dir: join(ownDir(settings), 'policies'),
    disk: own.disk,
    development: settings.development_policy,
    component: executorComponent(settings.profile),
    operatorKeyFor: deps.trust.keyFor({ role: 'operator' }),
    pins: own.pins,
    auditOf: (tenant) => audits.get(tenant),
    onChanged: () => catalogue.offer(),
    sha256,
    clock: deps.clock,
    logger: deps.logger,
  })
}

function makeRegistry({
  settings,
  deps,
  policies,
  agents,
}: Pick<Parts, 'settings' | 'deps' | 'policies' | 'agents'>): RegistryPublisher {
  return new RegistryPublisher({
    registry: deps.link.publisher({ stream: 'KV_tools' }),
    tenants: settings.tenants,
    profile: settings.profile,
    policyOf: (tenant) => policies.pinned(tenant),
    agentsOf: (tenant) => agents.vouched(tenant),
    ...deps.resultKey,
    sha256,
    clock: deps.clock,
    logger: deps.logger,
  })
}
