import { inkLine } from '@trustgw/card'
import { systemClock } from '@trustgw/runtime'
import { type DeviceToken, type HostApi, HostRefusal, hostApi } from '../approvals/host-api.ts'
import { openPage } from '../approvals/open-page.ts'
import {
  findSession,
  forgetSession,
  keepSession,
  type TerminalSession,
} from '../approvals/session-file.ts'
import {
  type Command,
  CommandFault,
  type Context,
  EXIT_DONE,
  flagText,
  UsageFault,
} from '../command.ts'

const MS_PER_S = 1_000
const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

export const LOGIN_COMMANDS: readonly Command[] = [
  {
    name: 'login',
    text: 'sign this terminal in, for eight hours, to list, show and decide requests',
    usage: 'login [--host ORIGIN] [--no-open]',
    flags: {
      host: { type: 'string', value: 'ORIGIN', text: 'of the portal; default host.origin' },
      'no-open': { type: 'boolean', text: 'print the address of the page, open no browser' },
    },
    examples: ['trustgw login', 'trustgw login --host https://trust.example'],
    run: login,
  },
  {
    name: 'logout',
    text: 'end the session of this terminal',
    usage: 'logout',
    examples: ['trustgw logout'],
    run: logout,
  },
]

/** The shape of RFC 8628: a code here, a person with a passkey on the page (spec/protocol.md §8). */
async function login(context: Context): Promise<number> {
  const origin = originOf(flagText(context, 'host') ?? (await context.settings()).host.origin)
  const { invocation, json, terminal } = context
  const api = hostApi(origin)
  const begun = await api.begin()
  const page = `${origin}/device`
  const opened = openPage(context, page)
  terminal.err(`${opened ? 'Its page is opened' : 'Open'}: ${page}`)
  terminal.err(`Type this code there: ${terminal.style.bold(inkLine(begun.user_code))}`)
  terminal.err(terminal.style.dim('Waiting, ten minutes at most…'))
  const token = await waitForToken(api, begun)
  await endFormer(context)
  const session: TerminalSession = {
    v: 1,
    origin,
    tenant: token.tenant,
    person: token.person,
    token: token.access_token,
    expires_at: Date.now() + token.expires_in * MS_PER_S,
  }
  const file = await keepSession(invocation, session)
  const expires_at = new Date(session.expires_at).toISOString()
  const { person, tenant } = session
  if (json) terminal.out(JSON.stringify({ person, tenant, origin, expires_at, file }))
  else {
    terminal.out(`Signed in as ${inkLine(person)} until ${expires_at}.`)
    terminal.out('See what waits: trustgw approvals list. When done: trustgw logout')
  }
  return EXIT_DONE
}

/** A token in clear goes to this machine only. */
function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain = url !== undefined && url.origin === text.replace(/\/$/, '')
  const isSafe =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.has(url.hostname))
  if (url !== undefined && isPlain && isSafe) return url.origin
  throw new UsageFault('the host is an origin: https://trust.example, or http on this machine')
}

async function waitForToken(
  api: HostApi,
  begun: { readonly device_code: string; readonly expires_in: number; readonly interval: number },
): Promise<DeviceToken> {
  const until = Date.now() + begun.expires_in * MS_PER_S
  let pauseMs = begun.interval * MS_PER_S
  while (Date.now() < until) {
    await systemClock.sleep(pauseMs)
    try {
      return await api.token(begun.device_code)
    } catch (error) {
      if (!(error instanceof CommandFault)) throw error
      const isEarly = error.code === 'slow_down' || error.code === 'too_many_attempts'
      if (isEarly) pauseMs += begun.interval * MS_PER_S
      else if (error.code === 'access_denied') {
        throw new CommandFault('access_denied', 'this terminal was refused on the page')
      } else if (error instanceof HostRefusal && error.code !== 'authorization_pending') throw error
    }
  }
  throw new CommandFault('expired_token', 'nobody let this terminal in; run trustgw login again')
}

/** One session at a time: the one before it ends, where that can be. */
async function endFormer({ invocation }: Context): Promise<void> {
  const former = await findSession(invocation).catch(() => undefined)
  if (former !== undefined) {
    await hostApi(former.origin, former.token)
      .signOut()
      .catch(() => undefined)
  }
}

async function logout({ invocation, json, terminal }: Context): Promise<number> {
  const session = await findSession(invocation)
  await forgetSession(invocation)
  if (session !== undefined) await endAtHost(session)
  if (json) terminal.out(JSON.stringify({ signed_out: session !== undefined }))
  else terminal.out(session === undefined ? 'Nobody was signed in here.' : 'Signed out.')
  return EXIT_DONE
}

async function endAtHost({ origin, token }: TerminalSession): Promise<void> {
  try {
    await hostApi(origin, token).signOut()
  } catch (error) {
    if (error instanceof HostRefusal && error.code === 'signed_out') return
    throw new CommandFault(
      'not_ended',
      `forgotten here, but ${origin} could not be told: end it there under Your account`,
      { cause: error },
    )
  }
}
