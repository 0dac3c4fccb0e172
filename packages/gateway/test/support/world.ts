import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { compilePolicy, joinLayers, parsePolicy } from '@trustgw/core'
import {
  type ActionId,
  type ActionView,
  AGENT_RECORD_TYP,
  type AgentRecord,
  type AuditEvent,
  agentRecordJson,
  auditEventShape,
  formatApiKey,
  type Hash,
  hashText,
  type JsonObject,
  type Profile,
  parseJson,
  readShape,
  signJws,
  storedKey,
  type TenantId,
  TOOL_REGISTRY_TYP,
  type ToolContract,
  toolRegistryJson,
  utf8Encode,
} from '@trustgw/protocol'
import {
  AuditFault,
  type AuditWriter,
  type BusLink,
  executorCrossings,
  type Logger,
  ManualClock,
  MemoryBroker,
  nodeRandom,
  type RecordStore,
  sha256,
  silentLogger,
  startAuditWriter,
} from '@trustgw/runtime'
import { type ActionRecord, readActionRecord } from '../../src/action/action-record.ts'
import type { Caller } from '../../src/agents/caller.ts'
import type { PolicyInForce } from '../../src/decide/evaluator.ts'
import type { PolicyFeed } from '../../src/decide/policy-source.ts'
import type { CallOutcome } from '../../src/gateway-api.ts'
import { type RunningGateway, startGateway } from '../../src/start-gateway.ts'
import { ExecutorDouble } from './executor-double.ts'
import { FreezesDouble } from './freezes-double.ts'
import { HostDouble } from './host-double.ts'
import {
  ACME,
  CONNECTOR,
  CONTRACTS,
  GATEWAY_COMPONENT,
  type KeyName,
  must,
  NOW,
  POLICY,
  SHELL,
  TestKeys,
} from './keys.ts'
import { type Life, watchedLink } from './watched-link.ts'

/** What the record does with events of one type: stores them, unless told otherwise. */
export type AuditManner = 'fail' | 'hang' | 'late'
const LATE_MS = 31_000

const SECRET = 'A'.repeat(43)

export function policyOf(text: string, epoch = 1): PolicyInForce {
  const parsed = parsePolicy(text, { file: 'policy.toml' })
  assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.findings))
  const layers = joinLayers([compilePolicy(parsed.value, sha256)], sha256)
  return { epoch, layersFor: () => layers }
}

/** A policy that does not change while a gateway runs. */
export function fixedPolicy(policy: PolicyInForce | undefined): PolicyFeed {
  const nothing = (): Promise<void> => Promise.resolve()
  return { inForce: () => policy, start: nothing, vouched: nothing, stop: nothing }
}

export function agentRecord(more: Partial<AgentRecord> = {}): AgentRecord {
  return {
    v: 1,
    tenant: ACME,
    key_id: 'aaaaaaaaaaaaaaaa',
    agent: 'bot',
    title: 'Bot',
    on_behalf_of: null,
    workspace: 'main',
    secret_hash: hashText(sha256, SECRET),
    nkey: null,
    status: 'active',
    created_at: 1,
    changed_at: 1,
    ...more,
  }
}

export function apiKey(record: Pick<AgentRecord, 'tenant' | 'key_id'>, secret = SECRET): string {
  return formatApiKey({ tenant: record.tenant, key_id: record.key_id, secret })
}

/** A gateway on a bus in memory, with doubles of executor and host, a clock that stands still. */
export class World {
  readonly keys = new TestKeys()
  readonly clock = new ManualClock(NOW)
  readonly broker = new MemoryBroker({ logger: silentLogger, profiles: ['connector', 'shell'] })
  readonly links = this.broker.link()
  readonly executor = this.#executor(CONNECTOR)
  readonly shell = this.#executor(SHELL)
  readonly host = new HostDouble(this.broker.link(), this.keys)
  /** Everything in the order in which it happened: events stored, states stored, grants sent. */
  readonly journal: string[] = []
  readonly audit = new Map<string, AuditManner>()
  policy: PolicyInForce | undefined = policyOf(POLICY)
  /** What a gateway that starts next believes. */
  freezes = new FreezesDouble()
  acceptsToolChanges = false
  log: Logger = silentLogger
  /** Called before a state is stored; a throw is the store's fault. */
  onStore: (record: ActionRecord) => void | Promise<void> = () => undefined
  /** Called after a state was stored; a throw is an answer that was lost. */
  afterStore: (record: ActionRecord) => void | Promise<void> = () => undefined
  readonly #gateways = new Map<RunningGateway, Started>()
  #started = 0

