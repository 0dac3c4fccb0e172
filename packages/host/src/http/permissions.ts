import { POLICY_ADMIN_ROLE } from '@trustgw/protocol'
import type { Session } from '../session/session-desk.ts'
import { type Refused, refused } from './problem.ts'

/** What changes who can get in takes a passkey that was used lately (spec/protocol.md §8). */
export function objectionToStale({ authLevel }: Session): Refused | undefined {
  return authLevel < 5 ? refused('step_up_required') : undefined
}

/** What touches other people takes an admin who used a passkey lately. */
export function objectionToActingOnOthers(session: Session): Refused | undefined {
  if (!session.person.roles.includes(POLICY_ADMIN_ROLE)) return refused('role_missing')
  return objectionToStale(session)
}
