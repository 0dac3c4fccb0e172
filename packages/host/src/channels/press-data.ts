import { type ActionId, type ApprovalRequest, parseActionId } from '@trustgw/protocol'

export type PressVerb = 'approve' | 'deny' | 'inspect'

const LETTERS: Readonly<Record<PressVerb, string>> = { approve: 'a', deny: 'd', inspect: 'i' }
const PRESS = /^([adi])\.([a-z0-9_]{1,40})\.([0-9a-z]{1,10})$/

/** What a button brings back: which request, as it was asked then. It says nothing that permits. */
export function pressData(verb: PressVerb, request: ApprovalRequest): string {
  return `${LETTERS[verb]}.${request.action_id}.${request.requested_at.toString(36)}`
}

export function parsePress(
  data: string,
): { verb: PressVerb; actionId: ActionId; requestedAt: number } | undefined {
  const [, letter, id = '', at = ''] = PRESS.exec(data) ?? []
  const verb = (['approve', 'deny', 'inspect'] as const).find((one) => LETTERS[one] === letter)
  const actionId = parseActionId(id)
  if (verb === undefined || !actionId.ok) return undefined
  return { verb, actionId: actionId.value, requestedAt: Number.parseInt(at, 36) }
}
