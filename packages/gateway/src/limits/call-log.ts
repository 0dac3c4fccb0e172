import { hashJson, type Proposal, principalText, type Sha256, storedKey } from '@trustgw/protocol'
import type { Clock, RecordStore } from '@trustgw/runtime'
import { readTrace, recent, type Trace, withCall, writeTrace } from './trace.ts'

/** A trace as it was read for a decision. */
export interface TraceView {
  readonly key: string
  /** Undefined where what is stored cannot be read. */
  readonly trace: Trace | undefined
  readonly revision: number | undefined
}

/**
 * The gateway's own record of who called what: one trace for each principal and person on whose
 * behalf it acts, never anything that a caller says of itself.
 */
export class CallLog {
  readonly #store: RecordStore
  readonly #sha256: Sha256
  readonly #clock: Clock

  constructor(store: RecordStore, sha256: Sha256, clock: Clock) {
    this.#store = store
    this.#sha256 = sha256
    this.#clock = clock
  }

  key({ tenant, principal, on_behalf_of }: Proposal): string {
    const who = hashJson(this.#sha256, { principal: principalText(principal), on_behalf_of })
    return `${tenant}.${storedKey(this.#sha256, 't', who)}`
  }

  async view(key: string): Promise<TraceView> {
    const stored = await this.#store.get(key)
    if (stored === undefined) return { key, trace: NONE, revision: undefined }
    const trace = readTrace(stored.value)
    const { revision } = stored
    return trace === undefined
      ? { key, trace, revision }
      : { key, trace: recent(trace, this.#clock.now()), revision }
  }

  /** Adds a call that is let in, once; false when somebody else changed the trace first. */
  async add(view: TraceView, { action_id, tool_id, input_hash }: Proposal): Promise<boolean> {
    const at = this.#clock.now()
    const trace = view.trace ?? { ...NONE, dropped_at: at }
    if (trace.calls.some(({ action }) => action === action_id)) return true
    const next = writeTrace(withCall(trace, { action: action_id, tool: tool_id, input_hash, at }))
    const written =
      view.revision === undefined
        ? await this.#store.create(view.key, next)
        : await this.#store.replace(view.key, next, view.revision)
    return written.ok
  }
}

const NONE: Trace = { calls: [], dropped_at: null }
