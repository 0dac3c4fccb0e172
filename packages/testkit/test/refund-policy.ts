/** How refunds up to 100 EUR and above are decided: the lines of a rule between its name and its match. */
interface RefundRules {
  readonly small: string
  readonly large: string
  /** Further rules. */
  readonly more?: string
}

/** Everything may be read, refunds by rules of their own, the rest is denied. */
export function refundPolicy({ small, large, more = '' }: RefundRules): string {
  return `version = 1
[defaults]
effect       = "deny"
grant_ttl    = "30s"
approval_ttl = "15m"

[[rules]]
id       = "reads"
priority = 10
effect   = "allow"
match    = { operation = ["read"] }

[[rules]]
id        = "refund-small"
priority  = 20
effect    = "require_approval"
${small}
match     = { tool = ["shop.refund"], amount = { lte = "100.00 EUR" } }

[[rules]]
id        = "refund-large"
priority  = 20
effect    = "require_approval"
${large}
match     = { tool = ["shop.refund"], amount = { gt = "100.00 EUR" } }
${more}`
}
