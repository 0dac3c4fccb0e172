import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ChannelSettings,
  type EnrolledMessage,
  type HostDeps,
  type HostKey,
  type HostSettings,
  type RunningHost,
  runHost,
} from '@trustgw/host'
import { createEnrolment } from '@trustgw/host/enrolment'
import {
  type ActionEvent,
  type ActionId,
  APPROVAL_DECISION_MAX_BYTES,
  APPROVAL_DECISION_TYP,
  type ApprovalDecision,
  type ApprovalDecisionAnswer,
  type ApprovalRequest,
  type ApproversClause,
  actionId,
  approvalDecisionShape,
  canonicalize,
  contractHash,
  type DecisionRecord,
  hashJson,
  hashText,
  isJsonObject,
  type Json,
  noPreconditionHash,
  parseJson,
  parseProfile,
  parseTenantId,
  readShape,
  type TenantId,
  type ToolContract,
  utf8Decode,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import {
  type AuditWriter,
  type BusLink,
  type BusSubscription,
  type Clock,
  generateSigningKey,
  type KeySetView,
  keyIdOf,
  MemoryBroker,
  nodeRandom,
  sha256,
  silentLogger,
  systemClock,
  verifierOf,
} from '@trustgw/runtime'
import { SoftwarePasskey } from './authenticator.ts'
import { type Freezes, openFreezes } from './freezes.ts'

export const RP_ID = 'localhost'

export function tenantOf(slug: string): TenantId {
  const tenant = parseTenantId(slug)
  if (!tenant.ok) throw new Error('tenant')
  return tenant.value
}

export const TENANT = tenantOf('acme')

/** A clock that runs, and can be set ahead. */
export class ShiftedClock implements Clock {
  #ahead = 0
  now(): number {
    return systemClock.now() + this.#ahead
  }
  uptime(): number {
    return systemClock.uptime()
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal)
  }
  setTimer(ms: number, callback: () => void): () => void {
    return systemClock.setTimer(ms, callback)
  }
  advance(ms: number): void {
    this.#ahead += ms
  }
}

export interface AuditLine {
  readonly type: string
  readonly actor: string
  readonly action: string | null
}

/** What the gateway's side of the bus saw, and what it answers. */
export interface GatewaySide {
  readonly link: BusLink
  readonly decisions: ApprovalDecision[]
  answer: (decision: ApprovalDecision) => Promise<ApprovalDecisionAnswer | undefined>
  /** Nobody answers any more, until `up`. */
  down(): Promise<void>
  up(): void
}

