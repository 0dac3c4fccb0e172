import {
  type ActionId,
  actionEventShape,
  type JwsVerifier,
  type Profile,
  parseActionId,
  parseJson,
  parseSubject,
  readShape,
  subjectPattern,
  type TenantId,
} from '@trustgw/protocol'
import {
  AjvSchemaCompiler,
  type AuditWriter,
  type BusLink,
  type BusMessage,
  type Clock,
  type Delivery,
  type DeliveryOutcome,
  type Logger,
  type PublicKeys,
  type Random,
  type RecordStore,
  type SchemaCompiler,
  type StoredConsumer,
  type StoredPublisher,
  sha256,
} from '@trustgw/runtime'
import { ActionStore } from './action/action-store.ts'
import type { KnownActions } from './action/known-actions.ts'
import { Orchestrator } from './action/orchestrator.ts'
import { Outbound } from './action/outbound.ts'
import { Peers } from './action/peers.ts'
import { AgentDirectory } from './agents/agent-directory.ts'
import { CallRates } from './agents/call-rates.ts'
import { answerHost } from './approvals/answer-host.ts'
import type { FreezeView } from './decide/freeze-view.ts'
import type { PolicyFeed } from './decide/policy-source.ts'
import { Gateway } from './gateway.ts'
import type { GatewayApi } from './gateway-api.ts'
import { GrantIssuer } from './grant/grant-issuer.ts'
import type { GrantSigner } from './grant/grant-keys.ts'
import { ToolDirectory } from './registry/tool-directory.ts'
import { ToolQuarantine } from './registry/tool-quarantine.ts'
import { readResult } from './results/read-result.ts'

/** Results taken in at the same time. Those of one action wait for each other all the same. */
const RESULTS_AT_ONCE = 32

export interface StartGatewayDeps {
  readonly link: BusLink
  readonly tenants: readonly TenantId[]
  /** Account public key of each tenant's agents. */
  readonly agentAccounts: ReadonlyMap<TenantId, string>
  readonly keys: PublicKeys
  readonly grantKey: () => GrantSigner | undefined
  readonly audit: (tenant: TenantId) => AuditWriter
  readonly policy: PolicyFeed
  /** What stands still, as this gateway heard; the executors' own word is what counts. */
  readonly freezes: FreezeView
  /** Calls a changed tool without anybody having looked; development only. */
  readonly acceptsToolChanges?: boolean
  readonly clock: Clock
  readonly random: Random
  /** Which of several gateways this is, from 1. Default: it is the only one. */
  readonly peers?: { readonly instance: number; readonly count: number }
  /** Compiles the tools' schemas. Default Ajv. */
  readonly schemas?: SchemaCompiler
  readonly log: Logger
}

export interface RunningGateway {
  readonly api: GatewayApi
  readonly agents: AgentDirectory
  /** Of actions in this process: open, waiting for people, and waiting for their tool. */
  readonly counts: () => KnownActions['counts'] & { readonly quarantined: number }
  /** How many open actions were taken up at start. */
  readonly recovered: number
  stop(): Promise<void>
}

interface Directories {
  readonly tools: ToolDirectory
  readonly quarantine: ToolQuarantine
  /** Told of changed tools and agents once there is somebody to tell. */
  readonly changed: { tell: () => void }
  readonly agents: AgentDirectory
}

/** Starts the control plane on the bus; its faces are started by the caller. */
export async function startGateway(deps: StartGatewayDeps): Promise<RunningGateway> {
  const { link, log, keys, tenants } = deps
  const directories = makeDirectories(deps)
  const { tools, agents, quarantine, changed } = directories
  const store = new ActionStore(
    { actions: recordsOf(link, 'actions'), open: recordsOf(link, 'open_actions') },
    sha256,
  )
  const orchestrator = makeOrchestrator(deps, { ...directories, store })
  const api = new Gateway({
    ...directories,
    store,
    orchestrator,
    freezes: deps.freezes,
    rates: new CallRates(deps.clock),
    hasPolicy: () => tenants.every((tenant) => deps.policy.inForce(tenant) !== undefined),
    audit: deps.audit,
    bus: link.bus,
    sha256,
    clock: deps.clock,
    random: deps.random,
    log,
  })
  // Orders first: a tool that is released must not be taken as held.
  await quarantine.start()
  await Promise.all([tools.start(), agents.start()])
  // Before anything is taken up: without a policy it would be denied.
  await deps.policy.start((tenant) => tools.pinned(tenant))
  const takeUp = (): Promise<number> => orchestrator.recover(tenants, readId)
  const news = link.bus.listen(subjectPattern('ui_events'), (message) => {
    hear(message, orchestrator)
  })
  const recovered = await takeUp()
  changed.tell = () => orchestrator.lookAgain()
  orchestrator.lookAgain()
  const stopFreezes = deps.freezes.onChange(() => {
    orchestrator.lookAgain()
    // What was revoked for good is served no more.
    const revoked = tenants.filter((tenant) =>
      tools
        .list(tenant)
        .some(({ contract: { id } }) => deps.freezes.isRevoked(tenant, { tool: id })),
    )
    Promise.all(revoked.map((tenant) => tools.rebuild(tenant))).catch((error: unknown) => {
      log.warn('tools_not_judged', { error: String(error) })
    })
  })
  const peers = makePeers(deps, takeUp)
  peers?.start()
  const { bus } = link
  const decisions = answerHost({ bus, verdicts: orchestrator.verdicts, keys, log })
  const results = consumeResults(
    link.consumer({ home: 'data', stream: 'RESULTS', durable: 'gateway' }),
    { orchestrator, executorKeyFor: executorKeys(keys), log },
  )
  return {
    api,
    agents,
    counts: () => ({ ...orchestrator.known.counts, quarantined: tools.held }),
    recovered,
    stop: async () => {
      await Promise.all(decisions.map((one) => one.stop()))
      await results.stop()
      stopFreezes()
      await news.stop()
      await orchestrator.stop()
      await peers?.stop()
      await Promise.all([tools.stop(), quarantine.stop(), agents.stop(), deps.policy.stop()])
    },
  }
}

