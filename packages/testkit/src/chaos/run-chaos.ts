import { setTimeout as sleep } from 'node:timers/promises'
import { tailEvents, verify } from '../demo/audit-check.ts'
import { paidRefunds } from '../shop-view.ts'
import type { RunningSystem } from '../system.ts'
import { Approver } from './approver.ts'
import { type Judgement, judge } from './judge.ts'
import { Killer } from './killer.ts'
import { propose, type Seen, startRefundSystem, view } from './refund-system.ts'

export interface ChaosOptions {
  readonly refunds: number
  /** How long processes are killed, at least until each kind was once. */
  readonly seconds: number
  /** How many kills there are at least. Default: one of each kind. */
  readonly kills?: number
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
const RECORDED_WITHIN_MS = 20_000
const APPROVE_EACH_MS = 1_000
/** After the last kill: leases, grants and backoffs run out within this. */
const SETTLE_MS = 120_000
const ALL_EVENTS = 999_999
const FINAL: ReadonlySet<string> = new Set([
  ...['succeeded', 'failed', 'refused', 'denied', 'expired', 'cancelled'],
  ...['reconciled_succeeded', 'reconciled_failed', 'needs_human', 'unknown_outcome'],
])

/**
 * A real installation, several of each, under load while its processes are killed; then everything
 * settles, and the shop's own ledger is compared with what proposers were told and with the log.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const began = performance.now()
  options.progress('starting the installation')
  const isKill = options.by !== 'stop'
  const several = { gateways: 2, executors: 2, nodes: 3 } as const
  const system = await startRefundSystem(isKill ? several : {})
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
  }
}

async function underFire(
  system: RunningSystem,
  { refunds, seconds, kills = 0, seed, progress }: ChaosOptions,
  stopped: (() => Promise<void>) | undefined,
): Promise<{ accepted: readonly string[]; approved: number; killed: ReadonlyMap<string, number> }> {
  const approver = await Approver.enrol(system)
  const killer = new Killer(system, seed)
  const until = performance.now() + seconds * 1000
  const accepted: string[] = []
  let next = 0
  let isOver = false
  let approved = 0
  const proposeNext = async (): Promise<void> => {
    for (let number = next++; number < refunds; number = next++) {
      // Spread over the time in which processes die.
      const due = until - (seconds * 1000 * (refunds - number)) / refunds
      await sleep(Math.max(0, due - performance.now()))
      const isLarge = number % APPROVED_EACH === 0
      const proposal = { name: `chaos-${number}`, isLarge, waitMs: 0 }
      accepted.push((await propose(system, proposal, number)).action_id)
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
  const killing = stopped?.() ?? killer.run((count) => count < kills || performance.now() < until)
  await Promise.all([killing, ...Array.from({ length: AT_ONCE }, proposeNext)])
  // Those that are still waiting get their approval in peace.
  const deadline = performance.now() + SETTLE_MS
  while (performance.now() < deadline && (await waiting(system, accepted)) > 0)
    await sleep(RETRY_MS)
  isOver = true
  await approving
  return { accepted, approved, killed: killer.killed }
}

async function waiting(system: RunningSystem, ids: readonly string[]): Promise<number> {
  const views = await all(ids, (id, index) => view(system, id, index))
  return views.filter((one) => one === undefined || one.status === 'pending_approval').length
}

async function ends(system: RunningSystem, ids: readonly string[]): Promise<readonly Seen[]> {
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
  actions: readonly Seen[],
): Promise<Awaited<ReturnType<typeof tailEvents>>> {
  const deadline = performance.now() + RECORDED_WITHIN_MS
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
