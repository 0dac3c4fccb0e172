import {
  type ActionId,
  actionId,
  type CancelAnswer,
  canonicalize,
  type ExecutionResult,
  executionResultJson,
  executorQueryShape,
  type GrantClaims,
  type GrantedAction,
  type GrantId,
  grantedActionShape,
  grantHash,
  hashJson,
  type InvokeAnswer,
  type Json,
  type Profile,
  parseJson,
  RESULT_TYP,
  type ReconcileAnswer,
  readGrant,
  readShape,
  signJws,
  subject,
  subjectPattern,
  utf8Encode,
} from '@trustgw/protocol'
import { type BusLink, type BusSubscription, nodeRandom, sha256 } from '@trustgw/runtime'
import { type KeyName, must, type TestKeys } from './keys.ts'

/** Under way it may come to its end. */
const CLOCK_SKEW_MS = 2_000

export interface Invocation {
  readonly action: GrantedAction
  readonly claims: GrantClaims
}

/** `run`: claims and reports. `claim`: claims and says nothing more. `silent`: answers nothing. */
export type Manner = 'run' | 'claim' | 'silent' | InvokeAnswer

export interface ResultTwist {
  readonly key?: KeyName
  /** On whose subject it is published. */
  readonly as?: Profile
  readonly change?: Partial<ExecutionResult>
}

export interface ExecutorLinks {
  readonly link: BusLink
  readonly keys: TestKeys
  readonly profile: Profile
  readonly kid: KeyName
  readonly onInvoke: (id: ActionId) => void
}

/**
 * A double of an executor: the real messages with real keys, no admission and no tool. Like the
 * real one it enters each action at most once, whatever it is sent; `effects` counts that.
 */
export class ExecutorDouble {
  readonly invocations: Invocation[] = []
  readonly effects = new Map<ActionId, number>()
  /** Grants whose life had ended, or that no gateway signed, when they came. */
  readonly odd: string[] = []
  manner: Manner = 'run'
  output: Json = { done: true }
  /** What a tool gives, and what it does, where that is something else. */
  readonly outputs = new Map<string, Json>()
  readonly manners = new Map<string, Manner>()
  /** What it says of an action that it entered and whose end nobody saw. */
  reconciles: ReconcileAnswer | 'silent' = { status: 'unclear', reason: 'provider_cannot_tell' }
  /** Says nothing to what it is asked. */
  deaf = false
  /** What it was asked about, oldest first. */
  readonly queries: { readonly kind: 'cancel' | 'reconcile'; readonly id: ActionId }[] = []
  readonly #cancelled = new Set<ActionId>()
  now: () => number = () => 0
  readonly #links: ExecutorLinks
  #subscriptions: readonly BusSubscription[] = []

  constructor(links: ExecutorLinks) {
    this.#links = links
  }

