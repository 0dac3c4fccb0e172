import { formatMoney, type Tier } from '@trustgw/protocol'
import type { ReviewedRequest } from './review.ts'

const MINUTE_MS = 60_000
const REPEATED =
  ' If its end is not seen, it is sent again under the same key, which its provider takes as one.'

/** What approving does, to be read after the tool’s name: `runs once, with exactly these arguments…`. */
export function approvalConsequence({ request, amount, bound }: ReviewedRequest): string {
  const { contract, decision } = request
  const sum = amount.kind === 'money' ? `, for ${formatMoney(amount.money)}` : ''
  const condition = bound === null ? '' : ', if what was read for it is still so'
  const repeated = contract.idempotent === true ? REPEATED : ''
  const undo = undoSentence(decision.obligations.undo_ms)
  return `runs once, with exactly these arguments${sum}${condition}.${repeated}${undo} ${proofSentence(decision.tier)}`
}

/** What denying does. */
export const DENIAL_CONSEQUENCE =
  'Nothing runs. Your name and reason go on the record. Letting the time pass does the same, without a reason.'

function undoSentence(undoMs: number | undefined): string {
  if (undoMs === undefined) return ''
  const time = undoMs < MINUTE_MS ? `${undoMs / 1000} s` : `${Math.round(undoMs / MINUTE_MS)} min`
  return ` It waits ${time} before it runs, in which it can be stopped.`
}

function proofSentence(tier: Tier): string {
  return tier === 1
    ? 'The host signs for your click; no passkey is asked.'
    : 'Your passkey signs this action and no other.'
}