function readId(text: string): ActionId | undefined {
  const id = parseActionId(text)
  return id.ok ? id.value : undefined
}

function makePeers(deps: StartGatewayDeps, takeUp: () => Promise<number>): Peers | undefined {
  const { link, peers, clock, random, log } = deps
  if (peers === undefined || peers.count < 2) return undefined
  return new Peers({ ...peers, leases: recordsOf(link, 'leases'), takeUp, clock, random, log })
}

/** What another gateway made of an action, as portals hear it. It is a hint: what counts is stored. */
function hear({ subject, data }: BusMessage, orchestrator: Orchestrator): void {
  const at = parseSubject('ui_events', subject)
  const json = parseJson(data)
  const read = json.ok ? readShape(actionEventShape, json.value) : json
  if (at.ok && read.ok) orchestrator.heard(at.value.tenant, read.value.action_id, read.value)
}

function makeDirectories(deps: StartGatewayDeps): Directories {
  const { link, log, clock, keys, tenants } = deps
  const changed: Directories['changed'] = { tell: () => undefined }
  const quarantine = new ToolQuarantine({
    trust: recordsOf(link, 'tool_trust'),
    orders: recordsOf(link, 'tool_orders'),
    tenants,
    orderKeyFor: (kid) =>
      keys.keyFor({ role: 'host' })(kid) ?? keys.keyFor({ role: 'operator' })(kid),
    acceptsChanges: deps.acceptsToolChanges ?? false,
    audit: deps.audit,
    onOrder: (tenant) => tools.rebuild(tenant),
    sha256,
    clock,
    log,
  })
  const tools: ToolDirectory = new ToolDirectory({
    judge: async (tenant, contracts) => {
      const held = await quarantine.judge(tenant, contracts)
      const revoked = contracts.filter(({ id }) => deps.freezes.isRevoked(tenant, { tool: id }))
      return new Set([...held, ...revoked.map(({ id }) => id)])
    },
    onTools: () => changed.tell(),
    tools: recordsOf(link, 'tools'),
    tenants,
    executorKeyFor: executorKeys(keys),
    onPinned: (tenant) => {
      deps.policy.vouched(tenant).catch((error: unknown) => {
        log.warn('policy_not_read', { error: String(error) })
      })
    },
    schemas: deps.schemas ?? new AjvSchemaCompiler(),
    sha256,
    clock,
    log,
  })
  const agents = new AgentDirectory({
    agents: recordsOf(link, 'agents'),
    notices: recordsOf(link, 'agent_notices'),
    executors: tools,
    tenants,
    accountOf: deps.agentAccounts,
    operatorKeyFor: keys.keyFor({ role: 'operator' }),
    freezes: deps.freezes,
    onAgents: () => changed.tell(),
    sha256,
    clock,
    log,
  })
  return { tools, quarantine, changed, agents }
}

function makeOrchestrator(
  deps: StartGatewayDeps,
  parts: Directories & { readonly store: ActionStore },
): Orchestrator {
  const { link, log, clock, random, keys } = deps
  const ui: StoredPublisher = link.publisher({ stream: 'UI' })
  return new Orchestrator({
    ...parts,
    issuer: new GrantIssuer({ key: deps.grantKey, sha256, clock, random }),
    outbound: new Outbound({ bus: link.bus, ui, tools: parts.tools, sha256, clock, log }),
    audit: deps.audit,
    policy: (tenant) => deps.policy.inForce(tenant),
    freezes: deps.freezes,
    limits: recordsOf(link, 'limits'),
    unsettled: recordsOf(link, 'unsettled'),
    bus: link.bus,
    hostKeyFor: keys.keyFor({ role: 'host' }),
    sha256,
    clock,
    random,
    log,
  })
}

function recordsOf(link: BusLink, bucket: string): RecordStore {
  return link.records({ home: 'data', bucket })
}

/** The result keys of a profile's executors. */
function executorKeys(keys: PublicKeys) {
  return (profile: Profile, kid: string): JwsVerifier | undefined =>
    keys.keyFor({ role: 'result', component: `exec-${profile}` })(kid)
}

function consumeResults(
  consumer: StoredConsumer,
  deps: {
    readonly orchestrator: Orchestrator
    readonly executorKeyFor: (profile: Profile, kid: string) => JwsVerifier | undefined
    readonly log: Logger
  },
): { stop(): Promise<void> } {
  const take = async (delivery: Delivery): Promise<DeliveryOutcome> => {
    const result = readResult(delivery, { executorKeyFor: deps.executorKeyFor, sha256 })
    if (!result.ok) {
      // A result that is not genuine will not become so: it stays in the stream, unused.
      deps.log.warn('result_refused', { seq: delivery.seq, reason: result.reason })
      return 'ack'
    }
    await deps.orchestrator.resulted(result.value)
    return 'ack'
  }
  return consumer.consume(take, RESULTS_AT_ONCE)
}
