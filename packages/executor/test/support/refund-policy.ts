import type { LocalTime } from '@trustgw/core'
import type { ToolContract } from '@trustgw/protocol'
import type { PolicyFile } from '@trustgw/testkit/seal-policy'
import { REFUND } from './world.ts'

/** The tool of the world with everything that a policy can look at. */
export const GATED_REFUND: ToolContract = {
  ...REFUND,
  category: 'payments',
  tags: ['money'],
  amount: {
    kind: 'pointer',
    pointer: '/amount',
    unit: 'decimal',
    currency: { kind: 'fixed', code: 'EUR' },
  },
}

const PLATFORM = `
version = 1

[[rules]]
id       = "night"
priority = 1
effect   = "require_approval"
tier     = 2
reason   = "Nobody refunds at night"
approvers = { roles = ["finance"] }
match    = { operation = ["transfer"], time = { from = "22:00", to = "06:00", tz = "Europe/Vienna" } }

[[rules]]
id       = "reads"
priority = 2
effect   = "allow"
match    = { operation = ["read"] }

[[rules]]
id       = "small"
priority = 3
effect   = "allow"
match    = { tool = ["shop.refund"], amount = { lt = "50.00 EUR" } }

[[rules]]
id       = "trusted"
priority = 4
effect   = "allow"
match    = { agent = ["trusted.*"] }

[[rules]]
id       = "boss"
priority = 5
effect   = "allow"
match    = { user = ["ceo"] }

[[rules]]
id       = "cron"
priority = 6
effect   = "allow"
match    = { source = ["cron"] }

[[rules]]
id       = "large"
priority = 7
effect   = "require_approval"
tier     = 2
reason   = "a second pair of eyes"
approvers = { roles = ["finance"], quorum = 1, channels = ["portal"] }
match    = { operation = ["transfer"] }
`

const TILL = `
version = 1

[[rules]]
id       = "till-closed"
priority = 1
effect   = "deny"
match    = { operation = ["transfer"] }
`

/** A platform policy that looks at derived and asserted facts, and one of the workspace `till`. */
export const LAYERED_POLICY: readonly PolicyFile[] = [
  { text: PLATFORM },
  { text: TILL, layer: 'workspace', scope: 'till' },
]

export const AT_NIGHT: ReadonlyMap<string, LocalTime> = new Map([
  ['Europe/Vienna', { day: 'mon', minute: 60 }],
])
