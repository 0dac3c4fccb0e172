import { initialState } from '@trustgw/core'
import {
  type ActionId,
  actionId,
  canonicalize,
  contractHash,
  hashText,
  type Proposal,
} from '@trustgw/protocol'
import {
  BusFault,
  type Clock,
  MemoryBroker,
  type RecordStore,
  SeededRandom,
  sha256,
  silentLogger,
} from '@trustgw/runtime'
import { type ActionRecord, argumentsOf, newRecord } from '../../src/action/action-record.ts'
import type { Decided } from '../../src/decide/decided.ts'
import { Decider } from '../../src/decide/decider.ts'
import type { PolicyInForce } from '../../src/decide/evaluator.ts'
import type { RegisteredTool } from '../../src/registry/tool-directory.ts'
import { ACME, contract, NOW } from './keys.ts'

/** Runs a task when the schedule says so; the tests' own order of what happens. */
export type Schedule = <T>(task: () => Promise<T>) => Promise<T>

/** The tool as its contract has it at first, and once the amount is read elsewhere. */
const [TOOL, LATER_TOOL] = ['/amount', '/later'].map((pointer): RegisteredTool => {
  const read = contract('shop.pay', {
    operation: 'transfer',
    amount: {
      kind: 'pointer',
      pointer,
      unit: 'decimal',
      currency: { kind: 'fixed', code: 'EUR' },
    },
  })
  const contract_hash = contractHash(sha256, read)
  return { contract: read, contract_hash, validator: { check: () => undefined } }
}) as [RegisteredTool, RegisteredTool]
const NOBODY = { roles: null, scopes: null, skill_level: null }
const STORE_WITHIN_MS = 30_000

/** What a call pays: by the contract that it is first decided under, and by the one that follows. */
export interface Euros {
  readonly first: number
  /** Null where the contract does not change. */
  readonly later: number | null
}

export type End = 'succeeded' | 'failed' | 'needs_human' | 'denied' | 'expired' | 'refused'
const RAN: ReadonlySet<End> = new Set(['succeeded', 'failed', 'needs_human'])

/** What was let through, and when. */
export interface Granted {
  readonly at: number
  readonly euros: number
  /** False once it is certain that it never ran. */
  ran: boolean
}

/**
 * Gateways as far as their counters go: each a `Decider` of its own over one store, actions in a map
 * that stands for the action store, and a clock that only the test moves. A gateway does with an
 * action what the real one does: stores it in time or not at all, grants it, ends and settles it.
 */
export class LedgerWorld {
  now = NOW
  readonly granted: Granted[] = []
  readonly #broker = new MemoryBroker({ logger: silentLogger })
  readonly #actions = new Map<ActionId, ActionRecord>()
  readonly #grants = new Map<ActionId, Granted>()
  readonly #schedule: Schedule
  #made = 0

  constructor(schedule: Schedule) {
    this.#schedule = schedule
  }

  /** `line.left` is how many requests still reach the store; then its gateway is cut off. */
  decider(name: string, policy: PolicyInForce, line: { left: number }): Decider {
    const clock: Clock = {
      now: () => this.now,
      uptime: () => this.now,
      sleep: () => this.#schedule(async () => undefined),
      setTimer: () => () => undefined,
    }
    return new Decider({
      policy: () => policy,
      agents: { actor: () => NOBODY },
      limits: this.#scheduled(line),
      recall: (_, id) => this.#schedule(async () => this.#actions.get(id)),
      sha256,
      clock,
      random: new SeededRandom(name),
      log: silentLogger,
    })
  }

