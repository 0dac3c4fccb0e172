import { inkLine, type ReviewedRequest, signableApproval, stateView } from '@trustgw/card'
import { type ActionId, actionStateShape, readShape } from '@trustgw/protocol'
import { sha256, systemClock } from '@trustgw/runtime'
import {
  type FetchedCard,
  fetchCard,
  matching,
  namedAction,
  sectionsOf,
} from '../../approvals/fetch-card.ts'
import { type HostApi, HostRefusal, hostApi } from '../../approvals/host-api.ts'
import { layoutCard } from '../../approvals/layout.ts'
import { openPage } from '../../approvals/open-page.ts'
import { sessionHere, type TerminalSession } from '../../approvals/session-file.ts'
import {
  type Command,
  CommandFault,
  type Context,
  EXIT_DONE,
  EXIT_FAILED,
  InputFault,
} from '../../command.ts'

/** From this tier up an approval is a passkey's signature (spec/protocol.md §1 rule 2). */
const PASSKEY_TIER = 2
const ASK_EVERY_MS = 1_500
/** How long after its last moment to run an action may still be told of. */
const AFTER_RUN_MS = 60_000
const WAITING: ReadonlySet<string> = new Set(['pending_approval', 'preparing', 'proposed'])
/** Nobody decides these here any more, and they may last. */
const LEFT_OPEN: ReadonlySet<string> = new Set(['unknown_outcome', 'needs_human'])

export const APPROVALS_APPROVE: Command = {
  name: 'approvals approve',
  text: 'approve at tier 1 by typing its code; from tier 2 up open its page, and wait for the end',
  usage: 'approvals approve ACTION [--no-open]',
  flags: {
    'no-open': { type: 'boolean', text: 'print the address of the page, open no browser' },
  },
  examples: ['trustgw approvals approve act_0123456789abcdefghjkmnpqrs'],
  run: approve,
}

async function approve(context: Context): Promise<number> {
  const id = namedAction(context)
  const session = await sessionHere(context.invocation)
  const api = hostApi(session.origin, session.token)
  const card = await fetchCard(api, session, id)
  const reviewed = matching(card)
  const { decision } = reviewed.request
  if (decision.effect === 'allow') {
    throw new CommandFault(
      'not_pending',
      'nobody has to approve it: it runs by itself, unless denied',
    )
  }
  if (!WAITING.has(card.state)) {
    throw new CommandFault('not_pending', `it waits for nobody any more: ${labelOf(card.state)}`)
  }
  if (decision.tier < PASSKEY_TIER) await approveHere(context, { api, session, card, reviewed })
  else sendToPage(context, session, reviewed)
  return await end(context, api, reviewed)
}

interface Approving {
  readonly api: HostApi
  readonly session: TerminalSession
  readonly card: FetchedCard
  readonly reviewed: ReviewedRequest
}

/** Tier 1: the whole card, then its code by hand, so that no habit approves. */
async function approveHere(context: Context, approving: Approving): Promise<void> {
  const { terminal, json } = context
  const { api, session, card, reviewed } = approving
  const { ask } = terminal
  if (ask === undefined || json) {
    throw new InputFault(
      'needs_terminal',
      `an approval takes somebody who reads it and types its code: run it in a terminal, without --json, or open ${pageOf(session, card.id)}`,
    )
  }
  terminal.out(layoutCard(sectionsOf(card, reviewed, session), terminal))
  terminal.out('')
  const typed = await ask('Type the code of this action to approve it, or nothing to leave it: ')
  if (plain(typed) !== plain(reviewed.code)) {
    throw new CommandFault('code_differs', 'that is not its code; nothing was approved')
  }
  const ceremony = await api.beginApproval(card.id)
  const signable = signableApproval(reviewed, ceremony, session.person, sha256)
  if (!signable.ok) {
    throw new CommandFault(
      signable.reason,
      'the host asked for another approval than was shown; nothing was approved',
    )
  }
  await api.approve(card.id, ceremony.nonce)
}

function plain(code: string): string {
  return code.toUpperCase().replaceAll(/[^A-Z0-9]/g, '')
}

/** From tier 2 up only the page approves: the passkey signs what stands there. */
function sendToPage(context: Context, session: TerminalSession, reviewed: ReviewedRequest): void {
  const { terminal } = context
  const url = pageOf(session, reviewed.request.action_id)
  const opened = openPage(context, url)
  terminal.err(`${opened ? 'Its page is opened' : 'Open its page'}: ${url}`)
  terminal.err(`It must show this code: ${terminal.style.bold(reviewed.code)}`)
}

function pageOf({ origin }: TerminalSession, id: ActionId): string {
  return `${origin}/approvals/${id}`
}

/** Waits until nothing more will happen, and says how it ended: 0 only if it was done. */
async function end(context: Context, api: HostApi, { request }: ReviewedRequest): Promise<number> {
  const { terminal, json } = context
  const { action_id: id, run_by } = request
  let last = ''
  for (;;) {
    const state = await stateOf(api, id)
    if (state !== undefined && state !== last) {
      last = state
      if (!json) terminal.err(terminal.style.dim(`${labelOf(state)}…`))
    }
    if (isEnd(last) || Date.now() > run_by + AFTER_RUN_MS) break
    await systemClock.sleep(ASK_EVERY_MS)
  }
  if (json) terminal.out(JSON.stringify({ action_id: id, state: last }))
  else terminal.out(`${labelOf(last)}.`)
  return last === 'succeeded' || last === 'reconciled_succeeded' ? EXIT_DONE : EXIT_FAILED
}

/** Undefined: the host could not say just now. */
async function stateOf(api: HostApi, id: ActionId): Promise<string | undefined> {
  try {
    return (await api.show(id)).state
  } catch (error) {
    if (error instanceof HostRefusal || !(error instanceof CommandFault)) throw error
    return undefined
  }
}

function isEnd(state: string): boolean {
  const known = readShape(actionStateShape, state)
  return known.ok && (stateView(known.value).final || LEFT_OPEN.has(state))
}

function labelOf(state: string): string {
  const known = readShape(actionStateShape, state)
  return known.ok ? stateView(known.value).label : inkLine(state)
}
