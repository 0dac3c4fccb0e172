import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { tailEvents, verify } from '../demo/audit-check.ts'
import { paidRefunds } from '../shop-view.ts'
import { freePorts, type RunningSystem, startSystem } from '../system.ts'
import { Approver } from './approver.ts'
import { type Accepted, type Judgement, judge } from './judge.ts'
import { Killer } from './killer.ts'

export interface ChaosOptions {
  readonly refunds: number
  /** How long processes are killed, at least until each kind was once. */
  readonly seconds: number
  readonly seed: number
  /** `stop`: nothing is killed; half-way the whole system is stopped as Ctrl-C does, and started again. */
  readonly by?: 'kill' | 'stop'
  readonly progress: (text: string) => void
}

export interface ChaosReport extends Judgement {
  readonly seed: number
  readonly refunds: number
  readonly accepted: number
  readonly approved: number
  readonly killed: Readonly<Record<string, number>>
  readonly seconds: number
  readonly log_entries: number
}

/** One in so many needs a person's passkey. */
const APPROVED_EACH = 10
const AT_ONCE = 12
const RETRY_MS = 250
const CALL_TIMEOUT_MS = 20_000
const APPROVE_EACH_MS = 1_000
/** After the last kill: leases, grants and backoffs run out within this. */
const SETTLE_MS = 120_000
const ALL_EVENTS = 999_999
const FINAL: ReadonlySet<string> = new Set([
  ...['succeeded', 'failed', 'refused', 'denied', 'expired', 'cancelled'],
  ...['reconciled_succeeded', 'reconciled_failed', 'needs_human', 'unknown_outcome'],
])

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

/**
 * A real installation, several of each, under load while its processes are killed; then everything
 * settles, and the shop's own ledger is compared with what proposers were told and with the log.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const began = performance.now()
  const dir = await mkdtemp(join(tmpdir(), 'trustgw-chaos-'))
  const state = join(dir, '.trustgw')
  await mkdir(state, { mode: 0o700 })
  await writeFile(join(state, 'policy.toml'), POLICY, { mode: 0o600 })
  options.progress('starting the installation')
  const isKill = options.by !== 'stop'
  const several = { gateways: 2, executors: 2, nodes: 3 } as const
  const env = await unboundRefunds(state)
  const system = await startSystem({ stateDir: dir, env, ...(isKill && several) })
  let running = system
  const stopped = async (): Promise<void> => {
    await sleep((options.seconds * 1000) / 2)
    const code = await running.stop()
    if (code !== 0) throw new Error(`the stopped system ended with ${code}`)
    running = await running.restart()
  }
  try {
    const fire = await underFire(system, options, isKill ? undefined : stopped)
    const { accepted, approved, killed } = fire
    options.progress('settling')
    const actions = await ends(system, accepted)
    const events = await settledEvents(system, actions)
    const verdict = await verify(system)
    const judged = judge(actions, await paidRefunds(system), events)
    const unsound = verdict.ok ? [] : [`the log does not verify: ${verdict.codes.join(', ')}`]
    const lost = options.refunds - accepted.length
    const refused = lost === 0 ? [] : [`${lost} proposals were never accepted`]
    return {
      ...judged,
      problems: [...judged.problems, ...unsound, ...refused],
      seed: options.seed,
      refunds: options.refunds,
      accepted: accepted.length,
      approved,
      killed: Object.fromEntries(killed),
      seconds: Math.round((performance.now() - began) / 1000),
      log_entries: verdict.entries,
    }
  } finally {
    await running.remove()
    await rm(dir, { recursive: true, force: true })
  }
}

/**
 * A shop whose refunds are bound to nothing: all are of one order, and each changes what remains of it, so
 * that most would rightly be asked anew.
 */
