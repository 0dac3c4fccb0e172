import {
  approvalRequestShape,
  approvalStatement,
  asObject,
  contractHash,
  hashText,
  type Json,
  parseJson,
  preconditionHash,
  readShape,
  statementHash,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { SoftwareAuthenticator } from '../software-authenticator.ts'
import type { RunningSystem } from '../system.ts'

interface Answer {
  readonly status: number
  readonly json: Json
  readonly cookies: Map<string, string>
}

const TRY_TIMEOUT_MS = 10_000

/** A person with passkeys in software who enrols and approves through the host's own API. */
export class Approver {
  readonly #origin: string
  readonly #key: SoftwareAuthenticator
  /** By name. Sessions are renewed in answers, and the cookies before are refused then. */
  readonly #cookies: Map<string, string>

  private constructor(origin: string, key: SoftwareAuthenticator, cookies: Map<string, string>) {
    this.#origin = origin
    this.#key = key
    this.#cookies = cookies
  }

  /** By the link that the first start shows; the supervisor pins the approval passkey. */
  static async enrol(system: RunningSystem): Promise<Approver> {
    const origin = system.portal
    const token = (system.enrolmentLink ?? '').split('#')[1] ?? ''
    const passkey = (): SoftwareAuthenticator =>
      new SoftwareAuthenticator({ algorithm: 'ES256', rpId: 'localhost', origin })
    const begun = await call(origin, '/api/enrolment/begin', { token, name: 'Robin' })
    const ceremony = text(begun.json, 'ceremony')
    const login = passkey().register(text(begun.json, 'login_options', 'challenge'))
    const second = await call(origin, '/api/enrolment/login', { ceremony, response: login })
    const key = passkey()
    const response = key.register(text(second.json, 'approval_options', 'challenge'))
    const done = await call(origin, '/api/enrolment/finish', { ceremony, response })
    if (done.status !== 200) throw new Error(`the enrolment ended with ${done.status}`)
    await system.line('pinned')
    return new Approver(origin, key, done.cookies)
  }

  /** Approves everything that waits, as far as the host can be reached; how many were accepted. */
  async approveAll(): Promise<number> {
    const list = await this.#call('/api/approvals')
    if (list.status === 401) throw new Error('the host does not know the session any more')
    const waiting = member(list.json, 'approvals')
    let accepted = 0
    for (const item of Array.isArray(waiting) ? waiting : []) {
      if (await this.#approve(item)) accepted += 1
    }
    return accepted
  }

  /** Lets the terminal in that shows this code; the passkey of the enrolment was used just now. */
  async letIn(userCode: string): Promise<number> {
    const body = { user_code: userCode, verdict: 'allow' }
    return (await this.#call('/api/device/decide', body)).status
  }

  async #approve(item: Json): Promise<boolean> {
    const read = readShape(approvalRequestShape, item)
    if (!read.ok) throw new Error(`the host lists what is no request: ${read.detail ?? ''}`)
    const path = `/api/approvals/${read.value.action_id}`
    const begun = await this.#call(`${path}/begin`, {})
    if (begun.status !== 200) return false
    const { contract, arguments: args } = read.value
    const hashes = {
      contract_hash: contractHash(sha256, contract),
      input_hash: hashText(sha256, args),
      precondition_hash: preconditionHash(sha256, read.value.precondition),
    }
    const statement = approvalStatement(read.value, hashes, {
      approver: text(begun.json, 'approver'),
      verdict: 'approve',
      nonce: text(begun.json, 'nonce'),
      decide_by: Number(member(begun.json, 'decide_by')),
      run_by: Number(member(begun.json, 'run_by')),
    })
    const given = this.#key.assert(statementHash(sha256, statement))
    const assertion = {
      id: given.credential_id,
      rawId: given.credential_id,
      type: 'public-key',
      clientExtensionResults: {},
      response: {
        clientDataJSON: given.client_data_json,
        authenticatorData: given.authenticator_data,
        signature: given.signature,
      },
    }
    const nonce = statement.nonce
    const sent = await this.#call(`${path}/approve`, { nonce, assertion })
    return sent.status === 200
  }

  async #call(path: string, body?: unknown): Promise<Answer> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await call(this.#origin, path, body, cookie)
    for (const [name, value] of answer.cookies) this.#cookies.set(name, value)
    return answer
  }
}

async function call(origin: string, path: string, body?: unknown, cookie = ''): Promise<Answer> {
  const response = await fetch(`${origin}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(body === undefined ? {} : { origin, 'content-type': 'application/json' }),
      ...(cookie === '' ? {} : { cookie }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(TRY_TIMEOUT_MS),
  })
  const parsed = parseJson(await response.text(), { maxBytes: 64_000_000 })
  const cookies = response.headers.getSetCookie().map((line): [string, string] => {
    const [name = '', ...rest] = (line.split(';')[0] ?? '').split('=')
    return [name, rest.join('=')]
  })
  return {
    status: response.status,
    json: parsed.ok ? parsed.value : null,
    cookies: new Map(cookies),
  }
}

function member(value: Json, name: string): Json | undefined {
  return asObject(value)?.[name]
}

function text(value: Json, ...path: readonly string[]): string {
  let here: Json = value
  for (const name of path) here = member(here, name) ?? null
  if (typeof here !== 'string') throw new Error(`the host did not say ${path.join('.')}`)
  return here
}