  start(): void {
    const { link, profile } = this.#links
    const respond = (
      kind: 'exec_invoke' | 'exec_cancel' | 'exec_reconcile',
      take: (data: Uint8Array) => Promise<object | undefined>,
    ): BusSubscription =>
      link.bus.respond(subjectPattern(kind, { profile }), { queue: profile }, async ({ data }) => {
        const answer = await take(data)
        return answer === undefined ? undefined : utf8Encode(canonicalize({ ...answer }))
      })
    this.#subscriptions = [
      respond('exec_invoke', (data) => this.#take(data)),
      respond('exec_cancel', (data) => Promise.resolve(this.#cancel(asked(data)))),
      respond('exec_reconcile', (data) => Promise.resolve(this.#reconcile(asked(data)))),
    ]
  }

  async stop(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()))
  }

  get grants(): readonly GrantId[] {
    return [...new Set(this.invocations.map(({ claims }) => claims.jti))]
  }

  /** Actions for which two different grants were alive at one time. */
  liveTogether(): readonly ActionId[] {
    return this.invocations
      .filter(({ claims }) =>
        this.invocations.some(
          ({ claims: other }) =>
            other.action_id === claims.action_id &&
            other.jti !== claims.jti &&
            other.iat < claims.exp &&
            claims.iat < other.exp,
        ),
      )
      .map(({ claims }) => claims.action_id)
  }

  /** The last invocation of an action. */
  last(id?: ActionId): Invocation {
    const found = this.invocations.findLast(
      ({ claims }) => id === undefined || claims.action_id === id,
    )
    if (found === undefined) throw new TypeError('nothing was invoked')
    return found
  }

  async #take(data: Uint8Array): Promise<InvokeAnswer | undefined> {
    const { keys, onInvoke } = this.#links
    const action = must(readShape(grantedActionShape, must(parseJson(data, { maxBytes: 600_000 }))))
    const claims = must(readGrant(action.grant, keys.public.keyFor({ role: 'grant' })))
    if (claims.exp * 1000 + CLOCK_SKEW_MS <= this.now()) this.odd.push(claims.jti)
    const invocation = { action, claims }
    this.invocations.push(invocation)
    onInvoke(claims.action_id)
    const manner = this.manners.get(claims.tool_name) ?? this.manner
    if (manner === 'silent') return undefined
    if (typeof manner === 'object') return manner
    if (this.#cancelled.has(claims.action_id))
      return { status: 'refused', reason: 'action_cancelled', retryable: false }
    const first = !this.effects.has(claims.action_id)
    if (first) this.effects.set(claims.action_id, 1)
    if (first && manner === 'run') await this.report(invocation)
    return { status: 'claimed' }
  }

  /** Like the real one: start and cancel claim the same entry. */
  #cancel(id: ActionId): CancelAnswer | undefined {
    this.queries.push({ kind: 'cancel', id })
    if (this.deaf) return undefined
    if (this.effects.has(id)) return { status: 'claimed' }
    this.#cancelled.add(id)
    return { status: 'cancelled' }
  }

  #reconcile(id: ActionId): ReconcileAnswer | undefined {
    this.queries.push({ kind: 'reconcile', id })
    if (this.deaf) return undefined
    if (this.#cancelled.has(id)) return { status: 'unclear', reason: 'claimed_never_to_run' }
    if (!this.effects.has(id)) return { status: 'unclear', reason: 'never_claimed' }
    return this.reconciles === 'silent' ? undefined : this.reconciles
  }

  /** Publishes a result of an invocation, as the boundary lets an executor publish it. */
  async report(invocation: Invocation, twist: ResultTwist = {}): Promise<void> {
    const { link, keys, kid, profile } = this.#links
    const { claims, action } = invocation
    const output = twist.change?.output ?? this.outputs.get(claims.tool_name) ?? this.output
    const result: ExecutionResult = {
      v: 1,
      action_id: claims.action_id,
      tenant_id: claims.tenant_id,
      profile,
      jti: claims.jti,
      grant_hash: grantHash(sha256, action.grant),
      input_hash: claims.input_hash,
      outcome: 'succeeded',
      reason: null,
      output,
      result_hash: hashJson(sha256, output),
      raw_hash: null,
      provider_reference: 'ref-1',
      started_at: 1,
      finished_at: 2,
      ...twist.change,
    }
    const by = twist.key ?? kid
    const payload = executionResultJson(result)
    const token = signJws({ typ: RESULT_TYP, kid: by, payload }, keys.of[by].sign)
    const tokens = { tenant: result.tenant_id, action: result.action_id }
    const to =
      twist.as === undefined
        ? subject('exec_result_local', tokens)
        : subject('exec_result', { ...tokens, profile: twist.as })
    await link.publisher({ stream: 'RESULTS' }).publishStored(to, utf8Encode(token), {
      msgId: actionId(nodeRandom.bytes(16)),
    })
  }
}

function asked(data: Uint8Array): ActionId {
  return must(readShape(executorQueryShape, must(parseJson(data)))).action_id
}