export interface World {
  readonly sessionKey: HostKey
  readonly origin: string
  readonly folder: string
  readonly clock: ShiftedClock
  readonly broker: MemoryBroker
  readonly gateway: GatewaySide
  readonly audit: AuditLine[]
  readonly enrolled: EnrolledMessage[]
  readonly signers: Signers
  readonly freezes: Freezes
  readonly deps: HostDeps
  readonly settings: HostSettings
  host: RunningHost
  /** What the host believes of keys; told to it when it is set. */
  keySet: KeySetView
  /** Makes recording fail while true. */
  auditDown: boolean
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
  enrolmentToken(person?: string, roles?: readonly string[], ttlMs?: number): Promise<string>
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface CallOptions {
  readonly body?: unknown
  readonly raw?: string | Buffer
  readonly cookies?: Record<string, string>
  readonly headers?: Record<string, string>
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly json: { readonly [name: string]: Json }
  /** Name to value, from Set-Cookie. */
  readonly cookies: Record<string, string>
}

export function newKey(role: string): HostKey {
  const key = generateSigningKey()
  const verify = verifierOf(key.publicKey)
  if (verify === undefined) throw new Error('key')
  return { kid: keyIdOf(role, key.publicKey), sign: key.sign, verify }
}

/** Keys of others that the host believes. */
export interface Signers {
  readonly operator: HostKey
  readonly gatewayAudit: HostKey
  readonly executor: HostKey
}

export const newSigners = (): Signers => ({
  operator: newKey('operator'),
  gatewayAudit: newKey('audit'),
  executor: newKey('result'),
})

/** What the host reads of policy, over one link. */
export function policyDeps(
  link: BusLink,
  { operator, gatewayAudit, executor }: Signers,
): Pick<HostDeps, 'policies' | 'policyStatus' | 'tools' | 'actions' | 'trust'> {
  const only =
    ({ kid, verify }: HostKey) =>
    (wanted: string) =>
      wanted === kid ? verify : undefined
  return {
    policies: link.records({ home: 'data', bucket: 'policies' }),
    policyStatus: link.records({ home: 'data', bucket: 'policy_status' }),
    tools: link.records({ home: 'data', bucket: 'tools' }),
    actions: link.reader({ home: 'data', stream: 'KV_actions' }),
    trust: {
      operatorKeyFor: only(operator),
      gatewayAuditKeyFor: only(gatewayAudit),
      executorKeyFor: (profile, kid) => (profile === 'connector' ? only(executor)(kid) : undefined),
    },
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

export async function startWorld(
  channels: ChannelSettings = {},
  changed: (port: number) => Partial<HostSettings> = () => ({}),
): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'trustgw-host-'))
  const port = await freePort()
  const origin = `http://localhost:${port}`
  await portalFiles(join(folder, 'web'))
  const broker = new MemoryBroker({ logger: silentLogger })
  const link = broker.link()
  const clock = new ShiftedClock()
  const audit: AuditLine[] = []
  const enrolled: EnrolledMessage[] = []
  const hostKey = newKey('host')
  const sessionKey = newKey('session')
  const signers = newSigners()
  const settings: HostSettings = {
    tenant: TENANT,
    listen: { hostname: '127.0.0.1', port },
    origin,
    rpId: RP_ID,
    busUrl: 'ws://localhost:9222',
    portalFolder: join(folder, 'web'),
    enrolmentsFolder: join(folder, 'enrolments'),
    installationFile: join(folder, 'installation.json'),
    version: '0.1.0',
    channels,
    ...changed(port),
  }
  const state: Pick<World, 'auditDown' | 'keySet'> & { newsOfKeys: () => void } = {
    auditDown: false,
    keySet: { epoch: 1, signed_by: 'operator', keys: [] },
    newsOfKeys: () => undefined,
  }
  const freezes = await openFreezes(link, folder, { ...signers, tenant: TENANT, host: hostKey })
  const deps: HostDeps = {
    ...freezes,
    bus: link.bus,
    acl: link.records({ home: 'data', bucket: 'acl' }),
    approvals: link.records({ home: 'data', bucket: 'approvals' }),
    sessions: link.records({ home: 'data', bucket: 'sessions' }),
    channelMessages: link.records({ home: 'data', bucket: 'channel_messages' }),
    unsettled: link.records({ home: 'data', bucket: 'unsettled' }),
    toolTrust: link.records({ home: 'data', bucket: 'tool_trust' }),
    toolOrders: link.records({ home: 'data', bucket: 'tool_orders' }),
    uiEvents: link.reader({ home: 'data', stream: 'UI' }),
    ...policyDeps(link, signers),
    clock,
    random: nodeRandom,
    log: silentLogger,
    audit: auditInto(audit, state),
    hostKey,
    sessionKey,
    keys: {
      view: () => state.keySet,
      onNews: (listener) => {
        state.newsOfKeys = listener
        return () => undefined
      },
    },
    tickets: { issue: () => ({ jwt: 'eyJ.bus.ticket', inboxPrefix: '_INBOX.person-x' }) },
    onEnrolled: (message) => enrolled.push(message),
  }
  const gateway = gatewaySide(broker, hostKey)
  const world: World = {
    origin,
    signers,
    sessionKey,
    freezes,
    folder,
    clock,
    broker,
    gateway,
    audit,
    enrolled,
    deps,
    settings,
    host: await runHost(settings, deps),
    get keySet() {
      return state.keySet
    },
    set keySet(next) {
      state.keySet = next
      state.newsOfKeys()
    },
    get auditDown() {
      return state.auditDown
    },
    set auditDown(down) {
      state.auditDown = down
    },
    call: (method, path, options) => call({ port, origin, method, path }, options ?? {}),
    enrolmentToken: async (person = 'ann', roles = ['admin', 'approver'], ttlMs = 60_000) => {
      const { enrolmentsFolder } = settings
      const now = clock.now()
      const made = { folder: enrolmentsFolder, tenant: TENANT, person, roles, now, ttlMs }
      return (await createEnrolment({ ...made, random: nodeRandom })).token
    },
    restart: async () => {
      await world.host.stop()
      world.host = await runHost(settings, deps)
    },
    stop: async () => {
      await world.host.stop()
      await freezes.book.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
  return world
}

async function portalFiles(folder: string): Promise<void> {
  await mkdir(join(folder, 'assets'), { recursive: true })
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>portal</title>')
  await writeFile(join(folder, 'approve.html'), '<!doctype html><title>approval</title>')
  await writeFile(join(folder, 'assets', 'index-Ab12Cd34.js'), 'export {}')
  await writeFile(join(folder, 'assets', 'large-Ab12Cd34.js'), 'export {}\n'.repeat(500))
  await writeFile(join(folder, 'mark.svg'), '<svg/>')
  await writeFile(join(folder, '.secret'), 'secret')
  await writeFile(join(folder, '..', 'outside.txt'), 'outside')
}

function auditInto(lines: AuditLine[], state: { readonly auditDown: boolean }): AuditWriter {
  return {
    append: (type, fields) => {
      if (state.auditDown) {
        return Promise.reject(Object.assign(new Error('down'), { code: 'audit_not_stored' }))
      }
      lines.push({ type, actor: fields.actor.id, action: fields.action_id ?? null })
      // The host uses nothing of what comes back but that it came.
      return Promise.resolve({ stored: { stream: 'AUDIT', seq: lines.length } } as never)
    },
  }
}

function gatewaySide(broker: MemoryBroker, hostKey: HostKey): GatewaySide {
  const link = broker.link()
  let subscription: BusSubscription | undefined
  const side: GatewaySide = {
    link,
    decisions: [],
    down: async () => {
      await subscription?.stop()
    },
    up: () => {
      subscription = serve(side, hostKey)
    },
    answer: (decision) =>
      Promise.resolve({
        status: 'accepted',
        state: decision.verdict === 'approve' ? 'authorized' : 'denied',
      }),
  }
  side.up()
  return side
}

function serve(side: GatewaySide, hostKey: HostKey): BusSubscription {
  return side.link.bus.respond(`approval.v1.${TENANT}.decision`, {}, async ({ data }) => {
    const token = utf8Decode(data)
    const verified = verifyJws(token.ok ? token.value : '', {
      typ: APPROVAL_DECISION_TYP,
      maxBytes: APPROVAL_DECISION_MAX_BYTES,
      keyFor: (kid) => (kid === hostKey.kid ? hostKey.verify : undefined),
    })
    if (!verified.ok) throw new Error(verified.reason)
    const decision = readShape(approvalDecisionShape, verified.value.payload)
    if (!decision.ok) throw new Error(decision.detail)
    side.decisions.push(decision.value)
    const answer = await side.answer(decision.value)
    return answer === undefined ? undefined : utf8Encode(canonicalize({ ...answer }))
  })
}

export interface CallTarget {
  readonly port: number
  readonly origin: string
  readonly method: string
  readonly path: string
}

/** A request on the wire as it is written here: `fetch` would not let Host and path be wrong. */
export function call(target: CallTarget, options: CallOptions): Promise<Answer> {
  const writing = target.method !== 'GET' && target.method !== 'HEAD'
  const body =
    options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
  const cookie = Object.entries(options.cookies ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join('; ')
  const headers: Record<string, string> = {
    host: `localhost:${target.port}`,
    ...(writing ? { origin: target.origin, 'content-type': 'application/json' } : {}),
    ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...(cookie === '' ? {} : { cookie }),
    ...options.headers,
  }
  return new Promise((resolve, reject) => {
    const { method, path, port } = target
    const sent = httpRequest(
      { host: '127.0.0.1', port, method, path, headers, agent: false },
      (got) => {
        const parts: Buffer[] = []
        got.on('data', (part: Buffer) => parts.push(part))
        got.on('error', reject)
        got.on('end', () => {
          const received = Buffer.concat(parts).toString()
          const parsed = parseJson(received, { maxBytes: 8_000_000 })
          const json = parsed.ok && isJsonObject(parsed.value) ? parsed.value : {}
          const status = got.statusCode ?? 0
          resolve({
            status,
            headers: got.headers,
            text: received,
            json,
            cookies: cookiesOf(got.headers),
          })
        })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

function cookiesOf(headers: IncomingHttpHeaders): Record<string, string> {
  const pairs = (headers['set-cookie'] ?? []).map((line) => {
    const [pair = ''] = line.split(';')
    const equals = pair.indexOf('=')
    return [pair.slice(0, equals), pair.slice(equals + 1)] as const
  })
  return Object.fromEntries(pairs)
}

/** Follows a path of members; a missing one fails the test. */
export function at(value: Json, ...path: readonly string[]): Json {
  let here = value
  for (const name of path) {
    const next = isJsonObject(here) ? here[name] : undefined
    if (next === undefined) throw new Error(`no ${path.join('.')}`)
    here = next
  }
  return here
}

export function text(value: Json, ...path: readonly string[]): string {
  const found = at(value, ...path)
  if (typeof found !== 'string') throw new Error(`${path.join('.')} is no text`)
  return found
}

export interface SignedIn {
  readonly person: string
  readonly login: SoftwarePasskey
  readonly approval: SoftwarePasskey
  readonly cookies: Record<string, string>
}

/** Goes through the whole enrolment as a browser would. */
export async function enrol(
  world: World,
  person = 'ann',
  roles: readonly string[] = ['admin', 'approver'],
): Promise<SignedIn> {
  return await enrolBy(world, person, await world.enrolmentToken(person, roles))
}

/** The same by a link that somebody gave. */
export async function enrolBy(world: World, person: string, token: string): Promise<SignedIn> {
  const begun = await world.call('POST', '/api/enrolment/begin', {
    body: { token, name: 'Ann Example' },
  })
  if (begun.status !== 200) throw new Error(`enrolment: ${begun.text}`)
  const login = passkeyFor(world, begun.json, 'login_options')
  const ceremony = text(begun.json, 'ceremony')
  const second = await world.call('POST', '/api/enrolment/login', {
    body: { ceremony, response: login.register(text(begun.json, 'login_options', 'challenge')) },
  })
  const approval = passkeyFor(world, second.json, 'approval_options')
  const done = await world.call('POST', '/api/enrolment/finish', {
    body: {
      ceremony,
      response: approval.register(text(second.json, 'approval_options', 'challenge')),
    },
  })
  if (done.status !== 200) throw new Error(`enrolment: ${done.text}`)
  return { person, login, approval, cookies: done.cookies }
}

export function passkeyFor(world: World, json: Json, member: string): SoftwarePasskey {
  const handle = Buffer.from(text(json, member, 'user', 'id'), 'base64url').toString()
  return new SoftwarePasskey(world.origin, RP_ID, handle)
}

const profile = parseProfile('connector')

export const CONTRACT: ToolContract = {
  id: 'shop.refund',
  version: '1.0.0',
  title: 'Refund',
  description: 'Pays money back.',
  input_schema: { type: 'object' },
  output_schema: null,
  operation: 'transfer',
  category: null,
  bundle: 'shop',
  tags: [],
  skill_level: null,
  amount: { kind: 'none' },
  precondition: null,
  egress: [],
  profile: profile.ok ? profile.value : ('' as never),
  credential_ref: 'shop',
  digest: 'sha256:x',
}

export interface RequestOptions {
  readonly tier?: 1 | 2
  readonly roles?: readonly string[]
  readonly quorum?: number
  /** Instead of `roles` and `quorum`. */
  readonly approvers?: readonly ApproversClause[]
  readonly onBehalfOf?: string | null
  readonly channels?: readonly string[]
  readonly decideInMs?: number
  readonly id?: ActionId
}

/** A request as a gateway would make it; everything in it fits. */
export function approvalRequest(
  world: { readonly clock: Clock },
  options: RequestOptions = {},
): ApprovalRequest {
  const now = world.clock.now()
  const id = options.id ?? actionId(nodeRandom.bytes(16))
  const args = canonicalize({ order: 'o-1', cents: 25_000 })
  const decision: DecisionRecord = {
    typ: 'trustgw/decision/1',
    action_id: id,
    tenant: TENANT,
    workspace: 'default',
    principal: { tenant: TENANT, issuer: 'api-key', client: 'k1', subject: 'agent-1' },
    on_behalf_of: options.onBehalfOf ?? null,
    tool_id: CONTRACT.id,
    contract_hash: contractHash(sha256, CONTRACT),
    input_hash: hashText(sha256, args),
    effect: 'require_approval',
    tier: options.tier ?? 2,
    rule_id: 'refunds',
    reason: 'refunds above 100 EUR',
    obligations: {
      grant_ttl_ms: 30_000,
      approval_ttl_ms: 600_000,
      approvers: options.approvers ?? [{ roles: options.roles ?? [], quorum: options.quorum ?? 1 }],
      channels: options.channels ?? [],
    },
    policy_fingerprint: hashJson(sha256, 'policy'),
    policy_epoch: 1,
    facts: [],
    unknown: [],
    decided_at: now,
  }
  return {
    v: 1,
    action_id: id,
    tenant: TENANT,
    source: 'mcp',
    contract: CONTRACT,
    arguments: args,
    precondition: null,
    precondition_hash: noPreconditionHash(sha256),
    decision,
    requested_at: now,
    decide_by: now + (options.decideInMs ?? 600_000),
    run_by: now + (options.decideInMs ?? 600_000) + 60_000,
  }
}

/** Sends a request as the gateway; gives the host's answer. */
export async function ask(world: World, request: unknown): Promise<{ readonly [n: string]: Json }> {
  const data = utf8Encode(JSON.stringify(request))
  const subject = `approval.v1.${TENANT}.request`
  const answer = await world.gateway.link.bus.request(subject, data, { timeoutMs: 3_000 })
  const parsed = parseJson(answer)
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error('answer')
  return parsed.value
}

export function actionEvent(request: ApprovalRequest, change: Partial<ActionEvent>): ActionEvent {
  return {
    v: 1,
    action_id: request.action_id,
    revision: 1,
    tenant: TENANT,
    state: 'pending_approval',
    tool_id: CONTRACT.id,
    operation: 'transfer',
    source: 'mcp',
    agent: 'agent-1',
    on_behalf_of: null,
    tier: 2,
    rule_id: 'refunds',
    reason: 'refunds above 100 EUR',
    amount: '250.00 EUR',
    proposed_at: request.requested_at,
    at: request.requested_at,
    decide_by: request.decide_by,
    ...change,
  }
}

/** An event as the gateway's projector stores it. */
export async function tell(
  world: World,
  request: ApprovalRequest,
  change: Partial<ActionEvent>,
): Promise<void> {
  const event = actionEvent(request, change)
  await world.gateway.link
    .publisher({ stream: 'UI' })
    .publishStored(`ui.v1.${TENANT}.events`, utf8Encode(canonicalize({ ...event })), {
      msgId: `${event.action_id}-${event.revision}`,
    })
}

/** Waits until a condition holds; a test that waits in vain fails. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 5_000
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('waited in vain')
    await systemClock.sleep(10)
  }
}
