import { openBundle, type PolicyFacts, type PolicySet } from '@trustgw/core'
import { readSealedBundle, type SealedBundle, type Source, type Tier } from '@trustgw/protocol'
import { inflateText, sha256 } from '@trustgw/runtime'
import { bundleBytes } from '@trustgw/testkit/seal-policy'
import type { AdmissionReason } from '../../src/admit/reasons.ts'

/**
 * One tool and one set of arguments come to every tier: by the source, which is the gateway's word.
 */
export const POLICY = `
version = 1

[[rules]]
id       = "free"
priority = 1
effect   = "allow"
match    = { source = ["rest"] }

[[rules]]
id        = "vouched"
priority  = 2
effect    = "require_approval"
tier      = 1
reason    = "somebody signed in"
approvers = { quorum = 1, channels = ["portal"] }
match     = { source = ["nats"] }

[[rules]]
id        = "refund-large"
priority  = 3
effect    = "require_approval"
tier      = 2
reason    = "a second pair of eyes"
approvers = { roles = ["finance"], quorum = 1, channels = ["portal"] }
match     = { source = ["mcp"] }

[[rules]]
id        = "two-of-finance"
priority  = 4
effect    = "require_approval"
tier      = 2
reason    = "two pairs of eyes"
approvers = { roles = ["finance"], quorum = 2 }
match     = { source = ["telegram"] }

[[rules]]
id        = "any-two"
priority  = 5
effect    = "require_approval"
tier      = 2
reason    = "two pairs of eyes"
approvers = { quorum = 2 }
match     = { source = ["webhook"] }
`

const SOURCES: { readonly [T in Tier]: Source } = { 0: 'rest', 1: 'nats', 2: 'mcp', 3: 'cron' }

/** The refusals of a decision made again; `admission-policy.test.ts` has each. */
export const POLICY_REASONS: readonly AdmissionReason[] = [
  'policy_missing',
  'policy_epoch_ahead',
  'policy_superseded',
  'policy_fingerprint_differs',
  'decision_time_differs',
  'decision_record_malformed',
  'decision_differs',
]

/** What a gateway says that leads to the tier under {@link POLICY}. */
export function factsFor(tier: Tier): Partial<PolicyFacts> {
  return { source: SOURCES[tier] }
}

/** The policies of a bundle, without a look at its seal. */
export function openSealed(sealed: SealedBundle): PolicySet {
  const read = readSealedBundle(bundleBytes(sealed), sha256)
  if (!read.ok) throw new TypeError(read.detail ?? read.reason)
  const opened = openBundle(read.value, { sha256, inflate: inflateText, development: false })
  if (!opened.ok) throw new TypeError(JSON.stringify(opened.findings))
  return opened.value
}