  proposal({ first, later }: Euros): Proposal {
    this.#made += 1
    const bytes = new Uint8Array(16)
    new DataView(bytes.buffer).setUint32(12, this.#made)
    const text = canonicalize({ amount: `${first}.00`, later: `${later ?? 0}.00`, n: this.#made })
    return {
      action_id: actionId(bytes),
      trace: 't',
      tenant: ACME,
      workspace: 'main',
      source: 'rest',
      principal: { tenant: ACME, issuer: 'api-key', client: 'k', subject: 'bot' },
      auth_level: 1,
      on_behalf_of: null,
      tool_id: TOOL.contract.id,
      arguments: text,
      input_hash: hashText(sha256, text),
      client_key: null,
      received_at: this.now,
    }
  }

  /** Proposes and stores; undefined where nothing came of it, as when its gateway dies before. */
  async propose(decider: Decider, euros: Euros, dies = false): Promise<ActionRecord | undefined> {
    const proposal = this.proposal(euros)
    const outcome = await decider.decide(proposal, TOOL)
    if (!outcome.ok) return undefined
    const { decision } = outcome.value
    if (decision.effect === 'deny' || dies) return undefined
    if (this.now - decision.decided_at > STORE_WITHIN_MS) {
      await decider.giveBack(outcome.value.counted)
      return undefined
    }
    const record = this.#store(proposal, outcome.value, TOOL)
    return decision.effect === 'allow' && euros.later === null ? this.#grant(record) : record
  }

  /**
   * Decides anew what was not granted, since the contract changed; granted where that is allowed and
   * the action is not sent back once more.
   */
  async redecide(decider: Decider, before: ActionRecord, grants: boolean): Promise<ActionRecord> {
    const { proposal } = before
    const outcome = await decider.decide(proposal, LATER_TOOL, before)
    if (!outcome.ok) return before
    const { decision, counted } = outcome.value
    if (this.now - decision.decided_at > STORE_WITHIN_MS) {
      await decider.giveBack(counted)
      return before
    }
    const record = this.#store(proposal, outcome.value, LATER_TOOL)
    await decider.giveBack(before.counted)
    if (decision.effect === 'deny') await this.end(decider, record, 'denied', true)
    return decision.effect === 'allow' && grants ? this.#grant(record) : record
  }

  /** Releases what people approved, if it comes out the same; else nothing becomes of it. */
  async release(decider: Decider, record: ActionRecord): Promise<ActionRecord> {
    const again = await decider.again(record, toolOf(record))
    const same = again.ok && again.value.rule_id === record.decision.rule_id
    return same ? this.#grant(record) : record
  }

  /** Ends an action as far as it got; `settles` is false where the gateway dies before it settles. */
  async end(decider: Decider, record: ActionRecord, end: End, settles: boolean): Promise<void> {
    const wasGranted = record.state.kind === 'dispatched'
    const kind = wasGranted || !RAN.has(end) ? end : 'expired'
    const ended = { ...record, state: endState(kind, this.now) }
    this.#actions.set(record.proposal.action_id, ended)
    const granted = this.#grants.get(record.proposal.action_id)
    // One that ended otherwise without a result may have run unseen.
    if (granted !== undefined && kind === 'refused') granted.ran = false
    if (settles) await decider.settle(ended)
  }

  #store(proposal: Proposal, decided: Decided, tool: RegisteredTool): ActionRecord {
    const { operation, credential_ref } = tool.contract
    const summary = {
      contract_hash: tool.contract_hash,
      operation,
      credential_ref,
      amount: null,
    }
    const record = { ...newRecord(proposal, decided, summary), state: initialState(this.now) }
    this.#actions.set(proposal.action_id, record)
    return record
  }

  #grant(record: ActionRecord): ActionRecord {
    const { counted, proposal } = record
    const granted: Granted = { at: this.now, euros: eurosOf(record), ran: true }
    this.granted.push(granted)
    this.#grants.set(proposal.action_id, granted)
    const next: ActionRecord = {
      ...record,
      grants: 1,
      counted: counted === null ? null : { ...counted, granted_at: this.now },
      state: {
        ...initialState(this.now),
        kind: 'dispatched',
        run_by: this.now,
        need: null,
        evidence: [],
        jti: 'j',
        grant_exp: this.now,
      },
    }
    this.#actions.set(proposal.action_id, next)
    return next
  }

  #scheduled(line: { left: number }): RecordStore {
    const store = this.#broker.link().records({ home: 'data', bucket: 'limits' })
    const run = <T>(task: () => Promise<T>): Promise<T> =>
      this.#schedule(() => {
        line.left -= 1
        if (line.left < 0) throw new BusFault('store_unreachable', 'cut off')
        return task()
      })
    return {
      get: (key) => run(() => store.get(key)),
      create: (key, value) => run(() => store.create(key, value)),
      replace: (key, value, revision) => run(() => store.replace(key, value, revision)),
      remove: (key, revision) => run(() => store.remove(key, revision)),
      list: (prefix) => run(() => store.list(prefix)),
      watch: (handler) => store.watch(handler),
    }
  }
}

const toolOf = ({ tool }: ActionRecord): RegisteredTool =>
  tool.contract_hash === TOOL.contract_hash ? TOOL : LATER_TOOL

function eurosOf(record: ActionRecord): number {
  const args = argumentsOf(record.proposal) as { amount: string; later: string }
  return Number(toolOf(record) === TOOL ? args.amount : args.later)
}

function endState(kind: End, now: number): ActionRecord['state'] {
  const result = { result_hash: 'x', reason: null }
  if (kind === 'denied') return { kind, since: now, reason: 'no', by: null }
  if (kind === 'expired') return { kind, since: now, reason: 'run_by' }
  if (kind === 'refused') return { kind, since: now, jti: 'j', reason: 'no' }
  if (kind === 'needs_human')
    return { kind, since: now, round: 1, issued: ['j'], cancel: null, jti: 'j', reason: 'no' }
  return { kind, since: now, jti: 'j', result }
}
