import {
  type BusLink,
  connectNats,
  executorCrossings,
  MemoryBroker,
  nodeRandom,
  silentLogger,
} from '@trustgw/runtime'
import { type BusWorld, startBusWorld } from '@trustgw/testkit/bus-world'

/** The identities of one installation, over memory or over a real server: same names, same ports. */
export interface Links {
  readonly gateway: BusLink
  readonly host: BusLink
  readonly log: BusLink
  readonly executor: BusLink
  readonly agent: BusLink
  /** What the server says of the agent. */
  readonly agentUser: string
  /** The real server, where there is one. */
  readonly world?: BusWorld
  stop(): Promise<void>
}

export interface Adapter {
  readonly name: string
  start(): Promise<Links>
}

const MEMORY_AGENT = {
  account: `A${'B'.repeat(55)}`,
  user: `U${'C'.repeat(55)}`,
}

export const memoryAdapter: Adapter = {
  name: 'memory',
  start: () => {
    const broker = new MemoryBroker({ logger: silentLogger })
    const links = {
      gateway: broker.link(),
      host: broker.link(),
      log: broker.link(),
      executor: broker.link({ crossings: executorCrossings('connector') }),
      agent: broker.link({ requester: MEMORY_AGENT }),
    }
    return Promise.resolve({
      ...links,
      agentUser: MEMORY_AGENT.user,
      stop: async () => {
        await drainAll(Object.values(links))
      },
    })
  },
}

export const natsAdapter: Adapter = {
  name: 'a real nats-server',
  start: async () => {
    const world = await startBusWorld()
    const agent = world.agent('acme')
    const link = (creds: typeof agent): Promise<BusLink> =>
      connectNats({ servers: [world.url], creds, logger: silentLogger, random: nodeRandom })
    const links = {
      gateway: await link(world.creds.gateway),
      host: await link(world.creds.host),
      log: await link(world.creds.log),
      executor: await link(world.executor()),
      agent: await link(agent),
    }
    return {
      ...links,
      agentUser: agent.user,
      world,
      stop: async () => {
        await drainAll(Object.values(links))
        await world.stop()
      },
    }
  },
}

export const ADAPTERS: readonly Adapter[] = [memoryAdapter, natsAdapter]

async function drainAll(links: readonly BusLink[]): Promise<void> {
  await Promise.all(links.map((link) => link.bus.drain()))
}

export function bytes(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value))
}

export function text(data: Uint8Array): string {
  return Buffer.from(data).toString()
}

/** Waits until a condition holds; fails after five seconds. */
export async function eventually(holds: () => boolean, ms = 5_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('condition did not come to hold')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
