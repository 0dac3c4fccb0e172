/** The decision of one layer and of several (spec/policy.md "Reading a layer", "Layers"). */
import {
  type DecisionFact,
  type DecisionRecord,
  type Hash,
  hashJson,
  type Sha256,
  type Tier,
} from '@trustgw/protocol'
import { type Asked, allAsked, NOBODY_ASKED } from './approvers.ts'
import { DEFAULT_RULE_ID, LAYERS, restrictsInDoubt, strength, type Verdict } from './ast.ts'
import type { CompiledPolicy } from './compile.ts'
import type { Standing } from './compiled-rule.ts'
import type { PolicyFacts } from './facts.ts'
import { exceededLimits } from './limits.ts'
import { type Entry, entryIndex, nextRow, rowCount } from './plan.ts'
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

interface Reading {
  readonly matched: readonly Entry[]
  readonly doubted: readonly Entry[]
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
      if (undecidedBy.length > before) undecidedBy.length = before
      return false
    }
    test.slot.doubt(look)
    undecidedBy.push(test.slot.name)
    truth = 'unknown'
  }
  return truth
}

/** Judges rules in the order of reading, to the end of the first priority that has a match. */
function readRules(compiled: CompiledPolicy, look: Look, undecidedBy: string[]): Reading {
  const plan = compiled.plan(look)
  const { entries } = plan
  const rows = rowCount(plan)
  const matched: Entry[] = []
  const doubted: Entry[] = []
  let reached = Number.POSITIVE_INFINITY
  let last = -1
  for (let row = nextRow(plan, look, 0); row < rows; row = nextRow(plan, look, row + 1)) {
    const index = entryIndex(plan, row)
    const entry = entries[index]
    if (entry === undefined || index === last) continue
    last = index
    if (entry.priority > reached) break
    const truth = judge(entry, look, undecidedBy)
    if (truth === true) {
      matched.push(entry)
      reached = entry.priority
    } else if (truth === 'unknown' && restrictsInDoubt(entry.rule.rule)) doubted.push(entry)
  }
  return { matched, doubted }
}

/** Reads one layer; the facts looked at stand in `look`. */
export function readLayer(compiled: CompiledPolicy, look: Look): Opinion {
  const undecidedBy: string[] = []
  const { matched, doubted } = readRules(compiled, look, undecidedBy)
  const standing: Standing[] = []
  for (const { rule } of mostRestrictive(matched)) standing.push(rule.standing)
  const { effect } = compiled.defaults
  if (matched.length === 0 && effect !== 'none') standing.push(DEFAULTS[effect])
  for (const { rule } of doubted) standing.push(rule.standing)
  if (compiled.limits.length > 0) {
    for (const { reached } of exceededLimits(compiled, look, undecidedBy)) standing.push(reached)
  }
  return { standing, undecidedBy }
}

const byDefault = (effect: 'allow' | 'deny'): Standing => ({
  effect,
  tier: 0,
  id: DEFAULT_RULE_ID,
  reason: 'No rule matches, so the default holds',
  asked: null,
  undo_ms: 0,
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
  readonly asked: Asked
  readonly undo_ms: number
}

/** Waiting out the longest window waits out all. */
export const longestUndo = (standing: readonly { readonly undo_ms: number }[]): number =>
  Math.max(0, ...standing.map(({ undo_ms }) => undo_ms))

/** What stands, with who may approve it; what nobody could approve is denied. */
function outcomeOf(standing: readonly Standing[]): Outcome {
  const { effect, tier, id: rule_id, reason } = strictest(standing)
  const undo_ms = effect === 'deny' ? 0 : longestUndo(standing)
  if (effect === 'allow' || effect === 'deny') {
    return { effect, tier, rule_id, reason, asked: NOBODY_ASKED, undo_ms }
  }
  const asked = allAsked(standing)
  if (asked !== null) return { effect, tier, rule_id, reason, asked, undo_ms }
  return {
    effect: 'deny',
    tier: 0,
    rule_id,
    reason: `${reason}; no approval satisfies every rule that stands`,
    asked: NOBODY_ASKED,
    undo_ms: 0,
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
  return {
    facts: [...facts.values()],
    unknown: [...new Set(all.flatMap(({ unknown }) => unknown))],
  }
}

/** A decision that cannot be recorded whole could not be made again, so it denies. */
function asRecorded(outcome: Outcome, { facts }: Seen): Outcome {
  if (facts.length <= FACTS_MAX) return outcome
  const reason = `More than ${FACTS_MAX} facts would have to be looked at`
  return {
    effect: 'deny',
    tier: 0,
    rule_id: DEFAULT_RULE_ID,
    reason,
    asked: NOBODY_ASKED,
    undo_ms: 0,
  }
}

function finish(
  { standing, undecidedBy }: Opinion,
  seen: Seen,
  rest: Pick<PolicyDecision, 'policy_fingerprint'> & Lifetimes,
): PolicyDecision {
  const { asked, effect, tier, rule_id, reason, undo_ms } = asRecorded(outcomeOf(standing), seen)
  const isWhole = seen.facts.length <= FACTS_MAX
  return {
    effect,
    tier,
    rule_id,
    reason: withUnknown(reason, undecidedBy),
    obligations: {
      grant_ttl_ms: rest.grant_ttl_ms,
      approval_ttl_ms: rest.approval_ttl_ms,
      approvers: asked.approvers,
      channels: asked.channels,
      ...(undo_ms === 0 ? {} : { undo_ms }),
    },
    policy_fingerprint: rest.policy_fingerprint,
    facts: isWhole ? seen.facts : seen.facts.slice(0, FACTS_MAX),
    unknown: isWhole ? seen.unknown : seen.unknown.slice(0, FACTS_MAX),
  }
}

interface Lifetimes {
  readonly grant_ttl_ms: number
  readonly approval_ttl_ms: number
}

/**
 * Decides one proposal under one policy. Pure: the same inputs give the same decision, facts and
 * reason included, whatever was decided before.
 *
 * A permitting rule applies only if its whole match is known true; a restricting one counts
 * unless known false. Where several rules stand, each one's approvers clause holds; what nobody
 * could approve is denied.
 */
export function decide(compiled: CompiledPolicy, facts: PolicyFacts): PolicyDecision {
  const look = compiled.begin(facts)
  const opinion = readLayer(compiled, look)
  const { grant_ttl_ms, approval_ttl_ms } = compiled.defaults
  const policy_fingerprint = compiled.fingerprint
  return finish(opinion, seenBy(look), { grant_ttl_ms, approval_ttl_ms, policy_fingerprint })
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
 * requirements hold: every approvers clause, channels intersected, the shortest lifetimes.
 */
export function decideLayers(
  { layers, fingerprint }: CompiledLayers,
  facts: PolicyFacts,
): PolicyDecision {
  const [only] = layers
  if (only !== undefined && layers.length === 1) return decide(only, facts)
  const looks = layers.map((layer) => layer.begin(facts))
  const opinions = layers.map((layer, index) =>
    readLayer(layer, looks[index] ?? layer.begin(facts)),
  )
  const opinion: Opinion = {
    standing: opinions.flatMap(({ standing }) => standing),
    undecidedBy: opinions.flatMap(({ undecidedBy }) => undecidedBy),
  }
  return finish(opinion, seenByAll(looks.map(seenBy)), {
    grant_ttl_ms: Math.min(...layers.map(({ defaults }) => defaults.grant_ttl_ms)),
    approval_ttl_ms: Math.min(...layers.map(({ defaults }) => defaults.approval_ttl_ms)),
    policy_fingerprint: fingerprint,
  })
}
