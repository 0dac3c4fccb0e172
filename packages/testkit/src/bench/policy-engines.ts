/** Every engine of the benchmark, made ready for a shape. */
import { type CompiledPolicy, compilePolicy, decide, parsePolicy } from '@trustgw/core'
import { sha256 } from '@trustgw/runtime'
import { answerText, makeCasbin, makeCedar, makeNaive, type PolicyEngine } from './policy-peers.ts'
import { type BenchRule, factsOf, type Shape } from './policy-shapes.ts'

export const ENGINES = ['trust-gateway', 'naive', 'cedar', 'casbin'] as const
export type EngineName = (typeof ENGINES)[number]

const euros = (cents: number): string => `${(cents / 100).toFixed(2)} EUR`

const quoted = (text: string): string => JSON.stringify(text)

function tomlOf(rule: BenchRule): string {
  const { id, priority, effect, tier, tool, operation, source, agent, over, upTo } = rule
  const bounds = [
    over === undefined ? [] : `gt = "${euros(over)}"`,
    upTo === undefined ? [] : `lte = "${euros(upTo)}"`,
  ].flat()
  return [
    `[[rules]]\nid = "${id}"\npriority = ${priority}\neffect = "${effect}"`,
    tier === 0 ? [] : `tier = ${tier}`,
    '[rules.match]',
    `tool = [${quoted(tool ?? '**')}]`,
    operation === undefined ? [] : `operation = [${quoted(operation)}]`,
    source === undefined ? [] : `source = [${quoted(source)}]`,
    agent === undefined ? [] : `agent = [${quoted(agent)}]`,
    bounds.length === 0 ? [] : `amount = { ${bounds.join(', ')} }`,
    rule.regions === undefined ? [] : `args."/region" = { in = ${JSON.stringify(rule.regions)} }`,
    rule.note === undefined ? [] : `args."/note" = { glob = "${rule.note}*" }`,
  ]
    .flat()
    .join('\n')
}

/** As an operator has it: read from TOML and compiled. */
export function compileRules(rules: readonly BenchRule[]): CompiledPolicy {
  const text = `version = 1\n${rules.map(tomlOf).join('\n')}\n`
  const parsed = parsePolicy(text, { file: 'bench.toml' })
  if (!parsed.ok) throw new Error(`bench.toml: ${parsed.findings[0]?.message ?? ''}`)
  return compilePolicy(parsed.value, sha256)
}

/** The whole decision record, each time. */
function makeOurs({ rules, calls }: Shape): PolicyEngine {
  const compiled = compileRules(rules)
  const proposals = calls.map(factsOf)
  return {
    decide: (index) => {
      const facts = proposals[index]
      return facts === undefined ? '' : decide(compiled, facts).rule_id
    },
    answer: (index) => {
      const facts = proposals[index]
      if (facts === undefined) return ''
      const { effect, tier, rule_id } = decide(compiled, facts)
      return answerText(effect, tier, rule_id)
    },
  }
}

export async function makeEngine(name: EngineName, shape: Shape): Promise<PolicyEngine> {
  if (name === 'trust-gateway') return makeOurs(shape)
  if (name === 'naive') return makeNaive(shape)
  return name === 'cedar' ? makeCedar(shape) : makeCasbin(shape)
}
