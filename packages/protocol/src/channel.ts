import type { DecisionRecord } from './decision.ts'
import type { Verdict } from './statement.ts'

/** Where people decide: the portal with its pages and terminals, or a chat. */
export type Channel = (typeof CHANNELS)[number]
export const CHANNELS = ['portal', 'telegram', 'slack'] as const

/**
 * Whether a verdict counts through a channel (spec/protocol.md §3): a denial through any; an approval
 * under a passkey is given on the portal's page, whichever chat led there; any other only through a
 * channel that the rule names, and where it names none, in the portal.
 */
export function countsThrough(
  { tier, obligations: { channels } }: Pick<DecisionRecord, 'tier' | 'obligations'>,
  verdict: Verdict,
  channel: Channel,
): boolean {
  if (verdict === 'deny') return true
  if (tier > 1 || channels.length === 0) return channel === 'portal'
  return channels.includes(channel)
}
