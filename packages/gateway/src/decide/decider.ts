import {
  type Asks,
  asksOf,
  type CompiledLayers,
  countingsOf,
  type PolicyFacts,
  safeHint,
} from '@trustgw/core'
import {
  type ActionId,
  type DecisionRecord,
  hexEncode,
  hintField,
  type Proposal,
  readShape,
  type Sha256,
  type TenantId,
} from '@trustgw/protocol'
import {
  type Clock,
  type Logger,
  localTimesOf,
  type Random,
  type RecordStore,
} from '@trustgw/runtime'
import { type ActionRecord, argumentsOf, type CountedIn } from '../action/action-record.ts'
import type { Recalled } from '../action/action-store.ts'
import { Locks } from '../action/locks.ts'
import type { AgentDirectory } from '../agents/agent-directory.ts'
import { CallLog, type TraceView } from '../limits/call-log.ts'
import { endOf } from '../limits/fate.ts'
import { type CounterView, Ledger, type ScopedCounting } from '../limits/ledger.ts'
import { Origins } from '../limits/origins.ts'
import { pastOf } from '../limits/past.ts'
import { type Pause, randomPause } from '../limits/pause.ts'
import type { RegisteredTool } from '../registry/tool-directory.ts'
import type { Again, DecideOutcome, Undecided } from './decided.ts'
import {
  evaluate,
  evaluationOf,
  type Gathered,
  type PolicyInForce,
  policyFacts,
  type Question,
} from './evaluator.ts'

/** Decisions made anew because a counter changed meanwhile, before the call is refused. */
const DECIDE_TRIES = 24
/** No place may be old before its decision is made: others look after old ones. */
const DECIDE_WITHIN_MS = 10_000
/** What is looked at to say what would be allowed: a few milliseconds at most. */
const HINT_BOUNDS = { triesMax: 200, linesMax: 256 }
const ATTEMPT_BYTES = 12

export interface DeciderDeps {
  readonly policy: (tenant: TenantId) => PolicyInForce | undefined
  readonly agents: Pick<AgentDirectory, 'actor'>
  /** The bucket `limits`. */
  readonly limits: RecordStore
  /** An action as it is stored. */
  readonly recall: (tenant: TenantId, id: ActionId) => Promise<Recalled>
  readonly sha256: Sha256
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

interface Asked extends Question {
  readonly asks: Asks
  readonly before: ActionRecord | null
}

/** What was decided by which facts, and what was taken for it. */
interface Made {
  readonly ok: true
  readonly decision: DecisionRecord
  readonly facts: PolicyFacts
  readonly counted: CountedIn | null
}

/** Something that was read changed meanwhile, or may have. */
type NotYet = 'conflict' | 'stale'
type Outcome = Made | { readonly ok: false; readonly reason: Undecided }

interface Taking {
  readonly attempt: string
  /** Whether counters are to be read from the store. */
  readonly fresh: boolean
  readonly started_at: number
  /** Where this decision took a place, or may have. */
  readonly counters: Set<string>
}

/**
 * Decides by the policy in force, with the facts that need memory. What is let go on has a place in
 * every counter that counts it before the decision is given out: the counters are read, it is decided,
 * and each place is taken only if its counter is still as it was read (spec/policy.md "Limits").
 * Throws `BusFault` when the memory cannot be reached: then nothing is decided.
 */
export class Decider {
  readonly #deps: DeciderDeps
  readonly #locks = new Locks()
  readonly #pause: Pause
  readonly #ledger: Ledger
  readonly #calls: CallLog
  readonly #origins: Origins
  readonly #asks = new WeakMap<CompiledLayers, Asks>()

  constructor(deps: DeciderDeps) {
    const { limits: store, recall: action, sha256, clock } = deps
    this.#deps = deps
    this.#pause = randomPause(clock, deps.random)
    const locks = this.#locks
    this.#ledger = new Ledger({ store, action, sha256, clock, pause: this.#pause, locks })
    this.#calls = new CallLog(store, sha256, clock)
    this.#origins = new Origins({ store, action, sha256 })
  }

