/** Why a proposal was decided as it was, and what would be allowed instead. */
import { formatMoney, type Json } from '@trustgw/protocol'
import { type Condition, restrictsInDoubt, type Verdict } from './ast.ts'
import { conditionKey } from './cells.ts'
import { type ArgumentChange, type SearchBounds, smallestChange, WIDE } from './change.ts'
import type { CompiledPolicy } from './compile.ts'
import type { CompiledRule } from './compiled-rule.ts'
import { compileCondition } from './conditions.ts'
import { type CompiledLayers, decideLayers, type PolicyDecision } from './decide.ts'
import type { PolicyFacts } from './facts.ts'
import { exceededLimits } from './limits.ts'
import type { Look } from './slots.ts'
import { allOf, type Truth } from './truth.ts'

export interface ExplainedLine {
  /** As the file could say it. */
  readonly line: string
  readonly fact: string
  /** Null where there is none; long values by their length. */
  readonly value: Json
  readonly truth: Truth
}

export interface ExplainedRule extends Verdict {
  readonly layer: CompiledPolicy['layer']
  readonly id: string
  readonly priority: number
  readonly truth: Truth
  /** Whether the decision is at least as strict as this rule says. */
  readonly stands: boolean
  readonly lines: readonly ExplainedLine[]
}

export interface ExplainedLimit extends Verdict {
  readonly layer: CompiledPolicy['layer']
  readonly id: string
  /** Whether the proposal counts: it does unless known not to. */
  readonly truth: Truth
  readonly is_exceeded: boolean
  readonly lines: readonly ExplainedLine[]
  /** What the counter holds, `{count, amount}`; null where that is not known. */
  readonly counter: Json
  readonly max_count: number | null
  /** As `100.00 EUR`. */
  readonly max_amount: string | null
}

export interface Explanation {
  readonly decision: PolicyDecision
  /** The rules read, up to the first that is known to match, in the order of reading. */
  readonly rules: readonly ExplainedRule[]
  /** The limits over the tool, in the order of the file. */
  readonly limits: readonly ExplainedLimit[]
  /** What of the arguments would have to be otherwise for `allow`; empty when it is allowed. */
  readonly change: readonly ArgumentChange[] | null
  /** {@link safeHint}, of all that is tried; null when it is allowed. */
  readonly hint: string | null
}

function explainLines(
  match: readonly Condition[],
  compiled: CompiledPolicy,
  look: Look,
): readonly ExplainedLine[] {
  return match.map((condition): ExplainedLine => {
    const { judge, slot } = compileCondition(condition, compiled.slots)
    const truth = judge(look)
    return { line: conditionKey(condition), fact: slot.name, value: slot.fact().value, truth }
  })
}

function explainRule(
  compiled: CompiledPolicy,
  { rule }: CompiledRule,
  facts: PolicyFacts,
): ExplainedRule {
  const lines = explainLines(rule.match, compiled, compiled.begin(facts))
  const truth = allOf(lines.map((line) => line.truth))
  const stands = truth === true || (truth === 'unknown' && restrictsInDoubt(rule))
  const { effect, tier, id, priority } = rule
  return { layer: compiled.layer, id, priority, effect, tier, truth, stands, lines }
}

/** Rules behind the first match have no say; a less strict one beside it has none either. */
function readRules(compiled: CompiledPolicy, facts: PolicyFacts): readonly ExplainedRule[] {
  const read: ExplainedRule[] = []
  let reached = Number.POSITIVE_INFINITY
  for (const candidate of compiled.candidates(facts.tool.id)) {
    if (candidate.rule.priority > reached) break
    const explained = explainRule(compiled, candidate, facts)
    if (explained.truth === true) reached = explained.priority
    read.push(explained)
  }
  return read
}

function explainLimits(compiled: CompiledPolicy, facts: PolicyFacts): readonly ExplainedLimit[] {
  const look = compiled.begin(facts)
  const exceeded = new Set(exceededLimits(compiled, look, []).map(({ limit }) => limit.id))
  return compiled.limits.flatMap(({ limit, counter }): readonly ExplainedLimit[] => {
    const lines = explainLines(limit.match, compiled, look)
    if (lines.some(({ fact, truth }) => fact === 'tool' && truth === false)) return []
    counter.look(look)
    const { id, effect, tier, max_count, max_amount } = limit
    return [
      {
        layer: compiled.layer,
        id,
        effect,
        tier,
        truth: allOf(lines.map((line) => line.truth)),
        is_exceeded: exceeded.has(id),
        lines,
        counter: counter.fact().value,
        max_count,
        max_amount: max_amount === null ? null : formatMoney(max_amount),
      },
    ]
  })
}

/** The whole reasoning, for whoever may read the policy. Rules over other tools are left out. */
export function explain(layers: CompiledLayers, facts: PolicyFacts): Explanation {
  const decision = decideLayers(layers, facts)
  const isAllowed = decision.effect === 'allow'
  return {
    decision,
    rules: layers.layers.flatMap((layer) => readRules(layer, facts)),
    limits: layers.layers.flatMap((layer) => explainLimits(layer, facts)),
    change: isAllowed ? [] : smallestChange(layers, facts),
    hint: isAllowed ? null : safeHint(layers, facts, WIDE),
  }
}

function changeText({ pointer, from, to, isBound, length }: ArgumentChange): string {
  const what = pointer === '' ? 'the arguments' : pointer
  if (length !== undefined)
    return `${what} had at most ${length} ${typeof to === 'string' ? 'characters' : 'items'}`
  if (isBound) return `${what} were ${JSON.stringify(to)}`
  return from === undefined ? `${what} were given` : `${what} had another value`
}

/**
 * What the caller may be told: the outcome, and a change of its own arguments. No rule, no reason
 * of the policy, no list that it holds, no fact that the caller did not send and no argument that
 * its tool's schema does not name.
 */
export function safeExplain({ decision: { effect }, hint }: Explanation): string {
  if (effect === 'allow') return 'Allowed by policy.'
  const outcome =
    effect === 'deny' ? 'Refused by policy.' : 'Policy asks a person to approve this first.'
  return hint === null ? outcome : `${outcome} ${hint}`
}

/**
 * The change of {@link safeExplain} for a proposal that is not allowed, with bounds on what is looked at:
 * cheap enough to be said with every refusal. Null where none was found.
 */
export function safeHint(
  layers: CompiledLayers,
  facts: PolicyFacts,
  bounds: SearchBounds,
): string | null {
  const change = smallestChange(layers, facts, { ...bounds, isToldOnly: true })
  return change === null ? null : `It would be allowed if ${change.map(changeText).join(' and ')}.`
}
