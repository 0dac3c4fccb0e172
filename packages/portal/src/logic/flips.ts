import type { Flip } from '@trustgw/core'
import type { RecordedProposal } from './recorded.ts'

export interface FlipRow {
  readonly flip: Flip
  readonly proposal: RecordedProposal
}

/** Wider ones first, then the newest. */
export function flipRows(
  flips: readonly Flip[],
  recorded: readonly RecordedProposal[],
): readonly FlipRow[] {
  const byId = new Map(recorded.map((proposal) => [proposal.action_id, proposal]))
  return flips
    .flatMap((flip) => {
      const proposal = byId.get(flip.action_id)
      return proposal === undefined ? [] : [{ flip, proposal }]
    })
    .sort(
      (a, b) =>
        Number(b.flip.direction === 'wider') - Number(a.flip.direction === 'wider') ||
        b.proposal.at - a.proposal.at,
    )
}
