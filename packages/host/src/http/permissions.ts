import { POLICY_ADMIN_ROLE } from '@trustgw/protocol'
import type { Session } from '../session/session-desk.ts'
import { type Refused, refused } from './problem.ts'

/** Reads everything, the record of decisions included, and decides nothing. */
export const AUDITOR_ROLE = 'auditor'
/** Sees what happens and what runs, without the arguments of any call. */
export const VIEWER_ROLE = 'viewer'

/**
 * What a route asks of who calls it. `open`: no session. `own`: a session; the route touches only its
 * own person, shows no arguments, or is judged by a passkey that only some have. `read`: arguments,
 * contracts, people. `audit`: what was recorded of others. `decide`: a word over a call. `govern`:
 * policy, tools, pins and other people.
 */
export type Need = 'open' | 'own' | 'read' | 'audit' | 'decide' | 'govern'

/** Every route of the API, without `/api`. One that stands not here is refused to everybody. */
export const ROUTE_NEEDS: ReadonlyMap<string, Need> = new Map<string, Need>([
  ['GET /session', 'open'],
  ['DELETE /session', 'open'],
  ['POST /login/begin', 'open'],
  ['POST /login/finish', 'open'],
  ['POST /enrolment/begin', 'open'],
  ['POST /enrolment/login', 'open'],
  ['POST /enrolment/finish', 'open'],
  ['GET /sessions', 'own'],
  ['DELETE /sessions/:sid', 'own'],
  ['DELETE /sessions', 'own'],
  ['POST /step-up/begin', 'own'],
  ['POST /step-up/finish', 'own'],
  ['GET /passkeys', 'own'],
  ['POST /passkeys/begin', 'own'],
  ['POST /passkeys/finish', 'own'],
  ['POST /passkeys/:id/name', 'own'],
  ['DELETE /passkeys/:id', 'own'],
  ['GET /actions', 'own'],
  ['GET /installation', 'own'],
  ['GET /keys', 'own'],
  ['GET /freezes', 'own'],
  ['POST /freezes/challenge', 'own'],
  ['POST /freezes/apply', 'own'],
  ['GET /channels', 'own'],
  ['POST /channels/link', 'own'],
  ['DELETE /channels/:channel', 'own'],
  ['GET /agents', 'read'],
  ['POST /agents/challenge', 'govern'],
  ['POST /agents/apply', 'govern'],
  ['POST /device/begin', 'open'],
  ['POST /device/token', 'open'],
  ['DELETE /device/session', 'own'],
  ['POST /device/look', 'own'],
  ['POST /device/decide', 'own'],
  ['GET /approvals', 'read'],
  ['GET /approvals/urgent', 'read'],
  ['GET /approvals/:id', 'read'],
  ['GET /approvals/:id/earlier', 'read'],
  ['POST /approvals/:id/page', 'decide'],
  ['POST /approvals/:id/begin', 'decide'],
  ['POST /approvals/:id/approve', 'decide'],
  ['POST /approvals/:id/deny', 'decide'],
  ['GET /outcomes', 'read'],
  ['POST /outcomes/:id', 'decide'],
  ['GET /tools', 'read'],
  ['POST /tools/order', 'govern'],
  ['GET /policy', 'read'],
  ['GET /policy/status', 'read'],
  ['GET /policy/recorded', 'audit'],
  ['POST /policy/challenge', 'govern'],
  ['POST /policy/apply', 'govern'],
  ['GET /people', 'read'],
  ['POST /people/pin/challenge', 'govern'],
  ['POST /people/pin/apply', 'govern'],
  ['POST /people', 'govern'],
  ['GET /people/:person', 'audit'],
  ['DELETE /people/:person', 'govern'],
  ['POST /people/:person/roles', 'govern'],
  ['POST /people/:person/recovery', 'govern'],
  ['DELETE /people/:person/sessions', 'govern'],
])

const ADMIN: readonly Need[] = ['own', 'read', 'audit', 'decide', 'govern']
const AUDITOR: readonly Need[] = ['own', 'read', 'audit']
const APPROVER: readonly Need[] = ['own', 'read', 'decide']
const VIEWER: readonly Need[] = ['own']

/** Any role without a meaning of its own is one of approvers, as policy names it. */
function grantedBy(role: string): readonly Need[] {
  if (role === POLICY_ADMIN_ROLE) return ADMIN
  if (role === AUDITOR_ROLE) return AUDITOR
  return role === VIEWER_ROLE ? VIEWER : APPROVER
}

/**
 * `route` as `METHOD /path` with its parameters unfilled. Roles add up; without any, one is a viewer.
 * NOT judged here: which clause of an approval a role fills, and whether a passkey was used lately.
 */
export function objectionToRoute(route: string, roles: readonly string[]): Refused | undefined {
  const need = ROUTE_NEEDS.get(route)
  const granted = new Set([...VIEWER, ...roles.flatMap(grantedBy)])
  return need !== undefined && granted.has(need) ? undefined : refused('role_missing')
}

/** What changes who can get in takes a passkey that was used lately (spec/protocol.md §8). */
export function objectionToStale({ authLevel }: Session): Refused | undefined {
  return authLevel < 5 ? refused('step_up_required') : undefined
}
