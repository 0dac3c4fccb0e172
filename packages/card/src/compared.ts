import type { PlacedFinding } from './card-review.ts'
import type { EarlierCalls } from './earlier.ts'

/** What a card is compared with; `leftOut` were too long to be told of. */
export interface ComparedWith extends EarlierCalls {
  readonly leftOut: number
}

export interface AttentionHead {
  readonly title: string
  readonly tone: 'alarm' | 'care' | 'calm'
}

/**
 * Over what somebody should look at first. Undefined: what was approved before could not be read. Nothing
 * is said to be calm before it was compared.
 */
export function attentionHead(
  attention: readonly PlacedFinding[],
  earlier: ComparedWith | 'loading' | undefined,
): AttentionHead {
  const compared = earlier === 'loading' ? undefined : earlier
  const isForged = compared !== undefined && compared.dropped > 0
  if (isForged || attention.some(({ tone }) => tone === 'alarm'))
    return { title: 'Look at this first', tone: 'alarm' }
  if (attention.length > 0) {
    const count = attention.length
    return {
      title: count === 1 ? '1 thing is unusual' : `${count} things are unusual`,
      tone: 'care',
    }
  }
  if (earlier === 'loading') return { title: 'Comparing…', tone: 'calm' }
  if (compared === undefined) return { title: 'Not compared', tone: 'care' }
  if (compared.calls.length > 0) return { title: 'Nothing stands out', tone: 'calm' }
  return compared.leftOut > 0
    ? { title: 'Not compared', tone: 'care' }
    : { title: 'The first of its kind', tone: 'calm' }
}

export const NOT_COMPARED =
  'What was approved before could not be read, so nothing was compared with it.'

/** What the comparison rests on; `where` it was hashed again: `in this browser`. */
export function comparedWords({ calls, dropped, leftOut }: ComparedWith, where: string): string {
  const left = leftOut === 0 ? '' : ` ${leftOut} were too long to compare.`
  const bad =
    dropped === 0
      ? ''
      : ` ${dropped} that the server told of did not match their hashes and were left out: this may be an attack.`
  if (calls.length === 0) {
    return leftOut + dropped === 0
      ? 'Nobody here has approved a call of this tool yet: there is nothing to compare with.'
      : `There was nothing to compare with.${left}${bad}`
  }
  const count = calls.length === 1 ? 'the 1 call' : `the last ${calls.length} calls`
  return `Compared with ${count} of this tool that people approved; hashed again ${where}.${left}${bad}`
}
