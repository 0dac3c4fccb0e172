/** The calls of one trace, and what policy may ask of it (spec/policy.md "What a rule can match"). */
import type { Chain } from '@trustgw/core'
import {
  type ActionId,
  actionIdField,
  arrayShape,
  canonicalize,
  type Hash,
  hashField,
  msField,
  nameField,
  nullableShape,
  objectShape,
  oneOfShape,
  parseJson,
  readShape,
  type Shape,
  utf8Encode,
} from '@trustgw/protocol'

/** How long a call belongs to the trace, and how many of the latest do. */
export const TRACE_MS = 900_000
export const TRACE_CALLS_MAX = 64
/** How many calls a cycle may be long. */
const CYCLE_MAX_CALLS = 8

/** One call that was let in. */
export interface TracedCall {
  readonly action: ActionId
  readonly tool: string
  readonly input_hash: Hash
  readonly at: number
}

export interface Trace {
  /** Oldest first. */
  readonly calls: readonly TracedCall[]
  /** When a call was last left out for their number, or the record had to be begun anew. */
  readonly dropped_at: number | null
}

const traceShape: Shape<Trace & { readonly v: 1 }> = objectShape({
  v: oneOfShape(1),
  calls: arrayShape(
    objectShape({ action: actionIdField, tool: nameField, input_hash: hashField, at: msField }),
    { max: TRACE_CALLS_MAX },
  ),
  dropped_at: nullableShape(msField),
})

export function writeTrace({ calls, dropped_at }: Trace): Uint8Array {
  return utf8Encode(canonicalize({ v: 1, calls: calls.map((call) => ({ ...call })), dropped_at }))
}

/** Undefined for what this version did not write. */
export function readTrace(bytes: Uint8Array): Trace | undefined {
  const json = parseJson(bytes)
  const read = json.ok ? readShape(traceShape, json.value) : json
  return read.ok ? { calls: read.value.calls, dropped_at: read.value.dropped_at } : undefined
}

/** What of it still belongs to the trace. */
export function recent({ calls, dropped_at }: Trace, now: number): Trace {
  return {
    calls: calls.filter(({ at }) => now - at < TRACE_MS),
    dropped_at: dropped_at !== null && now - dropped_at < TRACE_MS ? dropped_at : null,
  }
}

/** With one more call, last. */
export function withCall(trace: Trace, call: TracedCall): Trace {
  const calls = [...trace.calls, call]
  if (calls.length <= TRACE_CALLS_MAX) return { ...trace, calls }
  return { calls: calls.slice(-TRACE_CALLS_MAX), dropped_at: call.at }
}

/** The calls before one: all where it is not in the trace yet. */
export function callsBefore({ calls }: Trace, action: ActionId): readonly TracedCall[] {
  const own = calls.findIndex((call) => call.action === action)
  return own < 0 ? calls : calls.slice(0, own)
}

/**
 * `repeats`: earlier calls of the same tool with the same arguments. `cycle`: with this call the
 * tools end in a sequence of 2 to 8 calls, not all of one tool, that came twice in a row; arguments
 * are not looked at, since a loop mostly varies them.
 */
export function chainOf(
  before: readonly TracedCall[],
  call: Pick<TracedCall, 'tool' | 'input_hash'>,
): Chain {
  const same = (one: TracedCall): boolean =>
    one.tool === call.tool && one.input_hash === call.input_hash
  return {
    depth: before.length,
    repeats: before.filter(same).length,
    cycle: endsInCycle([...before.map(({ tool }) => tool), call.tool]),
  }
}

function endsInCycle(tools: readonly string[]): boolean {
  for (let length = 2; length <= CYCLE_MAX_CALLS; length += 1) {
    if (tools.length < 2 * length) return false
    const last = tools.slice(-length)
    const earlier = tools.slice(-2 * length, -length)
    if (new Set(last).size > 1 && last.every((tool, at) => tool === earlier[at])) return true
  }
  return false
}
