import { type JsonObject, subject, type TenantId } from '@trustgw/protocol'
import { BUS_COOKIE } from '@trustgw/runtime'
import type { HostDeps } from '../deps.ts'
import type { PersonRecord } from '../people/person.ts'
import { SESSION_TTL_MS } from '../session/session-desk.ts'
import { type CookieSettings, clearCookie, sessionCookieName, setCookie } from './cookies.ts'
import type { Reply } from './reply.ts'

/** How long an identity on the bus holds; the portal asks for the next one before it reconnects. */
export const BUS_TICKET_TTL_MS: number = 5 * 60_000
const MS_PER_S = 1_000

export interface SessionCookieDeps {
  readonly tenant: TenantId
  readonly busUrl: string
  /** Where approvals are signed, if elsewhere. */
  readonly approvalOrigin: string | undefined
  readonly secure: boolean
  readonly clock: HostDeps['clock']
  readonly tickets: HostDeps['tickets']
}

export interface SessionFacts {
  readonly token: string | undefined
  readonly expiresAt: number
  readonly authLevel: number
  readonly authTime: number
  /** Sessions that a copied token ended since the last sign-in; zero after that. */
  readonly replayed: number
}

/** What a page learns of its session, with the cookies that carry it. */
export function sessionReply(
  deps: SessionCookieDeps,
  person: PersonRecord,
  session: SessionFacts,
): Reply {
  const { busUrl, clock, secure, tenant, tickets } = deps
  const now = clock.now()
  // Whole seconds in a NATS token: the bounds are drawn inwards, so it never outlives the session.
  const issuedAt = Math.floor(now / MS_PER_S)
  const until = Math.min(now + BUS_TICKET_TTL_MS, session.expiresAt)
  const ticket = tickets.issue({ issuedAt, expiresAt: Math.floor(until / MS_PER_S) })
  const cookies = [setCookie(BUS_COOKIE, ticket.jwt, until - now, { secure })]
  if (session.token !== undefined) cookies.unshift(sessionCookie(deps, session.token))
  const json: JsonObject = {
    person: { id: person.person, name: person.name, roles: [...person.roles] },
    tenant,
    expires_at: session.expiresAt,
    auth_level: session.authLevel,
    auth_time: session.authTime,
    sessions_replayed: session.replayed,
    approval_origin: deps.approvalOrigin ?? null,
    now,
    bus: {
      url: busUrl,
      subject: subject('ui_events', { tenant }),
      changed: subject('ui_changed', { tenant }),
      inbox_prefix: ticket.inboxPrefix,
      user: ticket.inboxPrefix.slice(ticket.inboxPrefix.indexOf('.') + 1),
    },
  }
  return { json, cookies }
}

export function sessionCookie(deps: CookieSettings, token: string): string {
  return setCookie(sessionCookieName(deps), token, SESSION_TTL_MS, deps)
}

export function noCookies(deps: CookieSettings): readonly string[] {
  return [clearCookie(sessionCookieName(deps), deps), clearCookie(BUS_COOKIE, deps)]
}
