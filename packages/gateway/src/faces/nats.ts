import {
  type ActionId,
  actionQueryShape,
  type BusAnswer,
  type BusEnvelope,
  busEnvelopeShape,
  type JsonObject,
  parseJsonObject,
  parseSubject,
  proposeRequestShape,
  readShape,
  subjectPattern,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import type { Bus, BusRequest, BusSubscription, Logger, Requester } from '@trustgw/runtime'
import type { Caller } from '../agents/caller.ts'
import type { CallOutcome, CallRefusal, GatewayApi } from '../gateway-api.ts'
import type { FaceMetrics } from './metrics.ts'
import { retryAfter } from './problem.ts'
import { toolsJson, viewJson } from './rest.ts'

/** Largest request on the bus: arguments of 128 KiB and what is around them. */
export const BUS_REQUEST_MAX_BYTES = 262_144
/** Largest answer; a longer one is refused, since the bus would drop it. */
const BUS_ANSWER_MAX_BYTES = 1_000_000
/** Requests of one subject that are worked on, held ones included. */
const CONCURRENT_REQUESTS = 512
const QUEUE = 'gateway'

type BusRefusal =
  | CallRefusal
  | 'not_authenticated'
  | 'json_refused'
  | 'envelope_invalid'
  | 'body_invalid'
  | 'answer_too_large'
  | 'internal'

type Handled =
  | { readonly ok: true; readonly value: JsonObject }
  | { readonly ok: false; readonly reason: BusRefusal; readonly detail?: string }

type Verb = 'action_propose' | 'action_get' | 'action_cancel' | 'tools_list'
const VERBS: readonly Verb[] = ['action_propose', 'action_get', 'action_cancel', 'tools_list']

export interface NatsFaceDeps {
  readonly bus: Bus
  readonly api: GatewayApi
  /** The agent behind a request, as the server itself states it; undefined: refused. */
  readonly byRequester: (tenant: TenantId, requester: Requester | undefined) => Caller | undefined
  readonly metrics: FaceMetrics
  readonly log: Logger
}

/** The face on the bus (spec/protocol.md §6, §8): `trust.v1.<tenant>.…`, answered in a queue. */
export class NatsFace {
  readonly #deps: NatsFaceDeps
  readonly #draining = new AbortController()
  #subscriptions: readonly BusSubscription[] = []

  constructor(deps: NatsFaceDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#subscriptions = VERBS.map((verb) =>
      this.#deps.bus.respond(
        subjectPattern(verb),
        { queue: QUEUE, concurrency: CONCURRENT_REQUESTS },
        (request) => this.#take(verb, request),
      ),
    )
  }

  /** What waits answers with the state as it is. */
  async stop(): Promise<void> {
    this.#draining.abort()
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()))
  }

  async #take(verb: Verb, request: BusRequest): Promise<Uint8Array | undefined> {
    const { log, metrics } = this.#deps
    if (!request.replyExpected) {
      metrics.count('nats', 'no_reply')
      log.warn('bus_request_without_reply', { subject: request.subject })
      return undefined
    }
    const envelope = readEnvelope(request.data)
    const handled = envelope.ok ? await this.#answer(verb, request, envelope.value) : envelope
    const id = envelope.ok ? envelope.value.request : ''
    const [bytes, outcome] = answerBytes(id, handled)
    metrics.count('nats', outcome)
    return bytes
  }

  async #answer(verb: Verb, request: BusRequest, envelope: BusEnvelope): Promise<Handled> {
    const tokens = parseSubject(verb, request.subject)
    const caller = tokens.ok
      ? this.#deps.byRequester(tokens.value.tenant, request.requester)
      : undefined
    // One answer for an unknown agent, a foreign tenant's and a request from another account.
    if (caller === undefined) return { ok: false, reason: 'not_authenticated' }
    try {
      return await this.#call(verb, caller, envelope.body)
    } catch (error) {
      const name = error instanceof Error ? error.name : typeof error
      this.#deps.log.error('bus_request_failed', { subject: request.subject, error: name })
      return { ok: false, reason: 'internal' }
    }
  }

  async #call(verb: Verb, caller: Caller, body: JsonObject): Promise<Handled> {
    const { api } = this.#deps
    const { signal } = this.#draining
    if (verb === 'action_propose') return this.#propose(caller, body)
    if (verb === 'tools_list') {
      const empty = Object.keys(body).length === 0
      return empty
        ? { ok: true, value: toolsJson(api, caller) }
        : { ok: false, reason: 'body_invalid' }
    }
    return asQuery(body, (id, ms) =>
      verb === 'action_cancel' ? api.cancel(caller, id) : api.get(caller, id, { ms, signal }),
    )
  }

  async #propose(caller: Caller, body: JsonObject): Promise<Handled> {
    const read = readShape(proposeRequestShape, body)
    if (!read.ok) return bodyInvalid(read.detail)
    const { tool, arguments: given, idempotency_key: key = null, wait_ms: ms = 0 } = read.value
    const call = { tool, arguments: given, client_key: key }
    return fromOutcome(
      await this.#deps.api.propose(caller, call, { ms, signal: this.#draining.signal }),
    )
  }
}

