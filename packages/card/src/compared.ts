import type { PlacedFinding } from './card-review.ts'
import type { EarlierCalls } from './earlier.ts'

/** What a card is compared with; `leftOut` were too long to be told of. */
export interface ComparedWith extends EarlierCalls {
  readonly leftOut: number
}

/** Over what somebody should look at first. `earlier` is undefined while nothing is known. */
export function attentionTitle(
  attention: readonly PlacedFinding[],
  earlier: ComparedWith | undefined,
): string {
  if (attention.some(({ tone }) => tone === 'alarm')) return 'Look at this first'
  if (attention.length === 0) {
    const isFirst = earlier !== undefined && earlier.calls.length + earlier.leftOut === 0
    return isFirst ? 'The first of its kind' : 'Nothing stands out'
  }
  return attention.length === 1 ? '1 thing is unusual' : `${attention.length} things are unusual`
}

export const NOT_COMPARED =
  'What was approved before could not be read, so nothing was compared with it.'

/** What the comparison rests on; `where` it was hashed again: `in this browser`. */
export function comparedWords({ calls, dropped, leftOut }: ComparedWith, where: string): string {
  const left = leftOut === 0 ? '' : ` ${leftOut} were too long to compare.`
  const bad =
    dropped === 0
      ? ''
      : ` ${dropped} that the server told of did not match their hashes and were left out.`
  if (calls.length === 0) {
    return `Nobody here has approved a call of this tool yet: there is nothing to compare with.${left}${bad}`
  }
  const count = calls.length === 1 ? 'the 1 call' : `the last ${calls.length} calls`
  return `Compared with ${count} of this tool that people approved; hashed again ${where}.${left}${bad}`
}
