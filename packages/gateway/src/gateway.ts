import { isFinal } from '@trustgw/core'
import {
  type ActionId,
  type ActionView,
  ARGUMENTS_MAX_BYTES,
  actionId,
  type Bundle,
  canonicalize,
  hashText,
  hexEncode,
  ID_RANDOM_BYTES,
  type Proposal,
  principalText,
  type Sha256,
  type TenantId,
  utf8Length,
} from '@trustgw/protocol'
import {
  AuditFault,
  type AuditWriter,
  type Bus,
  BusFault,
  type Clock,
  type Logger,
  type Random,
} from '@trustgw/runtime'
import { argumentsOf } from './action/action-record.ts'
import type { ActionStore, Reference, StoredAction } from './action/action-store.ts'
import { waitsForPeople as isAwaited } from './action/known-actions.ts'
import type { Orchestrator } from './action/orchestrator.ts'
import { SUCCESSORS_MAX } from './action/succession.ts'
import { toolSummary } from './action/tool-summary.ts'
import { actionView } from './action/view.ts'
import type { AgentDirectory } from './agents/agent-directory.ts'
import type { CallRates } from './agents/call-rates.ts'
import { assertCaller, type Caller } from './agents/caller.ts'
import type { Decided, Undecided } from './decide/decided.ts'
import { evaluationOf } from './decide/evaluator.ts'
import { type FreezeView, standsStill } from './decide/freeze-view.ts'
import type {
  CallOutcome,
  CallRefusal,
  GatewayApi,
  Hold,
  ProposeCall,
  VisibleTool,
} from './gateway-api.ts'
import { CROWDED, TOO_MANY_CALLS, UNDECIDED } from './refusal-words.ts'
import type { RegisteredTool, ToolDirectory } from './registry/tool-directory.ts'

/** How often a waiting caller is told of the state, and stored state is looked at again. */
const WAIT_TURN_MS = 2_000
/** How long a cancel waits for the executor's word. */
const CANCEL_WAIT_MS = 2_000
/** How long a caller waits at least while something is read, so that it learns whether people are asked. */
const PREPARE_WAIT_MS = 2_000
/** Rounds of looking and pointing before a contended key is given up. */
const POINT_TRIES = 6
const POINT_PAUSE_MS = 10
const MINE = { kind: 'mine' } as const

type Claimed =
  | typeof MINE
  | { readonly kind: 'found'; readonly stored: StoredAction }
  | { readonly kind: 'adopt'; readonly action_id: ActionId }
  | { readonly kind: 'refused'; readonly reason: CallRefusal }

type Accepted =
  | { readonly stored: StoredAction; readonly joined: boolean }
  | { readonly reason: CallRefusal; readonly why?: Undecided; readonly detail?: string }

export interface GatewayDeps {
  readonly store: ActionStore
  readonly orchestrator: Orchestrator
  readonly tools: ToolDirectory
  readonly agents: AgentDirectory
  readonly freezes: FreezeView
  readonly rates: CallRates
  /** Whether every tenant has a policy in force. */
  readonly hasPolicy: () => boolean
  readonly audit: (tenant: Caller['principal']['tenant']) => AuditWriter
  readonly bus: Bus
  readonly sha256: Sha256
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** The control plane as its faces see it (spec/protocol.md §8). */
export class Gateway implements GatewayApi {
  readonly #deps: GatewayDeps

  constructor(deps: GatewayDeps) {
    this.#deps = deps
  }

  authenticate(apiKey: string, source: 'mcp' | 'rest'): Caller | undefined {
    return this.#deps.agents.byApiKey(apiKey, source)
  }

  bundles(caller: Caller): readonly Bundle[] {
    assertCaller(caller)
    const used = new Set(this.tools(caller).map(({ contract }) => contract.bundle))
    return this.#deps.tools.bundles(caller.principal.tenant).filter(({ id }) => used.has(id))
  }

  tools(caller: Caller): readonly VisibleTool[] {
    assertCaller(caller)
    const { tenant } = caller.principal
    const { agents, tools } = this.#deps
    return tools
      .list(tenant)
      .filter(({ contract }) => agents.mayCall(tenant, caller.key_id, contract))
  }

