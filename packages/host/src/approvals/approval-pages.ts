import type { ActionId } from '@trustgw/protocol'
import { CEREMONY_TTL_MS, CeremonyBook } from '../ceremony/ceremony-book.ts'
import { newNonce } from '../crypto.ts'
import type { HostDeps } from '../deps.ts'
import type { PersonId } from '../people/person.ts'
import type { Session, SessionDesk } from '../session/session-desk.ts'
import type { SessionId } from '../session/session-record.ts'
import type { Decider } from './decider.ts'

/** How long the way from the portal to the page may take. */
export const PAGE_CODE_TTL_MS = 60_000

interface Page {
  readonly actionId: ActionId
  readonly person: PersonId
  readonly sid: SessionId
}

/** What an opened page shows itself with. */
export interface OpenedPage {
  readonly actionId: ActionId
  readonly by: Decider
}

interface ApprovalPagesDeps {
  /** Of the page; undefined: this installation has none. */
  readonly origin: string | undefined
  readonly sessions: SessionDesk
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
}

/**
 * Pages for one approval each, on an origin of their own (spec/protocol.md §3). No cookie goes there: a
 * session of the portal gives a code, which is taken once, and the page gets a ticket for it, good for
 * this action, this person and as long as that session is open. Both live in memory.
 */
export class ApprovalPages {
  readonly #deps: ApprovalPagesDeps
  readonly #codes = new CeremonyBook<Page>()
  readonly #tickets = new CeremonyBook<Page>()

  constructor(deps: ApprovalPagesDeps) {
    this.#deps = deps
  }

  /** The page's address for one person, good for a minute; undefined where there is no such page. */
  address({ person, sid }: Session, actionId: ActionId): string | undefined {
    const { clock, origin, random } = this.#deps
    if (origin === undefined) return undefined
    const code = newNonce(random)
    const page = { actionId, person: person.person, sid }
    this.#codes.open(code, page, clock.now() + PAGE_CODE_TTL_MS)
    // Behind the hash: no server, proxy or log on the way sees it.
    return `${origin}/approve#${code}`
  }

  /** A ticket for a code, once; undefined: unknown, used, expired, or the session is over. */
  async open(code: string): Promise<(OpenedPage & { readonly ticket: string }) | undefined> {
    const { clock, random } = this.#deps
    const now = clock.now()
    const page = this.#codes.take(code, now)
    if (page === undefined) return undefined
    const ticket = newNonce(random)
    this.#tickets.open(ticket, page, now + CEREMONY_TTL_MS)
    const opened = await this.check(ticket)
    return opened === undefined ? undefined : { ...opened, ticket }
  }

  /** What a ticket is good for now, with the person as stored now; it can be used again. */
  async check(ticket: string): Promise<OpenedPage | undefined> {
    const { clock, sessions } = this.#deps
    const page = this.#tickets.find(ticket, clock.now())
    if (page === undefined) return undefined
    const person = await sessions.personOf(page.person, page.sid)
    if (person === undefined) return undefined
    return { actionId: page.actionId, by: { kind: 'page', sid: page.sid, person } }
  }
}
