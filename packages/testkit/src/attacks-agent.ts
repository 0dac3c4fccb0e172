import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { connect } from '@nats-io/transport-node'
import {
  actionEventShape,
  asObject,
  canonicalize,
  type JsonObject,
  parseJson,
  readShape,
  utf8Encode,
} from '@trustgw/protocol'
import {
  type BusCreds,
  BusFault,
  type BusLink,
  connectNats,
  nodeRandom,
  readCredsFile,
  silentLogger,
} from '@trustgw/runtime'
import type { Attack, AttackWorld } from './attack-world.ts'
import { until } from './process-table.ts'
import type { RunningSystem } from './system.ts'

const REQUEST_TIMEOUT_MS = 3_000
/** As long as anything steered could still be under way. */
const SETTLE_MS = 400
const ORDER: JsonObject = { order_id: 'ord_1002' }

/** An agent with an identity of its own on the bus, and nothing else. */
export class AgentOnBus {
  readonly #link: BusLink
  readonly creds: BusCreds

  private constructor(link: BusLink, creds: BusCreds) {
    this.#link = link
    this.creds = creds
  }

  /** Registers an agent through the command line and connects as it. */
  static async open(system: RunningSystem, name: string): Promise<AgentOnBus> {
    const file = join(system.stateDir, `${name}.creds`)
    const added = await system.command(['agents', 'add', '--name', name, '--bus-creds', file])
    if (added.code !== 0) throw new Error(`agents add: ${added.err.trim()}`)
    const creds = readCredsFile(file)
    const link = await connectNats({
      servers: [system.nats],
      creds,
      logger: silentLogger,
      random: nodeRandom,
    })
    return new AgentOnBus(link, creds)
  }

  /** Asks on a subject; the answer's object, or the code of the fault. */
  async ask(subject: string, body: JsonObject): Promise<JsonObject | BusFault['code']> {
    const envelope = { v: 1, request: requestId(), body }
    try {
      const bytes = await this.#link.bus.request(subject, utf8Encode(canonicalize(envelope)), {
        timeoutMs: REQUEST_TIMEOUT_MS,
      })
      const parsed = parseJson(bytes, { maxBytes: 1_048_576, maxDepth: 80 })
      return (parsed.ok ? asObject(parsed.value) : undefined) ?? {}
    } catch (error) {
      if (error instanceof BusFault) return error.code
      throw error
    }
  }

  /** Waits until the gateway knows the agent. */
  async known(tenant: string): Promise<void> {
    await until('the gateway knows the agent', async () => {
      const answer = await this.ask(`trust.v1.${tenant}.tools.list`, {})
      return typeof answer !== 'string' && answer['ok'] === true
    })
  }

  async close(): Promise<void> {
    await this.#link.bus.drain()
  }
}

/** Attacks of an agent that is on the bus with its own, good identity. */
export function busAttacks(world: AttackWorld): readonly Attack[] {
  const { system } = world
  const asAgent = async (attack: (agent: AgentOnBus) => Promise<string>): Promise<string> => {
    const agent = await AgentOnBus.open(system, `intruder-${randomBytes(4).toString('hex')}`)
    try {
      await agent.known('main')
      return await attack(agent)
    } finally {
      await agent.close()
    }
  }
  const proposal: JsonObject = { tool: 'shop.get_order', arguments: ORDER }
  const refusal = async (agent: AgentOnBus, subject: string): Promise<string> => {
    const answer = await agent.ask(subject, proposal)
    return typeof answer === 'string' ? answer : 'admitted'
  }
  return [
    {
      name: "A proposal on another tenant's subject",
      tried: 'trust.v1.other.action.propose, by an agent of main',
      expected: 'bus_permission',
      check: "bus: the account imports its own tenant's subjects only",
      run: () => asAgent((agent) => refusal(agent, 'trust.v1.other.action.propose')),
    },
    {
      name: "Straight to the executor's subject",
      tried: 'exec.v1.main.connector.invoke, past the gateway',
      expected: 'bus_permission',
      check: "bus: no agent's account reaches executors",
      run: () => asAgent((agent) => refusal(agent, 'exec.v1.main.connector.invoke')),
    },
    {
      name: "Straight into the portal's events",
      tried: 'ui.v1.main.events, by an agent',
      expected: 'bus_permission',
      check: "bus: no agent's account reaches portals",
      run: () => asAgent((agent) => refusal(agent, 'ui.v1.main.events')),
    },
    {
      name: "A reply steered into the portal's events",
      tried: 'a good proposal whose reply subject is ui.v1.main.events',
      expected: 'account_wall',
      check: "bus: an answer ends in the asking agent's own account",
      run: () => asAgent((agent) => steerReply(world, agent)),
    },
  ]
}

/**
 * The proposal is good, so the gateway answers it; the answer must not come out where portals
 * listen. That the portal heard the action's own events shows that it was listening.
 */
async function steerReply(world: AttackWorld, agent: AgentOnBus): Promise<string> {
  const { system, portalReceived } = world
  const request = requestId()
  const idempotency_key = requestId()
  const body = { tool: 'shop.get_order', arguments: ORDER, idempotency_key }
  const before = portalReceived().length
  const connection = await connect({
    servers: system.nats,
    inboxPrefix: agent.creds.inboxPrefix,
    authenticator: (nonce) => agent.creds.prove(nonce),
    reconnect: false,
  })
  try {
    const envelope = canonicalize({ v: 1, request, body })
    connection.publish('trust.v1.main.action.propose', envelope, { reply: 'ui.v1.main.events' })
    await connection.flush()
    const id = await joined(agent, body)
    if (id === undefined) return 'proposal_not_accepted'
    const heard = (): readonly string[] => portalReceived().slice(before)
    await until('the portal hears of the action', () => heard().some((frame) => frame.includes(id)))
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    const foreign = heard()
      .flatMap(payloads)
      .filter((payload) => !isActionEvent(payload))
    return foreign.length === 0 && !heard().some((frame) => frame.includes(request))
      ? 'account_wall'
      : 'admitted'
  } finally {
    await connection.close()
  }
}

/** The id of the action that the steered proposal made; the same key joins it, so it was accepted. */
async function joined(agent: AgentOnBus, body: JsonObject): Promise<string | undefined> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const answer = await agent.ask('trust.v1.main.action.propose', { ...body, wait_ms: 2_000 })
  const view = typeof answer === 'string' ? undefined : asObject(answer['value'] ?? null)
  const id = view?.['action_id']
  return view?.['joined'] === true && typeof id === 'string' ? id : undefined
}

/** The messages in one frame of the NATS protocol: the JSON texts that stand alone on a line. */
function payloads(frame: string): readonly string[] {
  return frame.split('\r\n').filter((line) => line.startsWith('{'))
}

function isActionEvent(payload: string): boolean {
  const parsed = parseJson(payload)
  return parsed.ok && readShape(actionEventShape, parsed.value).ok
}

function requestId(): string {
  return `req-${randomBytes(8).toString('hex')}`
}