  /** A world with one tenant, its tools, one agent, and nothing running but the doubles. */
  static async open(t: TestContext): Promise<World> {
    const world = new World()
    await world.serve(CONTRACTS)
    await world.enlist(agentRecord())
    world.executor.start()
    world.host.start(ACME)
    t.after(() => world.#close())
    return world
  }

  async gateway(tenants: readonly TenantId[] = [ACME]): Promise<RunningGateway> {
    const life: Life = { dead: false }
    const link = watchedLink(this.broker.link(), { life, watch: this })
    this.#started += 1
    const instance = `g${this.#started}`
    const audit = this.#gated(await this.#chain(link, instance))
    const { policy } = this
    const running = await startGateway({
      link,
      tenants,
      agentAccounts: new Map([[ACME, 'ACME_ACCOUNT']]),
      keys: this.keys.public,
      grantKey: () => ({ kid: 'grant', sign: this.keys.of.grant.sign }),
      audit: () => audit,
      policy: fixedPolicy(policy),
      freezes: this.freezes,
      acceptsToolChanges: this.acceptsToolChanges,
      clock: this.clock,
      random: nodeRandom,
      log: this.log,
    })
    this.#gateways.set(running, { link, life })
    return running
  }

  async stop(gateway: RunningGateway): Promise<void> {
    this.#gateways.delete(gateway)
    await this.run(gateway.stop())
  }

  /** As if its process were killed: from now on nothing that it does reaches anybody. */
  kill(gateway: RunningGateway): void {
    const started = this.#gateways.get(gateway)
    assert.ok(started !== undefined)
    started.life.dead = true
    this.#gateways.delete(gateway)
    void started.link.bus.drain()
  }

  caller(gateway: RunningGateway, key = apiKey(agentRecord())): Caller {
    const caller = gateway.api.authenticate(key, 'rest')
    assert.ok(caller !== undefined, 'the caller is not known')
    return caller
  }

  /** Resolves with the work, while time goes on. */
  async run<T>(work: Promise<T>, stepMs = 5): Promise<T> {
    const state = { done: false }
    const over = work.finally(() => {
      state.done = true
    })
    over.catch(() => undefined)
    while (!state.done) {
      await pause(1)
      if (!state.done) this.clock.advance(stepMs)
    }
    return over
  }

  /** Waits for something to become true, while time goes on. */
  async until(what: string, holds: () => boolean | Promise<boolean>, stepMs = 5): Promise<void> {
    const end = performance.now() + 10_000
    while (!(await holds())) {
      assert.ok(performance.now() < end, `never came: ${what}`)
      await pause(1)
      this.clock.advance(stepMs)
    }
  }

  /** Lets everything that can happen without time happen, and a little time as well. */
  async idle(ms = 100): Promise<void> {
    for (let spent = 0; spent < ms; spent += 10) {
      await pause(1)
      this.clock.advance(10)
    }
  }

  propose(
    gateway: RunningGateway,
    tool: string,
    args: JsonObject,
    more: { readonly key?: string; readonly holdMs?: number; readonly caller?: Caller } = {},
  ): Promise<CallOutcome> {
    const call = { tool, arguments: args, client_key: more.key ?? null }
    const hold = { ms: more.holdMs ?? 0 }
    return this.run(gateway.api.propose(more.caller ?? this.caller(gateway), call, hold))
  }

  async accepted(
    gateway: RunningGateway,
    tool: string,
    args: JsonObject,
    more: { readonly key?: string; readonly holdMs?: number; readonly caller?: Caller } = {},
  ): Promise<ActionView> {
    return must(await this.propose(gateway, tool, args, more))
  }

  async view(gateway: RunningGateway, id: ActionId): Promise<ActionView> {
    return must(await gateway.api.get(this.caller(gateway), id, { ms: 0 }))
  }

  async reaches(id: ActionId, status: string, stepMs = 5): Promise<void> {
    let last = ''
    const there = async (): Promise<boolean> => {
      last = (await this.record(id)).state.kind
      return last === status
    }
    await this.until(`${id} to be ${status}`, there, stepMs).catch((error: unknown) => {
      throw new Error(`${String(error)}; it is ${last}`)
    })
  }

  async record(id: ActionId): Promise<ActionRecord> {
    const found = await this.records('actions').get(`acme.${storedKey(sha256, 'a', id)}`)
    assert.ok(found !== undefined, `no action ${id}`)
    return must(readActionRecord(found.value))
  }

  records(bucket: string): RecordStore {
    return this.links.records({ home: 'data', bucket })
  }

  async openActions(): Promise<number> {
    return (await this.records('open_actions').list('acme')).length
  }

  /** Audit events as they are stored, in order. */
  async events(id?: ActionId): Promise<readonly AuditEvent[]> {
    const reader = this.links.reader({ home: 'data', stream: 'AUDIT' })
    const events: AuditEvent[] = []
    for (let seq = 1; ; seq += 1) {
      const message = await reader.getBySeq(seq)
      if (message === undefined) break
      events.push(must(readShape(auditEventShape, must(parseJson(message.data)))))
    }
    return events.filter(({ action_id }) => id === undefined || action_id === id)
  }

  async types(id: ActionId): Promise<readonly string[]> {
    return (await this.events(id)).map(({ type }) => type)
  }

  /** Publishes what a profile serves, as its executor would. */
  async serve(
    tools: readonly ToolContract[],
    of: {
      readonly profile?: Profile
      readonly key?: KeyName
      readonly tenant?: TenantId
      readonly at?: string
      readonly agents?: readonly Hash[]
    } = {},
  ): Promise<void> {
    const { profile = CONNECTOR, tenant = ACME } = of
    const kid = of.key ?? (profile === CONNECTOR ? 'connector' : 'shell')
    const payload = toolRegistryJson({
      v: 1,
      tenant,
      profile,
      policy: null,
      published_at: this.clock.now(),
      agents: of.agents ?? [],
      bundles: [{ id: 'shop', title: 'Shop', description: 'The shop' }],
      tools,
    })
    const token = signJws({ typ: TOOL_REGISTRY_TYP, kid, payload }, this.keys.of[kid].sign)
    await put(this.records('tools'), of.at ?? `${tenant}.${profile}`, utf8Encode(token))
  }

  async enlist(record: AgentRecord, key: KeyName = 'operator', at?: string): Promise<void> {
    const payload = agentRecordJson(record)
    const token = signJws({ typ: AGENT_RECORD_TYP, kid: key, payload }, this.keys.of[key].sign)
    await put(this.records('agents'), at ?? `${record.tenant}.${record.key_id}`, utf8Encode(token))
  }

  #executor(profile: Profile): ExecutorDouble {
    const double = new ExecutorDouble({
      link: this.broker.link({ crossings: executorCrossings(profile) }),
      keys: this.keys,
      profile,
      kid: profile === CONNECTOR ? 'connector' : 'shell',
      onInvoke: () => this.journal.push('invoke'),
    })
    double.now = () => this.clock.now()
    return double
  }