async function asQuery(
  body: JsonObject,
  ask: (id: ActionId, ms: number) => Promise<CallOutcome>,
): Promise<Handled> {
  const read = readShape(actionQueryShape, body)
  if (!read.ok) return bodyInvalid(read.detail)
  return fromOutcome(await ask(read.value.action_id, read.value.wait_ms ?? 0))
}

function bodyInvalid(detail: string | undefined): Handled {
  return { ok: false, reason: 'body_invalid', ...detailOf(detail) }
}

function detailOf(detail: string | undefined): { readonly detail?: string } {
  return detail === undefined ? {} : { detail }
}

function fromOutcome(outcome: CallOutcome): Handled {
  return outcome.ok ? { ok: true, value: viewJson(outcome.value) } : outcome
}

type EnvelopeRead =
  | { readonly ok: true; readonly value: BusEnvelope }
  | { readonly ok: false; readonly reason: BusRefusal; readonly detail?: string }

function readEnvelope(data: Uint8Array): EnvelopeRead {
  const parsed = parseJsonObject(data, { maxBytes: BUS_REQUEST_MAX_BYTES })
  if (!parsed.ok) return { ok: false, reason: 'json_refused', detail: parsed.reason }
  const read = readShape(busEnvelopeShape, parsed.value)
  if (read.ok) return read
  return { ok: false, reason: 'envelope_invalid', ...detailOf(read.detail) }
}

const MESSAGES: { readonly [R in BusRefusal]: string } = {
  unknown_tool: 'There is no such tool',
  tool_quarantined: 'The tool changed: a person has to look at it first',
  arguments_invalid: "The arguments do not fit the tool's schema",
  arguments_too_large: 'The arguments are too large',
  key_conflict: 'The key was used for another call',
  too_many_pending: 'Too many of your actions wait for approval',
  busy: 'Too much waits already: try again later',
  unknown_action: 'There is no such action',
  unavailable: 'A part that must decide or record is not reachable: try again',
  not_authenticated: 'This identity may not ask this',
  json_refused: 'The request is not strict JSON',
  envelope_invalid: 'The request is not {v, request, body}',
  body_invalid: 'The body is not what this subject takes',
  answer_too_large: 'The answer is too large for the bus: ask over HTTP',
  internal: 'The gateway failed',
}

function answerBytes(request: string, handled: Handled): readonly [Uint8Array, string] {
  if (!handled.ok) {
    const { reason, detail } = handled
    const message = detail === undefined ? MESSAGES[reason] : `${MESSAGES[reason]} (${detail})`
    const retry = retryAfter(reason)
    const later = retry === undefined ? {} : { retry_after_s: retry }
    return [encode({ v: 1, ok: false, request, code: reason, message, ...later }), reason]
  }
  const bytes = encode({ v: 1, ok: true, request, value: handled.value })
  return bytes.length <= BUS_ANSWER_MAX_BYTES
    ? [bytes, 'ok']
    : answerBytes(request, { ok: false, reason: 'answer_too_large' })
}

function encode(answer: BusAnswer): Uint8Array {
  return utf8Encode(JSON.stringify(answer))
}
