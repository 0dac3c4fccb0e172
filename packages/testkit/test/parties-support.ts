import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { JsonObject, ToolContract } from '@trustgw/protocol'
import { contracts, toolOf } from '../src/attack-world.ts'
import { until } from '../src/process-table.ts'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { callJson, type HttpAnswer } from './e2e-support.ts'
import { refundPolicy } from './refund-policy.ts'

/** Something to read, to approve at tier 1 and 2, to deny, and something that leans on an asserted fact. */
const POLICY = refundPolicy({
  small: 'tier = 1\napprovers = { quorum = 1 }',
  large: 'tier = 2\napprovers = { quorum = 1 }',
  more: `
[[rules]]
id       = "nightly-notes"
priority = 30
effect   = "allow"
match    = { tool = ["memory.create_entities"], source = ["cron"] }

[[rules]]
id        = "observations"
priority  = 40
effect    = "require_approval"
tier      = 2
approvers = { quorum = 1 }
match     = { tool = ["memory.add_observations"] }

[[rules]]
id        = "relations"
priority  = 40
effect    = "require_approval"
tier      = 1
approvers = { quorum = 1 }
match     = { tool = ["memory.create_relations"] }
`,
})
/** What policy puts at tier 1 and the executor's owner at tier 2. */
const FLOORS = `version = 1
[floors]
"memory.create_relations" = 2
`

export const ORDER = 'ord_1001'

/** A system with a policy and a floor that tell the parties' reaches apart. */
export async function partiesSystem(): Promise<RunningSystem> {
  const files = { 'policy.toml': POLICY, 'executor/executor.toml': FLOORS }
  const system = await startSystem({ files })
  const wanted = ['shop.refund', 'memory.create_entities']
  await until('the tools are served', async () => {
    const served = (await contracts(system)).map(({ id }) => id)
    return wanted.every((id) => served.includes(id))
  })
  return system
}

export function refundOf(amount: string): JsonObject {
  return { order_id: ORDER, amount, currency: 'EUR', reason: 'Lamp arrived broken' }
}

/** The first agent's call over REST. */
export function propose(
  system: RunningSystem,
  tool: string,
  args: JsonObject,
  wait_ms = 0,
): Promise<HttpAnswer> {
  return callJson(`${system.gateway}/v1/actions/propose`, {
    key: system.apiKey,
    body: { tool, arguments: args, wait_ms },
  })
}

const UNDERWAY: readonly unknown[] = ['authorized', 'dispatched', 'executing', 'preparing']

async function settled(
  system: RunningSystem,
  id: string,
  isOpen: (status: unknown) => boolean,
): Promise<Readonly<Record<string, unknown>>> {
  let body: Readonly<Record<string, unknown>> = {}
  await until('the action gets on', async () => {
    const url = `${system.gateway}/v1/actions/${id}`
    body = (await callJson(url, { key: system.apiKey })).body
    return !isOpen(body['status'])
  })
  return body
}

/** How an action of the first agent ended. */
export async function endOf(system: RunningSystem, id: string): Promise<unknown> {
  const isOpen = (status: unknown): boolean =>
    status === 'pending_approval' || UNDERWAY.includes(status)
  return (await settled(system, id, isOpen))['status']
}

/** A refund that waits for people. */
export async function pendingId(system: RunningSystem, args: JsonObject): Promise<string> {
  const { body, text } = await propose(system, 'shop.refund', args)
  const id = body['action_id']
  if (typeof id !== 'string') throw new Error(text)
  const now = await settled(system, id, (status) => UNDERWAY.includes(status))
  if (now['status'] !== 'pending_approval') throw new Error(JSON.stringify(now))
  return id
}

/** The genuine contracts, by the names of their tools. */
export async function toolsOf(system: RunningSystem): Promise<(id: string) => ToolContract> {
  const served = await contracts(system)
  return (id) => toolOf(served, id)
}

/** What `trustgw audit verify` finds about an action, besides notices. */
export async function findingsOf(
  system: RunningSystem,
  action: string,
): Promise<readonly string[]> {
  const done = await system.command(['audit', 'verify', '--json'])
  const found: string[] = []
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    if ('severity' in value && 'code' in value && 'action_id' in value) {
      if (value.severity !== 'notice' && value.action_id === action) found.push(String(value.code))
    }
    for (const member of Object.values(value)) walk(member)
  }
  walk(JSON.parse(done.out))
  return found
}

/** Until the log's own file has the last word about an action. */
export async function recorded(system: RunningSystem, action: string, type: string): Promise<void> {
  const file = join(system.stateDir, 'log', 'main', 'entries.ndjson')
  await until(`${type} of ${action} is in the log`, async () => {
    const lines = (await readFile(file, 'utf8')).split('\n')
    return lines.some((line) => line.includes(action) && line.includes(`"type":"${type}"`))
  })
}

/** Closes after a test whatever it opened. */
export async function opened<T extends { close(): Promise<void> }>(
  t: TestContext,
  what: Promise<T>,
): Promise<T> {
  const made = await what
  t.after(() => made.close())
  return made
}

/** Pays with the shop's key alone, as whoever holds an executor's credentials. */
export async function payAtShop(
  system: RunningSystem,
  refund: JsonObject,
  idempotencyKey: string,
): Promise<void> {
  const file = join(system.stateDir, 'executor', 'credentials.toml')
  const secret = /secret = "([^"]+)"/.exec(await readFile(file, 'utf8'))?.[1] ?? ''
  const response = await fetch(`${system.shop}/v1/refunds`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${secret}`,
      'content-type': 'application/json',
      'idempotency-key': idempotencyKey,
    },
    body: JSON.stringify(refund),
  })
  if (!response.ok) throw new Error(`the shop refused: ${response.status} ${await response.text()}`)
}
