import {
  type CardSection,
  type ComparedWith,
  mismatchSentence,
  type ReviewedRequest,
  type ReviewRefusal,
  reviewEarlier,
  reviewRequest,
  textCard,
} from '@trustgw/card'
import { type ActionId, type Approver, parseActionId, type Result } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { CommandFault, type Context, UsageFault } from '../command.ts'
import { type HostApi, HostRefusal } from './host-api.ts'
import type { TerminalSession } from './session-file.ts'

/** One request as it was hashed again on this machine. */
export interface FetchedCard {
  readonly id: ActionId
  readonly state: string
  readonly given: readonly Approver[]
  /** Refused: what the host sent does not fit its hashes. */
  readonly reviewed: Result<ReviewedRequest, ReviewRefusal>
  /** Undefined: could not be had. */
  readonly earlier: ComparedWith | undefined
}

/** The one action that a command line names. */
export function namedAction({ positionals }: Context): ActionId {
  const [text, ...more] = positionals
  const id = parseActionId(text ?? '')
  if (!id.ok || more.length > 0) {
    throw new UsageFault('which action? One id, as trustgw approvals list shows it')
  }
  return id.value
}

export async function fetchCard(
  api: HostApi,
  session: TerminalSession,
  id: ActionId,
): Promise<FetchedCard> {
  const { request, state, given } = await api.show(id)
  const reviewed =
    request.action_id === id
      ? reviewRequest(request, session.tenant, sha256)
      : ({ ok: false, reason: 'action_differs' } as const)
  const told = await api.earlier(id).catch((error: unknown) => {
    if (error instanceof CommandFault && !(error instanceof HostRefusal)) return undefined
    throw error
  })
  const earlier =
    told === undefined
      ? undefined
      : { ...reviewEarlier(told.earlier, request, sha256), leftOut: told.left_out }
  return { id, state, given, reviewed, earlier }
}

/** The card, or a fault that says why there is none: no match, no button (spec/protocol.md §3). */
export function matching({ reviewed }: FetchedCard): ReviewedRequest {
  if (reviewed.ok) return reviewed.value
  throw new CommandFault(
    'does_not_match',
    `${mismatchSentence(reviewed.reason)} Approve nothing, and tell whoever runs this installation`,
  )
}

export function sectionsOf(
  card: FetchedCard,
  reviewed: ReviewedRequest,
  { person }: TerminalSession,
): readonly CardSection[] {
  const { given, earlier } = card
  return textCard(reviewed, { given, earlier, person, now: Date.now() })
}
