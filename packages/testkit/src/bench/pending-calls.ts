/** Agents of a benchmark, and calls of theirs that wait for a person. */
import { randomBytes } from 'node:crypto'
import { asObject, type JsonObject } from '@trustgw/protocol'
import { AgentOnBus } from '../attacks-agent.ts'
import type { RunningSystem } from '../system.ts'

/** Fewer than one agent may have waiting. */
const PENDING_PER_AGENT = 60
const AT_ONCE = 6

export async function openAgent(system: RunningSystem): Promise<AgentOnBus> {
  const agent = await AgentOnBus.open(system, `bench-${randomBytes(4).toString('hex')}`)
  await agent.known('main')
  return agent
}

/** What is answered of a call for a person at once: its precondition may still be read. */
export const WAITS: readonly string[] = ['pending_approval', 'preparing']

/** Throws unless the answer has one of these statuses. */
export async function propose(
  agent: AgentOnBus,
  body: JsonObject,
  statuses: readonly string[],
): Promise<void> {
  const answer = await agent.ask('trust.v1.main.action.propose', body)
  const value = typeof answer === 'string' ? undefined : asObject(answer['value'] ?? null)
  const status = value?.['status']
  if (typeof status !== 'string' || !statuses.includes(status)) {
    throw new Error(`not ${statuses.join(' or ')}: ${JSON.stringify(answer)}`)
  }
}

/** A refund that needs a passkey. */
export function refund(at: number): JsonObject {
  const args = { order_id: 'ord_1003', amount: '120.00', currency: 'EUR', reason: `bench ${at}` }
  return { tool: 'shop.refund', arguments: args, wait_ms: 0 }
}

/** By as many agents as it takes: each may have so many waiting. */
export async function proposePending(
  system: RunningSystem,
  count: number,
  signal: AbortSignal,
): Promise<void> {
  for (let made = 0; made < count && !signal.aborted; made += PENDING_PER_AGENT) {
    const agent = await openAgent(system)
    const length = Math.min(PENDING_PER_AGENT, count - made)
    try {
      for (let at = 0; at < length; at += AT_ONCE) {
        const some = Array.from({ length: Math.min(AT_ONCE, length - at) }, (_, more) => at + more)
        await Promise.all(some.map((one) => propose(agent, refund(one), WAITS)))
      }
    } finally {
      await agent.close()
    }
  }
}
