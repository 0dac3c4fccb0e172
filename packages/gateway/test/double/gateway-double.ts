import {
  type ActionId,
  type ActionState,
  type ActionView,
  actionId,
  type Bundle,
  canonicalize,
  type Json,
  type JsonObject,
  parseProfile,
  parseTenantId,
  principalText,
  type TenantId,
  type ToolContract,
} from '@trustgw/protocol'
import { type Caller, mintCaller } from '../../src/agents/caller.ts'
import type {
  CallOutcome,
  GatewayApi,
  Hold,
  ProposeCall,
  VisibleTool,
} from '../../src/gateway-api.ts'

const FINAL: readonly ActionState[] = [
  'succeeded',
  'denied',
  'failed',
  'refused',
  'cancelled',
  'expired',
]
/** How often the double tells a waiting caller of the state. */
const TURN_MS = 40

interface Action {
  view: ActionView
  readonly owner: string
  readonly call: ProposeCall
  readonly wake: Set<() => void>
}

export const HINT = 'It would be allowed if /text had another value.'
export const TENANT = tenant('acme')
export const OTHER_TENANT = tenant('other')
export const KEY_A = 'tgk_acme_aaaaaaaaaaaaaaaa_0000000000000000000000000000000000000000000'
export const KEY_B = 'tgk_acme_bbbbbbbbbbbbbbbb_0000000000000000000000000000000000000000000'

function tenant(text: string): TenantId {
  const parsed = parseTenantId(text)
  if (!parsed.ok) throw new TypeError(text)
  return parsed.value
}

export function testCaller(
  source: Caller['source'],
  client: string,
  of: TenantId = TENANT,
): Caller {
  return mintCaller({
    principal: { tenant: of, issuer: 'api-key', client, subject: `agent-${client}` },
    source,
    auth_level: 1,
    on_behalf_of: null,
    workspace: 'default',
    key_id: client,
  })
}

export function contract(id: string, more: Partial<ToolContract> = {}): ToolContract {
  const profile = parseProfile('connector')
  if (!profile.ok) throw new TypeError('profile')
  return {
    id,
    version: '1',
    title: id,
    description: `The tool ${id}`,
    input_schema: { type: 'object', properties: { text: { type: 'string' } } },
    output_schema: null,
    operation: 'read',
    category: null,
    bundle: id.split('.')[0] ?? id,
    tags: [],
    skill_level: null,
    amount: { kind: 'none' },
    precondition: null,
    egress: [],
    profile: profile.value,
    credential_ref: 'none',
    digest: 'sha256:test',
    ...more,
  }
}

/**
 * A double of the control plane, in memory: `*.pay` waits for `approve`, `*.forbidden` is denied,
 * `*.slow` runs until `finish`, everything else succeeds at once with what `outputs` says.
 */
export class GatewayDouble implements GatewayApi {
  readonly actions = new Map<string, Action>()
  readonly outputs = new Map<string, Json>()
  readonly revoked = new Set<string>()
  /** Every proposal that reached the control plane, and how its hold ended. */
  readonly proposals: { readonly caller: Caller; readonly call: ProposeCall }[] = []
  detached = 0
  ready = true
  fail: 'unavailable' | 'busy' | 'throw' | undefined
  contracts: readonly ToolContract[] = [
    contract('files.read'),
    contract('files.slow'),
    contract('shop.pay', { operation: 'transfer' }),
    contract('shop.forbidden', { operation: 'delete' }),
  ]
  #made = 0

  authenticate(apiKey: string, source: 'mcp' | 'rest'): Caller | undefined {
    if (this.revoked.has(apiKey)) return undefined
    if (apiKey === KEY_A) return testCaller(source, 'key-a')
    return apiKey === KEY_B ? testCaller(source, 'key-b') : undefined
  }

  async propose(caller: Caller, call: ProposeCall, hold: Hold): Promise<CallOutcome> {
    if (this.fail === 'throw') throw new Error('secret inside /var/lib/gateway.ts:12')
    if (this.fail !== undefined) return { ok: false, reason: this.fail }
    if (!this.contracts.some(({ id }) => id === call.tool)) {
      return { ok: false, reason: 'unknown_tool' }
    }
    this.proposals.push({ caller, call })
    const found = this.#joined(caller, call)
    if (found !== undefined) {
      found.view = { ...found.view, joined: true }
      return this.#wait(found, hold)
    }
    return this.#wait(this.#make(caller, call), hold)
  }

