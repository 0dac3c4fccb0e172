import { addRequests } from '../logic/feed.ts'
import type { Answer, Api } from '../ports/api.ts'
import type { Notifier } from '../ports/notifier.ts'
import type { Passkeys } from '../ports/passkeys.ts'
import type { OpenedPage, Session } from '../ports/shapes.ts'
import { Portal } from './portal.ts'

/** What the page of one approval uses of the world: far less than a portal. */
export interface ApprovalPagePorts {
  readonly code: string
  readonly open: (code: string) => Promise<Answer<OpenedPage>>
  readonly apiOf: (page: OpenedPage) => Api
  readonly passkeys: Passkeys
  readonly now: () => number
}

/** An open page: the portal's own state with one request in it, and nothing live. */
export interface OpenApproval {
  readonly portal: Portal
  readonly id: string
  /** False: it was decided meanwhile, or its time is over. */
  readonly waits: boolean
  /** Where to go back to. */
  readonly home: string
}

/** Takes the code and fetches what it is for. */
export async function openPage(ports: ApprovalPagePorts): Promise<Answer<OpenApproval>> {
  const opened = await ports.open(ports.code)
  if (!opened.ok) return opened
  const { action_id: id, portal: home } = opened.value
  const api = ports.apiOf(opened.value)
  const shown = await api.approval(id)
  if (!shown.ok) return shown
  const portal = new Portal({
    api,
    live: { open: () => Promise.reject(new TypeError('nothing is live here')) },
    passkeys: ports.passkeys,
    notifier: SILENT,
    judge: () => {
      throw new TypeError('no policy is judged here')
    },
    now: ports.now,
    chance: () => 0,
  })
  const { feed } = portal.store.get()
  portal.store.update({
    phase: 'signed_in',
    session: sessionOf(opened.value),
    clockOffsetMs: opened.value.now - ports.now(),
    feed: addRequests(feed, [shown.value.request]),
  })
  return { ok: true, value: { portal, id, waits: shown.value.state === 'pending_approval', home } }
}

const SILENT: Notifier = {
  state: () => 'unsupported',
  turnOn: () => Promise.resolve('unsupported'),
  turnOff: () => undefined,
  show: () => undefined,
  close: () => undefined,
}

/** Approvals are signed here, so no page is named for them; there is no bus. */
function sessionOf({ person, tenant, now }: OpenedPage): Session {
  return {
    person,
    tenant,
    now,
    expires_at: now,
    sessions_replayed: 0,
    approval_origin: null,
    bus: { url: '', subject: '', changed: '', inbox_prefix: '', user: '' },
  }
}
