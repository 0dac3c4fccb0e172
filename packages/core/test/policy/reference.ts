/** The text of spec/policy.md "Reading a layer", as short as it can be said. */
export type Truth = true | false | 'unknown'
export interface AbstractRule {
  readonly priority: number
  readonly truth: Truth
  /** 0 allow, 1 and 2 approval by tier, 3 proof, 4 deny: from least to most restrictive. */
  readonly strength: number
}

export function reference(rules: readonly AbstractRule[], fallback: number): number {
  const known = rules.filter((rule) => rule.truth === true)
  const first = Math.min(...known.map((rule) => rule.priority))
  const matched = known.filter((rule) => rule.priority === first).map((rule) => rule.strength)
  const effect = matched.length === 0 ? fallback : Math.max(...matched)
  const met = rules.filter((rule) => rule.priority <= first)
  const doubted = met.filter((rule) => rule.truth === 'unknown' && rule.strength > 0)
  return Math.max(effect, ...doubted.map((rule) => rule.strength))
}
