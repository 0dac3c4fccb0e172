import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts, type RunningSystem, type SystemOptions, startSystem } from '../system.ts'

/** What an agent is told of an action. */
export interface Seen {
  readonly action_id: string
  readonly status: string
  readonly reason: string | null
}

/** A refund of cents at the example shop. */
export interface RefundProposal {
  /** Also its idempotency key: proposed again it is the same. */
  readonly name: string
  /** One that a person's passkey must approve. */
  readonly isLarge: boolean
  /** How long the gateway may hold the call. */
  readonly waitMs: number
}

const RETRY_MS = 250
const CALL_TIMEOUT_MS = 20_000
const SHOP_MANIFEST: URL = new URL('../../../../../examples/connectors/shop.toml', import.meta.url)

const POLICY = `version = 1

[defaults]
effect       = "deny"
grant_ttl    = "30s"
approval_ttl = "15m"

[[rules]]
id       = "refund-small"
priority = 20
effect   = "allow"
reason   = "Small refunds run at once"

[rules.match]
tool      = ["shop.refund*"]
operation = ["transfer"]
amount    = { lte = "0.01 EUR" }

[[rules]]
id       = "refund-larger"
priority = 20
effect   = "require_approval"
tier     = 2
reason   = "Larger refunds need a passkey"
approvers = { quorum = 1, channels = ["portal"] }

[rules.match]
tool      = ["shop.refund*"]
operation = ["transfer"]
amount    = { gt = "0.01 EUR" }
`

/** A real installation in a temporary folder whose agents may pay back a cent, and two with a passkey. */
export async function startRefundSystem(
  several: Pick<SystemOptions, 'gateways' | 'executors' | 'nodes'> = {},
): Promise<RunningSystem> {
  const [port = 0] = await freePorts(1)
  const shop = await unboundRefunds(port)
  return await startSystem({
    ...several,
    env: { TRUSTGW_EXAMPLE_SHOP_PORT: String(port) },
    files: { 'policy.toml': POLICY, 'connectors/shop.toml': shop },
  })
}

/**
 * A shop whose refunds are bound to nothing: all are of one order, and each changes what remains of it, so
 * that most would rightly be asked anew.
 */
async function unboundRefunds(port: number): Promise<string> {
  const manifest = await readFile(SHOP_MANIFEST, 'utf8')
  return manifest
    .replace(/^precondition .*$/m, '')
    .replace(/^(base_url.*:)\d+"/m, `$1${String(port)}"`)
}

/** Proposed again under the same key, at each gateway in turn from `turn` on, until one accepts it. */
export async function propose(
  system: RunningSystem,
  { name, isLarge, waitMs }: RefundProposal,
  turn = 0,
): Promise<Seen> {
  const args = {
    order_id: 'ord_1005',
    amount: isLarge ? '0.02' : '0.01',
    currency: 'EUR',
    reason: `Refund ${name}`,
  }
  const body = {
    tool: 'shop.refund',
    arguments: args,
    idempotency_key: name,
    wait_ms: waitMs,
  }
  for (let next = turn; ; next += 1) {
    const { status, json } = await ask(system, next, 'actions/propose', body)
    const seen = seenOf(json)
    if (seen !== undefined) return seen
    if (status === 400 || status === 422) throw new Error(`refused: ${JSON.stringify(json)}`)
    await sleep(RETRY_MS)
  }
}

/** The action as one gateway shows it; undefined when that does not answer. */
export async function view(system: RunningSystem, id: string, turn = 0): Promise<Seen | undefined> {
  const { json } = await ask(system, turn, `actions/${id}`)
  return seenOf({ action_id: id, ...json })
}

function seenOf(json: Readonly<Record<string, unknown>>): Seen | undefined {
  const { action_id, status, reason } = json
  if (typeof action_id !== 'string' || typeof status !== 'string') return undefined
  return { action_id, status, reason: typeof reason === 'string' ? reason : null }
}

interface Told {
  readonly status: number
  readonly json: Readonly<Record<string, unknown>>
}

async function ask(
  system: RunningSystem,
  turn: number,
  path: string,
  body?: unknown,
): Promise<Told> {
  const at = system.gateways[turn % system.gateways.length] ?? system.gateway
  try {
    const response = await fetch(`${at}/v1/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${system.apiKey ?? ''}`,
        'content-type': 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    })
    const json: unknown = await response.json()
    return {
      status: response.status,
      json: typeof json === 'object' && json !== null ? { ...json } : {},
    }
  } catch {
    // It died, or its answer did: another one is asked.
    return { status: 0, json: {} }
  }
}
