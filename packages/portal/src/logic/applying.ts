import type { LayerDiff } from './policy-judge.ts'

/** What of a judgement decides whether an admin has to say that more is allowed. */
export interface Judgement {
  readonly layers: { readonly list: readonly LayerDiff[]; readonly isWhole: boolean } | undefined
  readonly outcome: 'working' | 'whole' | 'failed'
}

/** What was not proved to allow no more counts as allowing more. */
export function mayAllowMore({ layers, outcome }: Judgement): boolean {
  if (outcome !== 'whole' || layers?.isWhole !== true) return true
  return layers.list.some(({ diff }) => diff.verdict === 'widens' || diff.verdict === 'may_widen')
}
