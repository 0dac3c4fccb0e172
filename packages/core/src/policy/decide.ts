/** The decision of one layer and of several (spec/policy.md "Reading a layer", "Layers"). */
import type { ApproversClause, DecisionFact, DecisionRecord, Hash, Tier } from '@trustgw/protocol'
import { hashJson, type Sha256 } from '@trustgw/protocol'
import { DEFAULT_RULE_ID, LAYERS, restricts, strength, type Verdict } from './ast.ts'
import { commonClause } from './approvers.ts'
import type { CompiledPolicy } from './compile.ts'
import type { PolicyFacts } from './facts.ts'
import { exceededLimits } from './limits.ts'
import { type Entry, visitEntries } from './plan.ts'
import type { Look } from './slots.ts'
import type { Truth } from './truth.ts'

/** What policy says of a proposal; the gateway makes a DecisionRecord of it. */
export type PolicyDecision = Pick<
  DecisionRecord,
  | 'effect'
  | 'tier'
  | 'rule_id'
  | 'reason'
  | 'obligations'
  | 'policy_fingerprint'
  | 'facts'
  | 'unknown'
>

/** The policies in force for a proposal, the platform's first. */
export interface CompiledLayers {
  /** The platform's own where it is alone, else the hash of all. */
  readonly fingerprint: Hash
  readonly layers: readonly CompiledPolicy[]
}

/** Unknown facts that a reason names; the rest stand in `unknown`. */
const REASON_MAX_NAMES = 4
const REASON_MAX_NAME_CHARS = 40
/** As many facts as a decision record holds. */
const FACTS_MAX = 256

const NOBODY_ASKED: ApproversClause = { roles: [], quorum: 1, channels: [] }

/** What makes a decision at least as strict as it says: a rule, a reached limit, the default. */
export interface Standing extends Verdict {
  /** Rule or limit, with the layer in front where that is not the platform. */
  readonly id: string
  readonly reason: string
  readonly approvers: ApproversClause | null
  /** Whether it is known to hold, or only not known not to. */
  readonly isKnown: boolean
}

/** One layer read: everything that stands in it, in the order of reading. */
export interface Opinion {
  readonly standing: readonly Standing[]
  /** Facts that left anything met on the way undecided. */
  readonly undecidedBy: readonly string[]
}

function judge({ tests }: Entry, look: Look, undecidedBy: string[]): Truth {
  const before = undecidedBy.length
  let truth: Truth = true
  for (const test of tests) {
    const one = test.judge(look)
    if (one === true) continue
    if (one === false) {
      undecidedBy.length = before
      return false
    }
    test.slot.doubt(look)
    undecidedBy.push(test.slot.name)
    truth = 'unknown'
  }
  return truth
}

const DEFAULT_REASON = 'No rule matches, so the default holds'

/** Reads one layer; the facts looked at stand in `look`. */
export function readLayer(compiled: CompiledPolicy, look: Look): Opinion {
  const matched: Entry[] = []
  const doubted: Entry[] = []
  const undecidedBy: string[] = []
  visitEntries(compiled.plan(look), look, (entry) => {
    const reached = matched[0]
    if (reached !== undefined && entry.rule.rule.priority > reached.rule.rule.priority) return false
    const truth = judge(entry, look, undecidedBy)
    if (truth === true) matched.push(entry)
    else if (truth === 'unknown' && restricts(entry.rule.rule.effect)) doubted.push(entry)
    return true
  })
  const standing: Standing[] = []
  const prefix = compiled.layer === 'platform' ? '' : `${compiled.layer}:`
  const stand = ({ rule: { rule } }: Entry, isKnown: boolean): void => {
    const { effect, tier, reason, approvers } = rule
    standing.push({ effect, tier, id: prefix + rule.id, reason, approvers, isKnown })
  }
  for (const entry of mostRestrictive(matched)) stand(entry, true)
  const { effect } = compiled.defaults
  if (matched.length === 0 && effect !== 'none') standing.push(DEFAULTS[effect])
  for (const entry of doubted) stand(entry, false)
  if (compiled.limits.length > 0) {
    for (const { limit } of exceededLimits(compiled, look, undecidedBy)) {
      const { tier, reason, approvers } = limit
      const id = prefix + limit.id
      standing.push({ effect: limit.effect, tier, id, reason, approvers, isKnown: true })
    }
  }
  return { standing, undecidedBy }
}

const byDefault = (effect: 'allow' | 'deny'): Standing => ({
  effect,
  tier: 0,
  id: DEFAULT_RULE_ID,
  reason: DEFAULT_REASON,
  approvers: null,
  isKnown: true,
})
const DEFAULTS = { allow: byDefault('allow'), deny: byDefault('deny') }

/** All rules than which none is more restrictive, in the order of reading. */
function mostRestrictive(entries: readonly Entry[]): readonly Entry[] {
  if (entries.length < 2) return entries
  const most = Math.max(...entries.map(({ rule }) => strength(rule.rule)))
  return entries.filter(({ rule }) => strength(rule.rule) === most)
}

/** The first than which none is more restrictive. */
function strictest(standing: readonly Standing[]): Standing {
  let found: Standing | undefined
  for (const one of standing) {
    if (found === undefined || strength(one) > strength(found)) found = one
  }
  return found ?? DEFAULTS.deny
}

interface Outcome extends Verdict {
  readonly effect: Verdict['effect']
  readonly tier: Tier
  readonly rule_id: string
  readonly reason: string
  readonly approvers: ApproversClause
}

