import {
  approvalShape,
  approvalsShape,
  type Ceremony,
  type EarlierAnswer,
  earlierShape,
  type ShownApproval,
} from '@trustgw/card'
import {
  type ApprovalRequest,
  integerShape,
  type Json,
  parsedShape,
  parseJson,
  parseTenantId,
  pickedShape,
  readShape,
  type Shape,
  stringShape,
  type TenantId,
} from '@trustgw/protocol'
import { CommandFault } from '../command.ts'
import { VERSION } from '../version.ts'

const ANSWER_TIMEOUT_MS = 15_000
const ANSWER_MAX_BYTES = 16 * 1024 * 1024
const ANSWER_MAX_DEPTH = 96

const text = stringShape({ max: 4_096 })
const whole = integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER })

/** RFC 8628 §3.2, times in seconds. */
export interface DeviceBegun {
  readonly device_code: string
  readonly user_code: string
  readonly expires_in: number
  readonly interval: number
}

export interface DeviceToken {
  readonly access_token: string
  readonly expires_in: number
  readonly person: string
  readonly tenant: TenantId
}

const begunShape: Shape<DeviceBegun> = pickedShape({
  device_code: text,
  user_code: text,
  expires_in: whole,
  interval: whole,
})
const tokenShape: Shape<DeviceToken> = pickedShape({
  access_token: text,
  expires_in: whole,
  person: text,
  tenant: parsedShape(text, 'tenant', parseTenantId),
})
const ceremonyShape: Shape<Ceremony> = pickedShape({
  approver: text,
  nonce: text,
  decide_by: whole,
  run_by: whole,
})
const stateShape: Shape<{ readonly state: string }> = pickedShape({ state: text })
const problemShape: Shape<{ readonly title: string; readonly code: string }> = pickedShape({
  title: text,
  code: text,
})
const nothing: Shape<null> = { description: {}, read: () => ({ ok: true, value: null }) }

/** What the host refuses, with its stable code and its own title. */
export class HostRefusal extends CommandFault {}

interface Call<T> {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: object
  readonly shape: Shape<T>
}

/** What a terminal asks of the host; every call throws `CommandFault`, `HostRefusal` for a refusal. */
export interface HostApi {
  readonly begin: () => Promise<DeviceBegun>
  readonly token: (deviceCode: string) => Promise<DeviceToken>
  readonly signOut: () => Promise<null>
  readonly list: () => Promise<{ readonly approvals: readonly ApprovalRequest[] }>
  readonly show: (id: string) => Promise<ShownApproval>
  readonly earlier: (id: string) => Promise<EarlierAnswer>
  readonly beginApproval: (id: string) => Promise<Ceremony>
  readonly approve: (id: string, nonce: string) => Promise<{ readonly state: string }>
  readonly deny: (id: string, reason: string) => Promise<{ readonly state: string }>
}

export function hostApi(origin: string, token?: string): HostApi {
  const get = <T>(path: string, shape: Shape<T>): Promise<T> =>
    call(origin, token, { method: 'GET', path, shape })
  const post = <T>(path: string, body: object, shape: Shape<T>): Promise<T> =>
    call(origin, token, { method: 'POST', path, body, shape })
  return {
    begin: () => post('/api/device/begin', {}, begunShape),
    token: (deviceCode) => post('/api/device/token', { device_code: deviceCode }, tokenShape),
    signOut: () =>
      call(origin, token, {
        method: 'DELETE',
        path: '/api/device/session',
        body: {},
        shape: nothing,
      }),
    list: () => get('/api/approvals', approvalsShape),
    show: (id) => get(at(id), approvalShape),
    earlier: (id) => get(`${at(id)}/earlier`, earlierShape),
    beginApproval: (id) => post(`${at(id)}/begin`, {}, ceremonyShape),
    approve: (id, nonce) => post(`${at(id)}/approve`, { nonce, assertion: null }, stateShape),
    deny: (id, reason) => post(`${at(id)}/deny`, { reason }, stateShape),
  }
}

function at(id: string): string {
  return `/api/approvals/${encodeURIComponent(id)}`
}

async function call<T>(origin: string, token: string | undefined, request: Call<T>): Promise<T> {
  const { status, body } = await send(origin, token, request)
  if (status !== 200) throw refusalOf(body)
  const read = readShape(request.shape, body)
  if (read.ok) return read.value
  throw new CommandFault('unreadable', 'the answer of the host could not be read; nothing was used')
}

async function send(
  origin: string,
  token: string | undefined,
  { method, path, body }: Call<unknown>,
): Promise<{ readonly status: number; readonly body: Json }> {
  try {
    const response = await fetch(`${origin}${path}`, {
      method,
      headers: {
        origin,
        'user-agent': `trustgw/${VERSION} (${SYSTEMS[process.platform] ?? 'other'})`,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // A token goes to the origin that it is for, and nowhere else.
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    })
    const parsed = parseJson(await response.text(), {
      maxBytes: ANSWER_MAX_BYTES,
      maxDepth: ANSWER_MAX_DEPTH,
    })
    return { status: response.status, body: parsed.ok ? parsed.value : null }
  } catch (error) {
    throw new CommandFault(
      'host_unreachable',
      `the host at ${origin} does not answer: is it running, and is this its address?`,
      { cause: error },
    )
  }
}

/** As the list of sessions names them. */
const SYSTEMS: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  darwin: 'Mac OS X',
  linux: 'Linux',
  win32: 'Windows',
}

function refusalOf(body: Json): CommandFault {
  const problem = readShape(problemShape, body)
  if (!problem.ok) return new CommandFault('unreadable', 'the host refused in words unknown here')
  const { code, title } = problem.value
  return code === 'no_session'
    ? new HostRefusal('signed_out', 'this terminal is signed out: run trustgw login')
    : new HostRefusal(code, title)
}