  /** Whether a decision on this reads or takes anything beside the proposal itself. */
  remembers(proposal: Proposal): boolean {
    const inForce = this.#inForce(proposal)
    return inForce !== undefined && needsMemory(this.#asksOf(inForce.layers))
  }

  /** A decision of a proposal; `before` is the stored action where there was a decision already. */
  async decide(
    proposal: Proposal,
    tool: RegisteredTool,
    before: ActionRecord | null = null,
  ): Promise<DecideOutcome> {
    const asked = this.#asked(proposal, tool, before)
    if (asked === undefined) return { ok: false, reason: 'no_policy' }
    const made = needsMemory(asked.asks) ? await this.#taking(asked) : this.#plain(asked)
    if (!made.ok) return made
    const { decision, counted, facts } = made
    return { ok: true, value: { decision, counted, hint: hintOf(asked, facts, decision) } }
  }

  /** Decides with memory; what is taken for nothing is given back. */
  async #taking(asked: Asked): Promise<Outcome> {
    const attempt = hexEncode(this.#deps.random.bytes(ATTEMPT_BYTES))
    const started_at = this.#deps.clock.now()
    const taking: Taking = { attempt, fresh: false, started_at, counters: new Set() }
    let kept: readonly string[] = []
    try {
      const outcome = await this.#undisturbed(asked, taking)
      kept = outcome.ok ? (outcome.counted?.counters ?? []) : []
      return outcome
    } finally {
      const counters = [...taking.counters].filter((key) => !kept.includes(key))
      await this.#giveBack({ attempt, counters })
    }
  }

  /**
   * The decision of a stored action as it is now; its own places and what came after them are left
   * out. Nothing is taken: an action without a place where one is needed is to be decided anew.
   */
  async again(record: ActionRecord, tool: RegisteredTool): Promise<Again> {
    const asked = this.#asked(record.proposal, tool, record)
    if (asked === undefined) return { ok: false, reason: 'no_policy' }
    if (asked.layers.fingerprint !== record.decision.policy_fingerprint)
      return { ok: false, reason: 'policy_changed' }
    if (!needsMemory(asked.asks)) return { ok: true, value: this.#plain(asked).decision }
    const facts = await this.#facts(asked, await this.#trace(asked))
    const views = await this.#views(asked, this.#counters(asked, facts), true)
    if (views === undefined) return { ok: false, reason: 'limits_unreadable' }
    if (!views.every((view) => holds(view, record.counted?.attempt)))
      return { ok: false, reason: 'place_lost' }
    return { ok: true, value: evaluate(asked, withCounters(facts, views)) }
  }

  /**
   * Gives back what a decision took that comes to nothing. Never rejects: whoever looks at the
   * counter later finds what could not be given back now.
   */
  async giveBack(counted: CountedIn | null): Promise<void> {
    if (counted !== null) await this.#giveBack(counted)
  }

  /** Settles where an action counts, by what became of it. `BusFault`: not done yet. */
  async settle(record: ActionRecord): Promise<void> {
    const { counted } = record
    if (counted === null) return
    const fate = endOf(record)
    await this.#ledger.settle(counted.counters, counted.attempt, fate)
    if (SUCCEEDED.has(record.state.kind)) await this.#origins.remember(counted.seen)
  }

  async #giveBack({ counters, attempt }: Pick<CountedIn, 'counters' | 'attempt'>): Promise<void> {
    try {
      await this.#ledger.settle(counters, attempt, { kind: 'never_ran' })
    } catch (error) {
      this.#deps.log.warn('place_not_given_back', { attempt, error: String(error) })
    }
  }

  #inForce({
    tenant,
    workspace,
    principal,
  }: Proposal): Pick<Question, 'layers' | 'epoch'> | undefined {
    const policy = this.#deps.policy(tenant)
    if (policy === undefined) return undefined
    const layers = policy.layersFor({ workspace, agent: principal.subject })
    return { layers, epoch: policy.epoch }
  }

