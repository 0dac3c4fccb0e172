import { randomBytes } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import type {
  ActionEvent,
  ApprovalRequest,
  Approver,
  UiChange,
  UnsettledAction,
} from '@trustgw/protocol'
import { TENANT } from '@trustgw/testkit/approval-requests'
import type { PortalLogin } from '@trustgw/testkit/bus-world'
import { PeopleDouble } from './people-double.ts'
import { PolicyDouble } from './policy-double.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

function policyFor(busUrl: string): string {
  return [
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:",
    `font-src 'self'; connect-src 'self' ${busUrl}`,
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  ].join('; ')
}

/**
 * A DOUBLE of the host, for pictures and tests of the page alone: it answers from fixtures and
 * checks nothing. It speaks the host's HTTP contract and sends the host's content policy.
 */
export class PortalDouble {
  signedIn = true
  /** False: connections are cut, as by a server that is down. */
  answers = true
  /** Extra time before each API answer. */
  slowMs = 0
  actions: ActionEvent[] = []
  /** Whether `actions` are all that there are. */
  whole = true
  approvals: ApprovalRequest[] = []
  /** Who approved so far, whatever is asked. */
  given: Approver[] = []
  /** What was approved before, whatever is asked. */
  earlier: ApprovalRequest[] = []
  unsettled: UnsettledAction[] = []
  tools: object[] = []
  settleRefusal: string | undefined
  installation: object = {}
  keys: object = { epoch: 1, signed_by: 'operator', keys: [] }
  person = { id: 'ada', name: 'Ada Lovelace', roles: ['approver', 'admin'] }
  enrolmentRefused = false
  policy = new PolicyDouble()
  readonly crowd = new PeopleDouble()
  approvalCredentials: string[] = []
  /** A real bus behind the double: a fresh identity for each session answer. */
  bus: { readonly url: string; readonly login: () => PortalLogin } | undefined
  /** Bodies of what was posted, by path. */
  readonly posted = new Map<string, unknown>()
  readonly #root: string
  readonly #server: Server
  #cookie = ''
  #origin = ''
  readonly #streams = new Set<ServerResponse>()

  constructor(root: string) {
    this.#root = root
    this.#server = createServer((request, response) => void this.#handle(request, response))
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.#origin = `http://localhost:${(this.#server.address() as AddressInfo).port}`
    return this.#origin
  }

  async close(): Promise<void> {
    this.cutStreams()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Publishes an event to every page and remembers it for snapshots. */
  publish(event: ActionEvent): void {
    this.actions = [event, ...this.actions.filter((known) => known.action_id !== event.action_id)]
    if (event.state !== 'pending_approval' && event.state !== 'scheduled') {
      this.approvals = this.approvals.filter((known) => known.action_id !== event.action_id)
    }
    for (const stream of this.#streams) stream.write(`data: ${JSON.stringify(event)}\n\n`)
  }

  /** Tells every page that a list changed. */
  tell(what: UiChange['what']): void {
    for (const stream of this.#streams) {
      stream.write(`event: changed\ndata: ${JSON.stringify({ v: 1, what })}\n\n`)
    }
  }

  cutStreams(): void {
    for (const stream of this.#streams) stream.destroy()
    this.#streams.clear()
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    response.setHeader('content-security-policy', policyFor(this.bus?.url ?? ''))
    if (path === '/double/events') this.#stream(request, response)
    else if (path.startsWith('/api/')) await this.#api(path, request, response)
    else this.#file(path, response)
  }

  #stream(request: IncomingMessage, response: ServerResponse): void {
    if (!this.answers) {
      response.destroy()
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write(': open\n\n')
    this.#streams.add(response)
    request.on('close', () => this.#streams.delete(response))
  }

  #file(path: string, response: ServerResponse): void {
    const file = join(this.#root, normalize(path))
    const found = extname(path) !== '' && existsSync(file) ? file : join(this.#root, 'index.html')
    response.writeHead(200, { 'content-type': TYPES[extname(found)] ?? 'text/plain' })
    createReadStream(found).pipe(response)
  }

  async #api(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    if (text !== '') this.posted.set(path, JSON.parse(text))
    if (this.slowMs > 0) await new Promise((resolve) => setTimeout(resolve, this.slowMs))
    if (!this.answers) {
      response.destroy()
      return
    }
    const [status, body] = this.#answer(path, request.method ?? 'GET')
    if (this.#cookie !== '') response.setHeader('set-cookie', this.#cookie)
    this.#cookie = ''
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body))
  }

  #answer(path: string, method: string): readonly [number, object] {
    const [, , area = '', first = '', second = ''] = path.split('/')
    if (area === 'session' && method === 'DELETE') this.signedIn = false
    if (area === 'enrolment') return this.#enrolment(first)
    if (area === 'login') return this.#login(first)
    if (!this.signedIn) return problem(401, 'no_session')
    if (area === 'session') return [200, this.#session()]
    if (area === 'actions') return [200, { actions: this.actions, whole: this.whole }]
    if (area === 'tools') return first === '' ? [200, { tools: this.tools }] : this.#ordered()
    if (area === 'outcomes') return this.#outcomes(first)
    if (area === 'installation') return [200, this.installation]
    if (area === 'keys') return [200, this.keys]
    if (area === 'policy') return this.#policy(first)
    if (area === 'agents') return [200, { agents: this.crowd.agents }]
    if (area === 'freezes' || area === 'people') return this.#crowd(path, method)
    if (area === 'approvals' && (first === '' || first === 'urgent')) {
      return [200, { approvals: this.approvals }]
    }
    const approval = this.approvals.find((known) => known.action_id === first)
    if (approval === undefined) return problem(404, 'unknown_action')
    return this.#approval(approval, second)
  }

  #ordered(): readonly [number, object] {
    this.tools = this.tools.map((tool) => ({ ...tool, quarantine: null, found: null }))
    return [200, { order: 'release' }]
  }

  #outcomes(id: string): readonly [number, object] {
    if (id === '') return [200, { actions: this.unsettled }]
    if (this.settleRefusal !== undefined) return problem(409, this.settleRefusal)
    this.unsettled = this.unsettled.filter((action) => action.action_id !== id)
    return [200, { state: 'reconciled_succeeded' }]
  }

  #policy(step: string): readonly [number, object] {
    if (step === '') return [200, this.policy.whole()]
    if (step === 'status') return [200, this.policy.status()]
    if (step === 'recorded') return [200, { actions: this.policy.recorded, truncated: false }]
    const known = { rp_id: 'localhost', credential_ids: this.approvalCredentials }
    if (step === 'challenge') {
      const posted = this.posted.get('/api/policy/challenge')
      return [200, { ...this.policy.challenge(posted, this.person.id), ...known }]
    }
    return this.policy.refusal === undefined
      ? [200, this.policy.apply()]
      : problem(409, this.policy.refusal)
  }