  async #chain(link: BusLink, instance: string): Promise<AuditWriter> {
    return await startAuditWriter({
      tenant: ACME,
      component: GATEWAY_COMPONENT,
      instance,
      kid: 'audit',
      sign: this.keys.of.audit.sign,
      sha256,
      clock: this.clock,
      random: nodeRandom,
      bus: link.bus,
      publisher: link.publisher({ stream: 'AUDIT' }),
      reader: link.reader({ home: 'data', stream: 'AUDIT' }),
      keyFor: this.keys.public.keyFor({ role: 'audit' }),
    })
  }

  #gated(writer: AuditWriter): AuditWriter {
    return {
      append: async (type, fields) => {
        const manner = this.audit.get(type) ?? this.audit.get('*')
        if (manner === 'fail') throw new AuditFault('audit_not_stored', type)
        if (manner === 'hang') return new Promise(() => undefined)
        if (manner === 'late') this.clock.advance(LATE_MS)
        const stored = await writer.append(type, fields)
        this.journal.push(`audit ${type}`)
        return stored
      },
    }
  }

  async #close(): Promise<void> {
    this.audit.clear()
    this.executor.manner = 'run'
    for (const gateway of this.#gateways.keys()) await this.run(gateway.stop())
    await Promise.all([this.executor.stop(), this.shell.stop(), this.host.stop()])
    // No effect twice, and no grant after its end, whatever the test did.
    assert.deepEqual([this.executor.odd, this.shell.odd], [[], []])
    assert.deepEqual(this.executor.liveTogether(), [])
  }
}

interface Started {
  readonly link: BusLink
  readonly life: Life
}

export async function put(store: RecordStore, key: string, value: Uint8Array): Promise<void> {
  const found = await store.get(key)
  const written =
    found === undefined
      ? await store.create(key, value)
      : await store.replace(key, value, found.revision)
  assert.ok(written.ok)
}
