/** The decision of one layer (spec/policy.md "Reading a layer", "Three-valued matching"). */
import type { ApproversClause, DecisionRecord } from '@trustgw/protocol'
import { compareVerdicts, DEFAULT_RULE_ID, restricts, type Verdict } from './ast.ts'
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

/** Both clauses as one: whoever satisfies it satisfies each. Null when nobody could. */
function bothClauses(a: ApproversClause, b: ApproversClause): ApproversClause | null {
  const common = (x: readonly string[], y: readonly string[]): readonly string[] =>
    x.filter((item) => y.includes(item))
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
  const { matched, doubted, undecidedBy } = read(compiled.candidates(facts.tool.id), look)
  const standing = [...matched, ...doubted]
  const { defaults } = compiled
  const base: Verdict = matched[0]?.rule ?? { effect: defaults.effect, tier: 0 }
  const [strictest] = mostRestrictive(standing)
  const rule =
    strictest !== undefined && (matched.length > 0 || compareVerdicts(strictest.rule, base) > 0)
      ? strictest.rule
      : null
  const { effect, tier }: Verdict = rule ?? base
  const asked = effect === 'allow' || effect === 'deny' ? NOBODY_ASKED : clauseOfAll(standing)
  const said = rule?.reason ?? 'No rule matches, so the default holds'
  const reason = asked === null ? `${said}; no approver satisfies every rule that stands` : said
  return {
    effect: asked === null ? 'deny' : effect,
    tier: asked === null ? 0 : tier,
    rule_id: rule?.id ?? DEFAULT_RULE_ID,
    reason: withUnknown(reason, undecidedBy),
    obligations: {
      grant_ttl_ms: defaults.grant_ttl_ms,
      approval_ttl_ms: defaults.approval_ttl_ms,
      approvers: asked ?? NOBODY_ASKED,
    },
    policy_fingerprint: compiled.fingerprint,
    facts: look.seen(),
    unknown: look.unknown(),
  }
}