  #crowd(path: string, method: string): readonly [number, object] {
    const known = { rp_id: 'localhost', credential_ids: this.approvalCredentials }
    const { crowd, person } = this
    const posted = this.posted.get(path)
    const { refusal } = crowd
    if (path === '/api/freezes') return [200, { freezes: crowd.freezes }]
    if (path === '/api/people' && method === 'GET') return [200, { people: crowd.people }]
    if (path === '/api/freezes/challenge') {
      return [200, { ...crowd.freezeChallenge(posted, person.id), ...known }]
    }
    if (path === '/api/people/pin/challenge') {
      return [200, { ...crowd.pinChallenge(posted, person.id, this.#origin), ...known }]
    }
    const [, , , id = '', step = ''] = path.split('/')
    const own = id === 'pin' || !path.startsWith('/api/people') ? undefined : crowd.person(id, step)
    if (refusal !== undefined) return problem(409, refusal)
    if (own !== undefined) return [200, own]
    if (path === '/api/people/pin/apply') return [200, crowd.pinApply()]
    const applied = crowd.freezeApply()
    this.tell('freezes')
    return [200, applied]
  }

  #approval(approval: ApprovalRequest, step: string): readonly [number, object] {
    if (step === 'earlier') return [200, this.#earlier(approval)]
    if (step === 'begin') return [200, this.ceremony(approval)]
    if (step === 'approve') return [200, { state: 'authorized' }]
    if (step === 'deny') return [200, { state: 'denied' }]
    return [200, { ...approval, state: 'pending_approval', given: this.given }]
  }

  #earlier({ contract }: ApprovalRequest): object {
    const earlier = this.earlier
      .filter((one) => one.contract.id === contract.id)
      .map((request) => ({
        request,
        approved_at: request.requested_at + 60_000,
        approvers: ['ben'],
        state: 'succeeded',
      }))
    return { earlier, left_out: 0 }
  }

  /** What `begin` answers; a test may replace it. */
  ceremony = (approval: ApprovalRequest): object => ({
    approver: this.person.id,
    nonce: randomBytes(16).toString('base64url'),
    decide_by: approval.decide_by,
    run_by: approval.run_by,
    rp_id: 'localhost',
    credential_ids: this.approvalCredentials,
  })

  #session(): object {
    const now = Date.now()
    const login = this.bus?.login()
    if (login !== undefined) {
      this.#cookie = `tg_bus=${login.jwt}; HttpOnly; SameSite=Strict; Path=/`
    }
    return {
      person: this.person,
      tenant: TENANT,
      expires_at: now + 900_000,
      sessions_replayed: 0,
      approval_origin: null,
      now,
      bus: {
        url: this.bus?.url ?? 'ws://localhost:1',
        subject: 'ui.v1.acme.events',
        changed: 'ui.v1.acme.changed',
        inbox_prefix: login?.inboxPrefix ?? '_INBOX.x',
        user: 'U',
      },
    }
  }

  #login(step: string): readonly [number, object] {
    const challenge = randomBytes(32).toString('base64url')
    if (step === 'begin') return [200, { ceremony: 'c', options: { challenge, rpId: 'localhost' } }]
    this.signedIn = true
    return [200, this.#session()]
  }

  #enrolment(step: string): readonly [number, object] {
    if (this.enrolmentRefused) return problem(403, 'enrolment_refused')
    const person = { id: 'ada', name: 'Ada Lovelace' }
    if (step === 'begin') {
      return [200, { ceremony: 'c', person, login_options: creationOptions('login', 'sign-in') }]
    }
    if (step === 'login')
      return [200, { approval_options: creationOptions('approval', 'approvals') }]
    this.signedIn = true
    const finish = this.posted.get('/api/enrolment/finish') as { response: { id: string } }
    this.approvalCredentials = [finish.response.id]
    return [200, { person, fingerprint: '3f9c 02ab 71de 88c4 5510 e7fa 9b3d 6c21' }]
  }
}

function problem(status: number, code: string): readonly [number, object] {
  return [status, { type: 'about:blank', title: code.replaceAll('_', ' '), status, code }]
}

function creationOptions(purpose: string, label: string): object {
  return {
    challenge: randomBytes(32).toString('base64url'),
    rp: { id: 'localhost', name: 'Trust Gateway' },
    user: {
      id: Buffer.from(`${purpose}:ada`).toString('base64url'),
      name: `Ada Lovelace (${label})`,
      displayName: 'Ada Lovelace',
    },
    pubKeyCredParams: [-7, -257].map((alg) => ({ type: 'public-key', alg })),
  }
}