  #asked(proposal: Proposal, tool: RegisteredTool, before: ActionRecord | null): Asked | undefined {
    const inForce = this.#inForce(proposal)
    if (inForce === undefined) return undefined
    const actor = this.#deps.agents.actor(proposal.tenant, proposal.principal.client)
    const args = argumentsOf(proposal)
    return { ...inForce, proposal, tool, before, args, actor, asks: this.#asksOf(inForce.layers) }
  }

  #asksOf(layers: CompiledLayers): Asks {
    const asks = this.#asks.get(layers) ?? asksOf(layers)
    this.#asks.set(layers, asks)
    return asks
  }

  #plain(asked: Asked): Made {
    const facts = this.#factsNow(asked, {})
    return { ok: true, decision: evaluate(asked, facts), facts, counted: null }
  }

  /** Decides until nothing that was read changed meanwhile. */
  async #undisturbed(asked: Asked, taking: Taking): Promise<Outcome> {
    const { clock } = this.#deps
    for (let turn = 1; turn <= DECIDE_TRIES; turn += 1) {
      if (clock.now() - taking.started_at > DECIDE_WITHIN_MS) break
      const outcome = await this.#inTrace(asked, { ...taking, fresh: turn > 1 })
      if (typeof outcome === 'object') return outcome
      if (outcome === 'conflict') await this.#pause(turn)
    }
    return { ok: false, reason: 'limits_contended' }
  }

  #inTrace(asked: Asked, taking: Taking): Promise<Outcome | NotYet> {
    if (!asksTrace(asked.asks)) return this.#withFacts(asked, taking, null)
    return this.#locks.run(this.#calls.key(asked.proposal), async () =>
      this.#withFacts(asked, taking, await this.#trace(asked)),
    )
  }

  async #withFacts(
    asked: Asked,
    taking: Taking,
    trace: TraceView | null,
  ): Promise<Outcome | NotYet> {
    const facts = await this.#facts(asked, trace)
    const counters = this.#counters(asked, facts)
    return this.#locked([...counters.keys()], () =>
      this.#withCounters({ ...asked, trace, facts, counters }, taking),
    )
  }

  async #withCounters(
    asked: Asked & {
      readonly trace: TraceView | null
      readonly facts: PolicyFacts
      readonly counters: Counters
    },
    taking: Taking,
  ): Promise<Outcome | NotYet> {
    const views = await this.#views(asked, asked.counters, taking.fresh)
    if (views === undefined) return { ok: false, reason: 'limits_unreadable' }
    const facts = withCounters(asked.facts, views)
    const decision = evaluate(asked, facts)
    const { outcome } = evaluationOf(decision)
    // Nobody is refused or kept waiting for a place that somebody else has given back meanwhile.
    if (outcome !== 'allow' && !views.every(({ isFresh }) => isFresh)) return 'stale'
    if (outcome === 'deny' || outcome === 'proof')
      return { ok: true, decision, facts, counted: null }
    const { trace, proposal, before } = asked
    if (trace !== null && before === null && !(await this.#calls.add(trace, proposal)))
      return 'conflict'
    const problem = await this.#take(views, proposal.action_id, taking)
    if (problem === 'limits_full') return { ok: false, reason: problem }
    if (problem === 'conflict') return problem
    return { ok: true, decision, facts, counted: this.#countedIn(asked, taking, { facts, views }) }
  }

  #countedIn(
    asked: Asked,
    { attempt }: Taking,
    of: { readonly facts: PolicyFacts; readonly views: readonly CounterView[] },
  ): CountedIn | null {
    const { tenant } = asked.proposal
    const values = this.#origins.traceable(
      asked.asks.provenance,
      asked.args,
      asked.proposal.tool_id,
    )
    const seen = values.map((value) => this.#origins.key(tenant, value))
    if (of.views.length + seen.length === 0) return null
    const counters = of.views.map(({ key }) => key)
    return { attempt, counters, seen, granted_at: of.facts.time_ms }
  }

  /** In one order everywhere, so that of two who want the same places one gets all of them. */
  async #take(
    views: readonly CounterView[],
    action: ActionId,
    { attempt, counters }: Taking,
  ): Promise<'conflict' | 'limits_full' | undefined> {
    for (const view of views) {
      counters.add(view.key)
      if (holds(view, attempt)) continue
      const outcome = await this.#ledger.take(view, { action, attempt })
      if (outcome === 'full') return 'limits_full'
      if (outcome === 'conflict') return outcome
    }
    return undefined
  }

  async #trace({ proposal, asks }: Asked): Promise<TraceView | null> {
    return asksTrace(asks) ? this.#calls.view(this.#calls.key(proposal)) : null
  }

  async #facts(asked: Asked, view: TraceView | null): Promise<PolicyFacts> {
    if (view === null) return this.#factsNow(asked, {})
    const { before } = asked
    const past = await pastOf(asked, { view, before, origins: this.#origins })
    return this.#factsNow(asked, past)
  }

  #factsNow(asked: Asked, gathered: Gathered): PolicyFacts {
    const now = this.#deps.clock.now()
    const { zones } = asked.asks
    const local_times = zones.length === 0 ? {} : { local_times: localTimesOf(zones, now) }
    return policyFacts(asked, now, { ...gathered, ...local_times })
  }

  /** By key, in the order of the keys. */
  #counters({ layers, proposal }: Asked, facts: PolicyFacts): Counters {
    const { workspace, principal, tenant } = proposal
    const countings = layers.layers.flatMap((layer): readonly ScopedCounting[] => {
      if (layer.limits.length === 0) return []
      const own = layer.layer === 'workspace' ? workspace : null
      const scope = layer.layer === 'agent' ? principal.subject : own
      return countingsOf(layer, facts).map((counting) => ({ ...counting, scope }))
    })
    const keyed = countings.map((one) => [this.#ledger.key(tenant, one), one] as const)
    return new Map(keyed.sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  async #views(
    { proposal }: Asked,
    counters: Counters,
    fresh: boolean,
  ): Promise<readonly CounterView[] | undefined> {
    const { tenant, action_id: action } = proposal
    const of = { tenant, action, fresh }
    const views = await Promise.all(
      [...counters].map(([key, counting]) => this.#ledger.view(key, counting, of)),
    )
    const read = views.filter((view) => view !== undefined)
    return read.length === views.length ? read : undefined
  }

  /** One decision at a time in this process for each counter; others are met by compare-and-swap. */
  #locked<T>([first, ...rest]: readonly string[], task: () => Promise<T>): Promise<T> {
    return first === undefined ? task() : this.#locks.run(first, () => this.#locked(rest, task))
  }
}

const SUCCEEDED: ReadonlySet<string> = new Set(['succeeded', 'reconciled_succeeded'])

type Counters = ReadonlyMap<string, ScopedCounting>

const asksTrace = ({ chain, provenance }: Asks): boolean => chain || provenance.length > 0
const needsMemory = (asks: Asks): boolean => asks.limits || asksTrace(asks)

function withCounters(facts: PolicyFacts, views: readonly CounterView[]): PolicyFacts {
  if (views.length === 0) return facts
  const counters = new Map(views.map(({ counting, counter }) => [counting.counter, counter]))
  return { ...facts, counters }
}

/** Whether a decision has its place there; it may have been taken for lost and given back. */
function holds({ entries }: CounterView, attempt: string | undefined): boolean {
  return entries.some((entry) => entry.kind === 'held' && entry.attempt === attempt)
}

function hintOf(
  { layers }: Question,
  facts: PolicyFacts,
  decision: Pick<DecisionRecord, 'effect'>,
): string | null {
  if (decision.effect === 'allow') return null
  const text = safeHint(layers, facts, HINT_BOUNDS)
  const hint = text === null ? null : readShape(hintField, text)
  // One that is too long, since a value in it is, is not given.
  return hint?.ok === true ? hint.value : null
}
