import {
  APPROVAL_DECISION_MAX_BYTES,
  APPROVAL_DECISION_TYP,
  type ApprovalDecisionAnswer,
  approvalDecisionShape,
  canonicalize,
  type JwsSigner,
  type JwsVerifier,
  type Profile,
  parseActionId,
  parseSubject,
  readShape,
  subjectPattern,
  type TenantId,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import {
  AjvSchemaCompiler,
  type AuditWriter,
  type BusLink,
  type BusRequest,
  type Clock,
  type DeliveryOutcome,
  type Logger,
  type PublicKeys,
  type Random,
  type RecordStore,
  type StoredConsumer,
  type StoredPublisher,
  sha256,
} from '@trustgw/runtime'
import { ActionStore } from './action/action-store.ts'
import { Orchestrator } from './action/orchestrator.ts'
import { Outbound } from './action/outbound.ts'
import { AgentDirectory } from './agents/agent-directory.ts'
import type { PolicyInForce } from './decide/evaluator.ts'
import { Gateway } from './gateway.ts'
import type { GatewayApi } from './gateway-api.ts'
import { GrantIssuer } from './grant/grant-issuer.ts'
import { ToolDirectory } from './registry/tool-directory.ts'
import { readResult } from './results/read-result.ts'

export interface StartGatewayDeps {
  readonly link: BusLink
  readonly tenants: readonly TenantId[]
  /** Account public key of each tenant's agents. */
  readonly agentAccounts: ReadonlyMap<TenantId, string>
  readonly keys: PublicKeys
  readonly grantKey: { readonly kid: string; readonly sign: JwsSigner }
  readonly audit: (tenant: TenantId) => AuditWriter
  readonly policy: PolicyInForce
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface RunningGateway {
  readonly api: GatewayApi
  readonly agents: AgentDirectory
  /** How many open actions were taken up at start. */
  readonly recovered: number
  stop(): Promise<void>
}

/** Starts the control plane on the bus; its faces are started by the caller. */
export async function startGateway(deps: StartGatewayDeps): Promise<RunningGateway> {
  const { link, log, clock, random, keys, tenants } = deps
  const executorKeyFor = (profile: Profile, kid: string): JwsVerifier | undefined =>
    keys.keyFor({ role: 'result', component: `exec-${profile}` })(kid)
  const data = (bucket: string): RecordStore => link.records({ home: 'data', bucket })
  const tools = new ToolDirectory({
    tools: data('tools'),
    tenants,
    executorKeyFor,
    schemas: new AjvSchemaCompiler(),
    sha256,
    log,
  })
  const agents = new AgentDirectory({
    agents: data('agents'),
    tenants,
    accountOf: deps.agentAccounts,
    operatorKeyFor: keys.keyFor({ role: 'operator' }),
    sha256,
    log,
  })
  const store = new ActionStore({ actions: data('actions'), open: data('open_actions') }, sha256)
  const ui: StoredPublisher = link.publisher({ stream: 'UI' })
  const outbound = new Outbound({ bus: link.bus, ui, tools, sha256, clock, log })
  const issuer = new GrantIssuer({ ...deps.grantKey, sha256, clock, random })
  const orchestrator = new Orchestrator({
    store,
    tools,
    agents,
    issuer,
    outbound,
    audit: deps.audit,
    policy: () => deps.policy,
    hostKeyFor: keys.keyFor({ role: 'host' }),
    sha256,
    clock,
    log,
  })
  const api = new Gateway({
    store,
    orchestrator,
    tools,
    agents,
    audit: deps.audit,
    bus: link.bus,
    sha256,
    clock,
    random,
    log,
  })
  await Promise.all([tools.start(), agents.start()])
  const decisions = link.bus.respond(
    subjectPattern('approval_decision'),
    { queue: 'gateway' },
    (request) => answerDecision(request, orchestrator, keys, log),
  )
  const results = consumeResults(
    link.consumer({ home: 'data', stream: 'RESULTS', durable: 'gateway' }),
    {
      orchestrator,
      executorKeyFor,
      log,
    },
  )
  const recovered = await orchestrator.recover(tenants, (text) => {
    const id = parseActionId(text)
    return id.ok ? id.value : undefined
  })
  return {
    api,
    agents,
    recovered,
    stop: async () => {
      await decisions.stop()
      await results.stop()
      await orchestrator.stop()
      await Promise.all([tools.stop(), agents.stop()])
    },
  }
}

async function answerDecision(
  request: BusRequest,
  orchestrator: Orchestrator,
  keys: PublicKeys,
  log: Logger,
): Promise<Uint8Array | undefined> {
  if (!request.replyExpected) return undefined
  const at = parseSubject('approval_decision', request.subject)
  const verified = verifyJws(new TextDecoder().decode(request.data), {
    typ: APPROVAL_DECISION_TYP,
    maxBytes: APPROVAL_DECISION_MAX_BYTES,
    keyFor: keys.keyFor({ role: 'host' }),
  })
  const read = verified.ok ? readShape(approvalDecisionShape, verified.value.payload) : verified
  if (!at.ok || !read.ok || read.value.tenant !== at.value.tenant) {
    log.warn('approval_decision_refused', { reason: read.ok ? 'tenant' : read.reason })
    return answer({ status: 'refused', code: 'decision_not_genuine' })
  }
  return answer(await orchestrator.decided(read.value))
}

function answer(value: ApprovalDecisionAnswer): Uint8Array {
  return utf8Encode(canonicalize({ ...value }))
}

function consumeResults(
  consumer: StoredConsumer,
  deps: {
    readonly orchestrator: Orchestrator
    readonly executorKeyFor: (profile: Profile, kid: string) => JwsVerifier | undefined
    readonly log: Logger
  },
): { stop(): Promise<void> } {
  return consumer.consume(async (delivery): Promise<DeliveryOutcome> => {
    const result = readResult(delivery, { executorKeyFor: deps.executorKeyFor, sha256 })
    if (!result.ok) {
      // A result that is not genuine will not become so: it stays in the stream, unused.
      deps.log.warn('result_refused', { seq: delivery.seq, reason: result.reason })
      return 'ack'
    }
    await deps.orchestrator.resulted(result.value)
    return 'ack'
  })
}