async function unboundRefunds(state: string): Promise<Readonly<Record<string, string>>> {
  const [port] = await freePorts(1)
  const connectors = join(state, 'connectors')
  await mkdir(connectors, { mode: 0o700 })
  const manifest = await readFile(SHOP_MANIFEST, 'utf8')
  const text = manifest
    .replace(/^precondition .*$/m, '')
    .replace(/^(base_url.*:)\d+"/m, `$1${String(port)}"`)
  await writeFile(join(connectors, 'shop.toml'), text, { mode: 0o600 })
  return { TRUSTGW_EXAMPLE_SHOP_PORT: String(port) }
}

async function underFire(
  system: RunningSystem,
  { refunds, seconds, seed, progress }: ChaosOptions,
  stopped: (() => Promise<void>) | undefined,
): Promise<{ accepted: readonly string[]; approved: number; killed: ReadonlyMap<string, number> }> {
  const approver = await Approver.enrol(system)
  const killer = new Killer(system, seed)
  const until = performance.now() + seconds * 1000
  const accepted: string[] = []
  let next = 0
  let isOver = false
  let approved = 0
  const propose = async (): Promise<void> => {
    for (let number = next++; number < refunds; number = next++) {
      // Spread over the time in which processes die.
      const due = until - (seconds * 1000 * (refunds - number)) / refunds
      await sleep(Math.max(0, due - performance.now()))
      accepted.push(await proposed(system, number))
    }
  }
  const approve = async (): Promise<void> => {
    while (!isOver) {
      approved += await approver.approveAll().catch(() => 0)
      await sleep(APPROVE_EACH_MS)
    }
  }
  progress(`${refunds} refunds meanwhile (seed ${seed})`)
  const approving = approve()
  const killing = stopped?.() ?? killer.run(() => performance.now() < until)
  await Promise.all([killing, ...Array.from({ length: AT_ONCE }, propose)])
  // Those that are still waiting get their approval in peace.
  const deadline = performance.now() + SETTLE_MS
  while (performance.now() < deadline && (await waiting(system, accepted)) > 0)
    await sleep(RETRY_MS)
  isOver = true
  await approving
  return { accepted, approved, killed: killer.killed }
}

/** Proposed again under the same key, at either gateway, until one accepts it. */
async function proposed(system: RunningSystem, number: number): Promise<string> {
  const isLarge = number % APPROVED_EACH === 0
  const args = {
    order_id: 'ord_1005',
    amount: isLarge ? '0.02' : '0.01',
    currency: 'EUR',
    reason: `Chaos ${number}`,
  }
  const body = {
    tool: 'shop.refund',
    arguments: args,
    idempotency_key: `chaos-${number}`,
    wait_ms: 0,
  }
  for (let turn = number; ; turn += 1) {
    const { status, json } = await ask(system, turn, 'actions/propose', body)
    const id = json['action_id']
    if (typeof id === 'string') return id
    if (status === 400 || status === 422) throw new Error(`refused: ${JSON.stringify(json)}`)
    await sleep(RETRY_MS)
  }
}

async function view(
  system: RunningSystem,
  id: string,
  turn: number,
): Promise<Accepted | undefined> {
  const { json } = await ask(system, turn, `actions/${id}`)
  const { status, reason } = json
  if (typeof status !== 'string') return undefined
  return { action_id: id, status, reason: typeof reason === 'string' ? reason : null }
}

async function waiting(system: RunningSystem, ids: readonly string[]): Promise<number> {
  const views = await all(ids, (id, index) => view(system, id, index))
  return views.filter((one) => one === undefined || one.status === 'pending_approval').length
}

async function ends(system: RunningSystem, ids: readonly string[]): Promise<readonly Accepted[]> {
  const deadline = performance.now() + SETTLE_MS
  return await all(ids, async (id, index) => {
    for (let turn = index; ; turn += 1) {
      const now = await view(system, id, turn)
      const isEnd = now !== undefined && FINAL.has(now.status)
      if (isEnd) return now
      if (performance.now() > deadline) {
        return now ?? { action_id: id, status: 'unreadable', reason: null }
      }
      await sleep(RETRY_MS)
    }
  })
}

/** The log takes events in a moment after they are stored. */
async function settledEvents(
  system: RunningSystem,
  actions: readonly Accepted[],
): Promise<Awaited<ReturnType<typeof tailEvents>>> {
  const deadline = performance.now() + CALL_TIMEOUT_MS
  for (;;) {
    const events = await tailEvents(system, ALL_EVENTS)
    const { problems } = judge(actions, await paidRefunds(system), events)
    if (problems.length === 0 || performance.now() > deadline) return events
    await sleep(RETRY_MS * 4)
  }
}

async function all<T>(
  ids: readonly string[],
  task: (id: string, index: number) => Promise<T>,
): Promise<readonly T[]> {
  const found: T[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let index = next++; index < ids.length; index = next++) {
      found[index] = await task(ids[index] ?? '', index)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return found
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