  readiness(): { readonly ready: boolean; readonly reasons: readonly string[] } {
    const reasons = [
      ...(this.#deps.bus.status === 'connected' ? [] : ['bus_not_connected']),
      ...(this.#deps.hasPolicy() ? [] : ['no_policy']),
    ]
    return { ready: reasons.length === 0, reasons }
  }

  async propose(caller: Caller, call: ProposeCall, hold: Hold): Promise<CallOutcome> {
    assertCaller(caller)
    const { tenant } = caller.principal
    const { agents, rates, tools } = this.#deps
    const tool = tools.find(tenant, call.tool)
    if (tool === undefined || !agents.mayCall(tenant, caller.key_id, tool.contract)) {
      const isHeld = tool === undefined && tools.isHeld(tenant, call.tool)
      return this.#refused(caller, call.tool, isHeld ? 'tool_quarantined' : 'unknown_tool')
    }
    if (!rates.take(tenant, caller.key_id, agents.callsPerMinute(tenant, caller.key_id))) {
      return this.#refused(caller, call.tool, 'busy', TOO_MANY_CALLS)
    }
    const text = canonicalize(call.arguments)
    if (utf8Length(text) > ARGUMENTS_MAX_BYTES)
      return this.#refused(caller, call.tool, 'arguments_too_large')
    const mismatch = tool.validator.check(call.arguments)
    if (mismatch !== undefined) {
      return this.#refused(
        caller,
        call.tool,
        'arguments_invalid',
        `${mismatch.pointer || '/'}: ${mismatch.keyword}`,
      )
    }
    const proposal = this.#proposal(caller, call, text)
    return this.#guarded(async () => {
      const accepted = await this.#accept(proposal, tool)
      if ('reason' in accepted) {
        const { reason, why } = accepted
        const detail = why === undefined ? accepted.detail : UNDECIDED[why]
        if (why !== undefined) this.#deps.log.warn('call_undecided', { tool: call.tool, why })
        return this.#refused(caller, call.tool, reason, detail)
      }
      return { ok: true, value: await this.#wait(accepted.stored, accepted.joined, hold) }
    })
  }

  get(caller: Caller, id: ActionId, hold: Hold): Promise<CallOutcome> {
    return this.#own(caller, id, (stored) => this.#wait(stored, false, hold))
  }

  cancel(caller: Caller, id: ActionId): Promise<CallOutcome> {
    return this.#own(caller, id, async (stored) => {
      const { tenant, subject } = caller.principal
      const after = (await this.#deps.orchestrator.cancel(tenant, id, subject)) ?? stored
      // While its grant is out, the executor says whether the cancel came first.
      const ms = after.record.state.kind === 'dispatched' ? CANCEL_WAIT_MS : 0
      return await this.#wait(after, false, { ms })
    })
  }

