/** Words and signs that the policy commands share. */
import { type ExplainedLine, type PolicyDecision, tomlValue } from '@trustgw/core'
import { asObject, type Json, type JsonObject, parseJson } from '@trustgw/protocol'
import { type Style, visible } from '../../terminal.ts'

type Verdict = Pick<PolicyDecision, 'effect' | 'tier'>

/** `require_approval, tier 2`; other effects have one tier only. */
export const verdictText = ({ effect, tier }: Verdict): string =>
  effect === 'require_approval' ? `${effect}, tier ${tier}` : effect

export function paintedVerdict(verdict: Verdict, style: Style): string {
  const paint = {
    allow: style.good,
    deny: style.bad,
    require_approval: style.warn,
    require_proof: style.warn,
  }
  return paint[verdict.effect](verdictText(verdict))
}

/** `deny by default`, `allow by "reads"`. */
export const decidedText = (side: Verdict & { readonly rule_id: string }): string =>
  `${verdictText(side)} by ${ruleText(side.rule_id)}`

export const ruleText = (id: string): string => (id === 'default' ? 'default' : `"${visible(id)}"`)

export function mark(truth: ExplainedLine['truth'], style: Style): string {
  if (truth === 'unknown') return style.warn('?')
  return truth ? style.good('✓') : style.bad('✗')
}

/** A line of a match as the file says it: `amount = { lte = "50.00 EUR" }`. */
export function lineText(line: string): string {
  const at = line.indexOf(' = ')
  const json = parseJson(line.slice(at + 3))
  if (!json.ok) return visible(line)
  const [[pointer, predicate] = ['', null], ...others] = Object.entries(asObject(json.value) ?? {})
  return others.length === 0 && /^(?:args|provenance) =/.test(line)
    ? visible(`${line.slice(0, at)}.${JSON.stringify(pointer)} = ${tomlValue(predicate)}`)
    : visible(`${line.slice(0, at)} = ${tomlValue(json.value)}`)
}

export const valueText = (value: Json): string => visible(JSON.stringify(value))

/** `tool = "shop.refund", amount = "50.01 EUR"`. */
export const exampleText = (example: Readonly<Record<string, Json>>): string =>
  Object.keys(example).length === 0
    ? 'any proposal'
    : Object.entries(example)
        .map(
          ([fact, value]) =>
            `${visible(fact)} = ${value === null ? 'not there' : valueText(value)}`,
        )
        .join(', ')

export const sideJson = (side: Verdict & { readonly rule_id: string }): JsonObject => ({
  effect: side.effect,
  tier: side.tier,
  rule_id: side.rule_id,
})
