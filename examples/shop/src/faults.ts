export const MAX_FAULT_DELAY_MS = 120_000
const DEFAULT_FAULT_DELAY_MS = 1_000
const MAX_FAULT_TIMES = 1_000_000
const MODES = ['none', 'slow', 'fail', 'drop_after_work', 'drop_before_work'] as const
const TARGETS = ['all', 'refunds'] as const
const MEMBERS: readonly string[] = ['mode', 'delay_ms', 'times', 'on']

export type FaultMode = (typeof MODES)[number]

/**
 * How to misbehave. `slow`: does the work, answers after delay_ms. `fail`: 503, no work.
 * `drop_before_work`, `drop_after_work`: the connection is cut without an answer.
 */
export type Fault = {
  readonly mode: FaultMode
  readonly delay_ms: number
  /** Requests still to be hit; null: every one until told otherwise. */
  readonly times: number | null
  /** `all`: every request under /v1; `refunds`: POST /v1/refunds only. */
  readonly on: (typeof TARGETS)[number]
}

export type FaultReading =
  | { readonly ok: true; readonly fault: Fault }
  | { readonly ok: false; readonly member: string }

const NO_FAULT: Fault = { mode: 'none', delay_ms: 0, times: null, on: 'all' }

/** Reads `{mode, delay_ms?, times?, on?}`; refuses unknown members and values out of range. */
export function readFault(body: Readonly<Record<string, unknown>>): FaultReading {
  const unknown = Object.keys(body).find((name) => !MEMBERS.includes(name))
  if (unknown !== undefined) return { ok: false, member: 'unknown' }
  const mode = MODES.find((known) => known === body['mode'])
  if (mode === undefined) return { ok: false, member: 'mode' }
  const target = body['on'] ?? 'all'
  const on = TARGETS.find((known) => known === target)
  if (on === undefined) return { ok: false, member: 'on' }
  const delay_ms = body['delay_ms'] ?? DEFAULT_FAULT_DELAY_MS
  if (!isCount(delay_ms, 0, MAX_FAULT_DELAY_MS)) return { ok: false, member: 'delay_ms' }
  const times = body['times'] ?? null
  if (times !== null && !isCount(times, 1, MAX_FAULT_TIMES)) return { ok: false, member: 'times' }
  return { ok: true, fault: { mode, delay_ms, times, on } }
}

/** Holds the fault in force; in memory only, so a restart behaves well again. */
export class FaultPlan {
  #fault: Fault = NO_FAULT

  set(fault: Fault): void {
    this.#fault = fault.mode === 'none' ? NO_FAULT : fault
  }

  /** The fault that hits this request, counting it. */
  take(isRefundPost: boolean): Fault {
    const fault = this.#fault
    if (fault.mode === 'none' || (fault.on === 'refunds' && !isRefundPost)) return NO_FAULT
    if (fault.times !== null) {
      this.#fault = fault.times > 1 ? { ...fault, times: fault.times - 1 } : NO_FAULT
    }
    return fault
  }
}

function isCount(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
}
