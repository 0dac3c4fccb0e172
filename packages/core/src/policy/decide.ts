/** The decision of one layer (spec/policy.md "Reading a layer", "Three-valued matching"). */
import type { ApproversClause, DecisionRecord } from '@trustgw/protocol'
import {
  compareVerdicts,
  DEFAULT_RULE_ID,
  type PolicyDefaults,
  restricts,
  type Verdict,
} from './ast.ts'
import type { CompiledPolicy, CompiledRule } from './compile.ts'
import { Look, type PolicyFacts } from './facts.ts'
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

/** Unknown facts that a reason names; the rest stand in `unknown`. */
const REASON_MAX_NAMES = 4
const REASON_MAX_NAME_CHARS = 40

const NOBODY_ASKED: ApproversClause = { roles: [], quorum: 1, channels: [] }

interface Reading {
  /** The most restrictive among the known-true rules of the first priority that has any. */
  readonly matched: readonly CompiledRule[]
  /** Restricting rules met on the way whose match is not known to be false. */
  readonly doubted: readonly CompiledRule[]
  /** Facts that left any rule met on the way undecided. */
  readonly undecidedBy: readonly string[]
}

function judge(rule: CompiledRule, look: Look, undecidedBy: string[]): Truth {
  const doubts: string[] = []
  for (const test of rule.tests) {
    const truth = test.judge(look)
    if (truth === false) return false
    if (truth === 'unknown') doubts.push(test.fact)
  }
  if (doubts.length === 0) return true
  undecidedBy.push(...doubts)
  return 'unknown'
}

function read(rules: readonly CompiledRule[], look: Look): Reading {
  const matched: CompiledRule[] = []
  const doubted: CompiledRule[] = []
  const undecidedBy: string[] = []
  for (const candidate of rules) {
    const reached = matched[0]
    if (reached !== undefined && candidate.rule.priority > reached.rule.priority) break
    const truth = judge(candidate, look, undecidedBy)
    if (truth === true) matched.push(candidate)
    else if (truth === 'unknown' && restricts(candidate.rule.effect)) doubted.push(candidate)
  }
  return { matched: mostRestrictive(matched), doubted, undecidedBy }
}

/** All rules than which none is more restrictive, in the order of reading. */
function mostRestrictive(rules: readonly CompiledRule[]): readonly CompiledRule[] {
  const top = rules.reduce<Verdict | null>(
    (best, { rule }) => (best === null || compareVerdicts(rule, best) > 0 ? rule : best),
    null,
  )
  return rules.filter(({ rule }) => top !== null && compareVerdicts(rule, top) === 0)
}

const common = (a: readonly string[], b: readonly string[]): readonly string[] =>
  a.filter((item) => b.includes(item))

/** Both clauses as one: whoever satisfies it satisfies each. Null when nobody could. */
function bothClauses(a: ApproversClause, b: ApproversClause): ApproversClause | null {
  const channels = common(a.channels, b.channels)
  const either = a.roles.length === 0 ? b.roles : a.roles
  const roles = a.roles.length === 0 || b.roles.length === 0 ? either : common(a.roles, b.roles)
  if (channels.length === 0 || (roles.length === 0 && either.length > 0)) return null
  return { roles, quorum: Math.max(a.quorum, b.quorum), channels }
}

/** Every standing requirement holds, not only that of the rule which gave the effect. */
function clauseOfAll(standing: readonly CompiledRule[]): ApproversClause | null {
  let all: ApproversClause | null | undefined
  for (const { rule } of standing) {
    if (rule.approvers === null) continue
    all = all === undefined ? rule.approvers : all && bothClauses(all, rule.approvers)
  }
  return all === undefined ? NOBODY_ASKED : all
}

function withUnknown(reason: string, undecidedBy: readonly string[]): string {
  const names = [...new Set(undecidedBy)].sort()
  if (names.length === 0) return reason
  const named = names.slice(0, REASON_MAX_NAMES).map((name) => name.slice(0, REASON_MAX_NAME_CHARS))
  const more = names.length > named.length ? ` and ${names.length - named.length} more` : ''
  return `${reason} (unknown: ${named.join(', ')}${more})`
}

type Outcome = Pick<PolicyDecision, 'effect' | 'tier' | 'rule_id' | 'reason'>

/** What stands before anybody asks who could approve it. */
function outcome(defaults: PolicyDefaults, { matched, doubted }: Reading): Outcome {
  const base: Verdict = matched[0]?.rule ?? { effect: defaults.effect, tier: 0 }
  const [strictest] = mostRestrictive([...matched, ...doubted])
  const stands = matched.length > 0 || (strictest && compareVerdicts(strictest.rule, base) > 0)
  if (strictest === undefined || stands !== true) {
    return { ...base, rule_id: DEFAULT_RULE_ID, reason: 'No rule matches, so the default holds' }
  }
  const { effect, tier, id, reason } = strictest.rule
  return { effect, tier, rule_id: id, reason }
}

/** Adds who may approve; what nobody could approve is denied. */
function withApprovers(
  found: Outcome,
  { matched, doubted }: Reading,
): Outcome & { readonly approvers: ApproversClause } {
  if (found.effect === 'allow' || found.effect === 'deny') {
    return { ...found, approvers: NOBODY_ASKED }
  }
  const approvers = clauseOfAll([...matched, ...doubted])
  if (approvers !== null) return { ...found, approvers }
  const reason = `${found.reason}; no approver satisfies every rule that stands`
  return { effect: 'deny', tier: 0, rule_id: found.rule_id, reason, approvers: NOBODY_ASKED }
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
  const look = new Look(facts)
  look.see('tool', 'derived', facts.tool.id)
  const { defaults, fingerprint } = compiled
  const reading = read(compiled.candidates(facts.tool.id), look)
  const { approvers, effect, tier, rule_id, reason } = withApprovers(
    outcome(defaults, reading),
    reading,
  )
  return {
    effect,
    tier,
    rule_id,
    reason: withUnknown(reason, reading.undecidedBy),
    obligations: {
      grant_ttl_ms: defaults.grant_ttl_ms,
      approval_ttl_ms: defaults.approval_ttl_ms,
      approvers,
    },
    policy_fingerprint: fingerprint,
    facts: look.seen(),
    unknown: look.unknown(),
  }
}