/** What stands, with who may approve it; what nobody could approve is denied. */
function outcomeOf(standing: readonly Standing[]): Outcome {
  const { effect, tier, id: rule_id, reason } = strictest(standing)
  if (effect === 'allow' || effect === 'deny') {
    return { effect, tier, rule_id, reason, approvers: NOBODY_ASKED }
  }
  const approvers = commonClause(standing)
  if (approvers !== null) return { effect, tier, rule_id, reason, approvers }
  return {
    effect: 'deny',
    tier: 0,
    rule_id,
    reason: `${reason}; no approver satisfies every rule that stands`,
    approvers: NOBODY_ASKED,
  }
}

function withUnknown(reason: string, undecidedBy: readonly string[]): string {
  if (undecidedBy.length === 0) return reason
  const names = [...new Set(undecidedBy)].sort()
  const named = names.slice(0, REASON_MAX_NAMES).map((name) => name.slice(0, REASON_MAX_NAME_CHARS))
  const more = names.length > named.length ? ` and ${names.length - named.length} more` : ''
  return `${reason} (unknown: ${named.join(', ')}${more})`
}

interface Seen {
  readonly facts: readonly DecisionFact[]
  readonly unknown: readonly string[]
}

function seenBy(look: Look): Seen {
  const facts: DecisionFact[] = []
  const unknown: string[] = []
  for (const slot of look.order) {
    facts.push(slot.fact())
    if (slot.isDoubted(look)) unknown.push(slot.name)
  }
  return { facts, unknown }
}

function seenByAll(all: readonly Seen[]): Seen {
  const [only] = all
  if (only !== undefined && all.length === 1) return only
  const facts = new Map(all.flatMap((seen) => seen.facts.map((fact) => [fact.name, fact] as const)))
  return { facts: [...facts.values()], unknown: [...new Set(all.flatMap(({ unknown }) => unknown))] }
}

/** A decision that cannot be recorded whole could not be made again, so it denies. */
function asRecorded(outcome: Outcome, { facts }: Seen): Outcome {
  if (facts.length <= FACTS_MAX) return outcome
  const reason = `More than ${FACTS_MAX} facts would have to be looked at`
  return { effect: 'deny', tier: 0, rule_id: DEFAULT_RULE_ID, reason, approvers: NOBODY_ASKED }
}

function decideAll(
  layers: readonly CompiledPolicy[],
  policy_fingerprint: Hash,
  facts: PolicyFacts,
): PolicyDecision {
  const standing: Standing[] = []
  const undecidedBy: string[] = []
  const seen: Seen[] = []
  let grant_ttl_ms = Number.POSITIVE_INFINITY
  let approval_ttl_ms = Number.POSITIVE_INFINITY
  for (const layer of layers) {
    const look = layer.begin(facts)
    const opinion = readLayer(layer, look)
    for (const one of opinion.standing) standing.push(one)
    for (const name of opinion.undecidedBy) undecidedBy.push(name)
    seen.push(seenBy(look))
    grant_ttl_ms = Math.min(grant_ttl_ms, layer.defaults.grant_ttl_ms)
    approval_ttl_ms = Math.min(approval_ttl_ms, layer.defaults.approval_ttl_ms)
  }
  const all = seenByAll(seen)
  const { approvers, effect, tier, rule_id, reason } = asRecorded(outcomeOf(standing), all)
  return {
    effect,
    tier,
    rule_id,
    reason: withUnknown(reason, undecidedBy),
    obligations: { grant_ttl_ms, approval_ttl_ms, approvers },
    policy_fingerprint,
    facts: all.facts.slice(0, FACTS_MAX),
    unknown: all.unknown.slice(0, FACTS_MAX),
  }
}

/**
 * Decides one proposal under one policy. Pure: the same inputs give the same decision, facts and
 * reason included, whatever was decided before.
 *
 * A permitting rule applies only if its whole match is known true; a restricting one counts
 * unless known false. Where several rules stand, their approvers clauses are joined into one that
 * satisfies each; if none can, the action is denied.
 */
export function decide(compiled: CompiledPolicy, facts: PolicyFacts): PolicyDecision {
  return decideAll([compiled], compiled.fingerprint, facts)
}

/**
 * Puts layers together, in any order; `TypeError` unless one is the platform's and none is there
 * twice. Compile each with its name.
 */
export function joinLayers(given: readonly CompiledPolicy[], sha256: Sha256): CompiledLayers {
  const layers = LAYERS.flatMap((name) => given.filter(({ layer }) => layer === name))
  const [platform] = layers
  if (platform?.layer !== 'platform') throw new TypeError('the platform layer is missing')
  if (new Set(layers.map(({ layer }) => layer)).size < layers.length) {
    throw new TypeError('a layer is given twice')
  }
  if (layers.length === 1) return { fingerprint: platform.fingerprint, layers }
  const named = layers.map(({ layer, fingerprint }) => [layer, fingerprint] as const)
  return { fingerprint: hashJson(sha256, { layers: Object.fromEntries(named) }), layers }
}

/**
 * Decides one proposal under every layer: the most restrictive decision stands, and all standing
 * requirements hold together: one approvers clause that satisfies each, the shortest lifetimes.
 */
export function decideLayers(
  { layers, fingerprint }: CompiledLayers,
  facts: PolicyFacts,
): PolicyDecision {
  return decideAll(layers, fingerprint, facts)
}
