import {
  type ActionId,
  type ActionView,
  CLIENT_KEY_MAX_CHARS,
  contractJson,
  HOLD_MAX_MS,
  type JsonObject,
  type ProposeRequest,
  parseActionId,
  proposeRequestShape,
  readShape,
} from '@trustgw/protocol'
import type { Caller } from '../agents/caller.ts'
import type { CallOutcome, GatewayApi } from '../gateway-api.ts'
import { whileOpen } from './http-server.ts'
import { callProblem, jsonReply, problem, type Reply } from './problem.ts'
import type { Exchange, KeyRoute } from './route.ts'

/** How long a proposal is held for its end when the caller says nothing. */
export const REST_HOLD_DEFAULT_MS = 5_000

/** The REST face (spec/protocol.md §8). There is no route that approves anything. */
export function restRoutes(api: GatewayApi): readonly KeyRoute[] {
  const base = { auth: 'key', source: 'rest', face: 'rest' } as const
  return [
    {
      ...base,
      pattern: /^\/v1\/actions\/propose$/,
      methods: { POST: (exchange, caller) => propose(api, exchange, caller) },
    },
    {
      ...base,
      pattern: /^\/v1\/actions\/(act_[^/]+)$/,
      methods: { GET: (exchange, caller) => get(api, exchange, caller) },
    },
    {
      ...base,
      pattern: /^\/v1\/actions\/(act_[^/]+)\/cancel$/,
      methods: { POST: (exchange, caller) => cancel(api, exchange, caller) },
    },
    {
      ...base,
      pattern: /^\/v1\/tools\/list$/,
      methods: { GET: (exchange, caller) => list(api, exchange, caller) },
    },
  ]
}

async function propose(api: GatewayApi, exchange: Exchange, caller: Caller): Promise<Reply> {
  if (exchange.query.size > 0) return problem('query_invalid')
  const body = await exchange.body()
  if (!body.ok) return problem(body.reason, body.detail)
  const read = readShape(proposeRequestShape, body.value)
  if (!read.ok) return problem('body_invalid', read.detail)
  const key = clientKey(exchange, read.value)
  if (!key.ok) return problem('key_mismatch')
  const { tool, arguments: given, wait_ms: ms = REST_HOLD_DEFAULT_MS } = read.value
  const call = { tool, arguments: given, client_key: key.value }
  const outcome = await whileOpen(exchange, (signal) => api.propose(caller, call, { ms, signal }))
  return outcomeReply(outcome)
}

async function get(api: GatewayApi, exchange: Exchange, caller: Caller): Promise<Reply> {
  const ms = waitOf(exchange.query)
  if (ms === undefined) return problem('query_invalid', 'wait is at most 55s')
  return ofAction(exchange, (id) =>
    whileOpen(exchange, (signal) => api.get(caller, id, { ms, signal })),
  )
}

function cancel(api: GatewayApi, exchange: Exchange, caller: Caller): Promise<Reply> | Reply {
  if (exchange.query.size > 0) return problem('query_invalid')
  return ofAction(exchange, (id) => api.cancel(caller, id))
}

function list(api: GatewayApi, exchange: Exchange, caller: Caller): Reply {
  if (exchange.query.size > 0) return problem('query_invalid')
  return jsonReply(200, toolsJson(api, caller))
}

/** What a caller may use: bundles, and tools with their whole contracts. Also the answer on the bus. */
export function toolsJson(api: GatewayApi, caller: Caller): JsonObject {
  return {
    bundles: api.bundles(caller).map((bundle) => ({ ...bundle })),
    tools: api.tools(caller).map(({ contract }) => contractJson(contract)),
  }
}

export function viewJson(view: ActionView): JsonObject {
  return { ...view }
}

async function ofAction(
  exchange: Exchange,
  ask: (id: ActionId) => Promise<CallOutcome>,
): Promise<Reply> {
  const id = parseActionId(exchange.captured[0] ?? '')
  // An id that is none gets the answer for one that nobody has.
  return id.ok ? outcomeReply(await ask(id.value)) : problem('unknown_action')
}

/** 200 once nothing will change any more, else 202: ask again after `poll_after_s`. */
function outcomeReply(outcome: CallOutcome): Reply {
  if (!outcome.ok) return callProblem(outcome.reason, outcome.detail)
  const view = outcome.value
  if (view.poll_after_s === null) return jsonReply(200, viewJson(view))
  return jsonReply(202, viewJson(view), {
    location: `/v1/actions/${view.action_id}`,
    'retry-after': String(view.poll_after_s),
  })
}

type KeyOutcome = { readonly ok: true; readonly value: string | null } | { readonly ok: false }

function clientKey(exchange: Exchange, request: ProposeRequest): KeyOutcome {
  const header = exchange.headers['idempotency-key']
  const inBody = request.idempotency_key
  if (header === undefined) return { ok: true, value: inBody ?? null }
  const fits =
    typeof header === 'string' &&
    header.length <= CLIENT_KEY_MAX_CHARS &&
    /^[\x21-\x7e]+$/.test(header) &&
    (inBody === undefined || inBody === header)
  return fits ? { ok: true, value: header } : { ok: false }
}

/** `?wait=55s` or `?wait=500ms`; undefined for anything else. */
function waitOf(query: URLSearchParams): number | undefined {
  if (query.size === 0) return 0
  const [, count, unit] = /^(\d{1,5})(ms|s)$/.exec(query.get('wait') ?? '') ?? []
  if (query.size !== 1 || count === undefined) return undefined
  const ms = Number(count) * (unit === 's' ? 1_000 : 1)
  return ms <= HOLD_MAX_MS ? ms : undefined
}