  /** An action of somebody else is answered like one that does not exist (spec/protocol.md §5). */
  async #own(
    caller: Caller,
    id: ActionId,
    task: (stored: StoredAction) => Promise<ActionView>,
  ): Promise<CallOutcome> {
    assertCaller(caller)
    return this.#guarded(async () => {
      const stored = await this.#deps.orchestrator.current(caller.principal.tenant, id)
      const owner = stored?.record.proposal.principal
      if (
        stored === undefined ||
        owner === undefined ||
        principalText(owner) !== principalText(caller.principal)
      ) {
        return { ok: false, reason: 'unknown_action' }
      }
      return { ok: true, value: await task(stored) }
    })
  }

  async #guarded(task: () => Promise<CallOutcome>): Promise<CallOutcome> {
    try {
      return await task()
    } catch (error) {
      if (!(error instanceof BusFault) && !(error instanceof AuditFault)) throw error
      this.#deps.log.warn('call_unavailable', { code: error.code })
      return { ok: false, reason: 'unavailable' }
    }
  }

  #proposal(caller: Caller, call: ProposeCall, text: string): Proposal {
    const { random, sha256, clock } = this.#deps
    return {
      action_id: actionId(random.bytes(ID_RANDOM_BYTES)),
      trace: hexEncode(random.bytes(16)),
      tenant: caller.principal.tenant,
      workspace: caller.workspace,
      source: caller.source,
      principal: caller.principal,
      auth_level: caller.auth_level,
      on_behalf_of: caller.on_behalf_of,
      tool_id: call.tool,
      arguments: text,
      input_hash: hashText(sha256, text),
      client_key: call.client_key,
      received_at: clock.now(),
    }
  }

  async #accept(proposal: Proposal, tool: RegisteredTool): Promise<Accepted> {
    const { store, orchestrator, freezes } = this.#deps
    const { decider } = orchestrator
    const same = store.sameness(proposal.tool_id, proposal.input_hash)
    // A repeat is no call of its own: it must not be counted beside the one that it joins.
    const crowded = orchestrator.known.crowded(proposal)
    const looks = crowded !== undefined || decider.remembers(proposal)
    const joined = looks ? await this.#repeated(proposal, same) : undefined
    if (joined !== undefined) return joined
    if (standsStill(freezes, proposal, tool.contract)) {
      return (await this.#repeated(proposal, same)) ?? { reason: 'frozen' }
    }
    if (crowded !== undefined) return { reason: 'busy', detail: CROWDED[crowded] }
    const outcome = await decider.decide(proposal, tool)
    if (!outcome.ok) return { reason: 'unavailable', why: outcome.reason }
    const decided = outcome.value
    try {
      const claim = await this.#claimed(proposal, decided, same)
      if (claim.kind === 'refused') return claim
      if (claim.kind === 'found') return { stored: claim.stored, joined: true }
      if (claim.kind === 'mine') return await this.#store(proposal, tool, decided)
      // An action that was pointed at and never came to be is taken over under its own id, so that a
      // slow first try and this one cannot both become actions.
      const adopted = { ...proposal, action_id: claim.action_id }
      const judged = await decider.decide(adopted, tool)
      if (!judged.ok) return { reason: 'unavailable', why: judged.reason }
      return await this.#store(adopted, tool, judged.value)
    } finally {
      orchestrator.known.release(proposal)
    }
  }

  /** Claims what a repeat finds this action by; gives back what was taken unless the claim is ours. */
  async #claimed(proposal: Proposal, decided: Decided, same: Reference['same']): Promise<Claimed> {
    const { store, orchestrator } = this.#deps
    const key = store.indexKey(proposal, waitsForPeople(decided), same)
    const room = (): boolean => !waitsForPeople(decided) || orchestrator.known.reserve(proposal)
    let claim: Claimed | undefined
    try {
      claim = key === undefined ? MINE : await this.#claim(key, proposal, { same, room })
      return claim
    } finally {
      if (claim?.kind !== 'mine') await orchestrator.decider.giveBack(decided.counted)
    }
  }

  /** The action that this proposal repeats, where there is one that it joins. */
  async #repeated(proposal: Proposal, same: Reference['same']): Promise<Accepted | undefined> {
    const { store } = this.#deps
    const key = store.indexKey(proposal, true, same)
    const found = key === undefined ? undefined : await store.reference(key)
    if (found === undefined) return undefined
    const { reference } = found
    if (reference.same !== same) return { reason: 'key_conflict' }
    const stored = await this.#newest(proposal.tenant, reference.action_id)
    return stored !== undefined && joins(proposal, stored) ? { stored, joined: true } : undefined
  }

  async #store(proposal: Proposal, tool: RegisteredTool, decided: Decided): Promise<Accepted> {
    const { orchestrator } = this.#deps
    if (waitsForPeople(decided) && !orchestrator.known.reserve(proposal)) {
      await orchestrator.decider.giveBack(decided.counted)
      return { reason: 'too_many_pending' }
    }
    try {
      const summary = toolSummary(tool, decided.decision, argumentsOf(proposal))
      const stored = await orchestrator.accept(proposal, decided, {
        tool: summary,
        reads_for: null,
      })
      if (stored !== undefined) return { stored, joined: false }
    } finally {
      orchestrator.known.release(proposal)
    }
    const winner = await orchestrator.current(proposal.tenant, proposal.action_id)
    return winner === undefined ? { reason: 'unavailable' } : { stored: winner, joined: true }
  }

  /**
   * Points the key at this action, unless it points at one already: with a client key at any, else
   * at one that is still pending. `room` says whether there may be another action at all.
   */
  async #claim(
    key: string,
    proposal: Proposal,
    of: { readonly same: Reference['same']; readonly room: () => boolean },
  ): Promise<Claimed> {
    const mine = { action_id: proposal.action_id, same: of.same }
    for (let turn = 0; turn < POINT_TRIES; turn += 1) {
      const found = await this.#deps.store.reference(key)
      if (found !== undefined) {
        if (found.reference.same !== of.same) return { kind: 'refused', reason: 'key_conflict' }
        const stored = await this.#newest(proposal.tenant, found.reference.action_id)
        if (stored === undefined) return { kind: 'adopt', action_id: found.reference.action_id }
        if (joins(proposal, stored)) return { kind: 'found', stored }
      }
      if (!of.room()) return { kind: 'refused', reason: 'too_many_pending' }
      if (await this.#deps.store.point(key, mine, found?.revision)) return MINE
    }
    throw new BusFault('store_ambiguous', 'a key is contended')
  }

  /** An action that was pointed at a moment ago may be about to be stored: look a few times. */
  async #pointedAt(tenant: TenantId, id: ActionId): Promise<StoredAction | undefined> {
    for (let turn = 1; turn <= POINT_TRIES; turn += 1) {
      const stored = await this.#deps.orchestrator.current(tenant, id)
      if (stored !== undefined || turn === POINT_TRIES) return stored
      await this.#deps.clock.sleep(POINT_PAUSE_MS * turn)
    }
    return undefined
  }

  /** An action, or the one that is asked in its place, as far as that is there. */
  async #newest(tenant: TenantId, id: ActionId): Promise<StoredAction | undefined> {
    let newest = await this.#pointedAt(tenant, id)
    for (let turn = 0; turn < SUCCESSORS_MAX; turn += 1) {
      const by = newest?.record.superseded_by ?? null
      const next = by === null ? undefined : await this.#pointedAt(tenant, by)
      if (next === undefined) break
      newest = next
    }
    return newest
  }

  async #wait(start: StoredAction, joined: boolean, hold: Hold): Promise<ActionView> {
    const { tenant, action_id: id } = start.record.proposal
    const now = this.#deps.clock.now()
    const until = { held: now + hold.ms, prepared: now + Math.max(hold.ms, PREPARE_WAIT_MS) }
    let stored = this.#deps.orchestrator.latest(start)
    while (!isFinal(stored.record.state) && stored.record.state.kind !== 'needs_human') {
      const isPreparing = stored.record.state.kind === 'preparing'
      const left = (isPreparing ? until.prepared : until.held) - this.#deps.clock.now()
      if (left <= 0 || hold.signal?.aborted === true) break
      const wait = {
        ms: Math.min(left, WAIT_TURN_MS),
        ...(hold.signal === undefined ? {} : { signal: hold.signal }),
      }
      stored = (await this.#deps.orchestrator.next(tenant, id, wait)) ?? stored
      if (!isFinal(stored.record.state)) hold.onWaiting?.(actionView(stored.record, joined))
    }
    // Whoever is told of a successor finds it.
    const { superseded_by } = stored.record
    if (superseded_by !== null) await this.#pointedAt(tenant, superseded_by)
    return actionView(stored.record, joined)
  }

  async #refused(
    caller: Caller,
    tool: string,
    reason: CallRefusal,
    detail?: string,
  ): Promise<CallOutcome> {
    return this.#guarded(async () => {
      await this.#deps.audit(caller.principal.tenant).append('proposal_refused', {
        actor: { kind: 'agent', id: caller.principal.subject },
        payload: { reason, tool_hash: hashText(this.#deps.sha256, tool), source: caller.source },
      })
      return { ok: false, reason, ...(detail === undefined ? {} : { detail }) }
    })
  }
}

/** With a client key it is the same action for good, else while that one waits for people. */
function joins({ client_key }: Proposal, stored: StoredAction): boolean {
  return client_key !== null || isAwaited(stored)
}

function waitsForPeople({ decision }: Decided): boolean {
  return evaluationOf(decision).outcome === 'pending'
}