  async get(caller: Caller, id: ActionId, hold: Hold): Promise<CallOutcome> {
    const action = this.#own(caller, id)
    return action === undefined ? { ok: false, reason: 'unknown_action' } : this.#wait(action, hold)
  }

  async cancel(caller: Caller, id: ActionId): Promise<CallOutcome> {
    const action = this.#own(caller, id)
    if (action === undefined) return { ok: false, reason: 'unknown_action' }
    if (action.view.poll_after_s !== null) this.#set(action, 'cancelled', null)
    return { ok: true, value: action.view }
  }

  bundles(): readonly Bundle[] {
    const ids = [...new Set(this.contracts.map(({ bundle }) => bundle))]
    return ids.map((id) => ({ id, title: id, description: `Tools of ${id}` }))
  }

  tools(): readonly VisibleTool[] {
    return this.contracts.map((each) => ({ contract: each }))
  }

  readiness(): { readonly ready: boolean; readonly reasons: readonly string[] } {
    return this.ready ? { ready: true, reasons: [] } : { ready: false, reasons: ['executor'] }
  }

  /** The end of what waits or runs. */
  finish(id: string, status: ActionState, result: Json): void {
    const action = this.actions.get(id)
    if (action === undefined) throw new TypeError(`no action ${id}`)
    this.#set(action, status, result)
  }

  waiting(): string[] {
    return [...this.actions.values()].flatMap(({ view }) =>
      view.poll_after_s === null ? [] : [view.action_id],
    )
  }

  #own(caller: Caller, id: ActionId): Action | undefined {
    const action = this.actions.get(id)
    return action?.owner === principalText(caller.principal) ? action : undefined
  }

  #joined(caller: Caller, call: ProposeCall): Action | undefined {
    return [...this.actions.values()].find(
      (action) =>
        action.owner === principalText(caller.principal) &&
        action.view.poll_after_s !== null &&
        action.call.tool === call.tool &&
        canonicalize(action.call.arguments) === canonicalize(call.arguments),
    )
  }

  #make(caller: Caller, call: ProposeCall): Action {
    this.#made += 1
    const bytes = new Uint8Array(16)
    new DataView(bytes.buffer).setUint32(12, this.#made)
    const id = actionId(bytes)
    const [status, after] = start(call.tool)
    const action: Action = {
      owner: principalText(caller.principal),
      call,
      wake: new Set(),
      view: {
        action_id: id,
        status,
        tool: call.tool,
        joined: false,
        reason: status === 'denied' ? 'Deletions are not allowed.' : null,
        hint: status === 'denied' ? HINT : null,
        result:
          status === 'succeeded' ? (this.outputs.get(call.tool) ?? echo(call.arguments)) : null,
        proposed_at: 1_750_000_000_000,
        expires_at: status === 'pending_approval' ? 1_750_000_600_000 : null,
        poll_after_s: after,
      },
    }
    this.actions.set(id, action)
    return action
  }

  #set(action: Action, status: ActionState, result: Json): void {
    action.view = {
      ...action.view,
      status,
      result,
      expires_at: null,
      poll_after_s: FINAL.includes(status) ? null : 1,
      reason: status === 'denied' ? 'An approver said no: not today' : null,
    }
    for (const wake of [...action.wake]) wake()
  }

  async #wait(action: Action, hold: Hold): Promise<CallOutcome> {
    const until = Date.now() + hold.ms
    while (action.view.poll_after_s !== null) {
      const left = until - Date.now()
      if (left <= 0 || hold.signal?.aborted === true) break
      await this.#turn(action, Math.min(left, TURN_MS), hold.signal)
      if (action.view.poll_after_s !== null) hold.onWaiting?.(action.view)
    }
    if (hold.signal?.aborted === true) this.detached += 1
    return { ok: true, value: action.view }
  }

  #turn(action: Action, ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        clearTimeout(timer)
        action.wake.delete(go)
        signal?.removeEventListener('abort', go)
        resolve()
      }
      const timer = setTimeout(go, ms)
      action.wake.add(go)
      signal?.addEventListener('abort', go, { once: true })
    })
  }
}

function start(tool: string): [ActionState, number | null] {
  if (tool.endsWith('.pay')) return ['pending_approval', 5]
  if (tool.endsWith('.slow')) return ['executing', 1]
  return tool.endsWith('.forbidden') ? ['denied', null] : ['succeeded', null]
}

function echo(args: JsonObject): JsonObject {
  return { echo: args }
}
