import type {
  ActionId,
  ActionView,
  Bundle,
  JsonObject,
  TenantId,
  ToolContract,
} from '@trustgw/protocol'
import type { Caller } from './agents/caller.ts'

/** Why a call changed nothing; each face maps every one of them to its wire. */
export type CallRefusal =
  /** No such tool for this caller. */
  | 'unknown_tool'
  /** The tool changed, or a person stopped it: nobody may call it until a person has looked. */
  | 'tool_quarantined'
  /** The arguments do not fit the tool's schema; `detail` has the pointer and the keyword. */
  | 'arguments_invalid'
  | 'arguments_too_large'
  /** The client key was used for another tool or other arguments. */
  | 'key_conflict'
  /** As many actions of this caller as may wait for people wait already. */
  | 'too_many_pending'
  /** Too much is open or waits for the tool: nothing was accepted. Try again later. */
  | 'busy'
  /** No such action of this caller; also for an action of somebody else. */
  | 'unknown_action'
  /** Nothing was accepted: a part that must record or decide is unreachable. Try again later. */
  | 'unavailable'

export type CallOutcome =
  | { readonly ok: true; readonly value: ActionView }
  | { readonly ok: false; readonly reason: CallRefusal; readonly detail?: string }

/** How long a caller waits for an end. When it stops waiting the action goes on by itself. */
export interface Hold {
  /** Milliseconds; 0 answers with the state as it is. */
  readonly ms: number
  /** Aborted when the caller is gone: detaches, neither cancels nor approves. */
  readonly signal?: AbortSignal
  /** Told of the state every few seconds while waiting. */
  readonly onWaiting?: (view: ActionView) => void
}

export interface ProposeCall {
  readonly tool: string
  readonly arguments: JsonObject
  readonly client_key: string | null
}

/** A tool as an agent may see it. */
export interface VisibleTool {
  readonly contract: ToolContract
}

/**
 * What every face (MCP, REST, NATS) calls, and nothing else. A caller comes only from
 * `authenticate*`; nothing a caller sends says who it is.
 */
export interface GatewayApi {
  /** The caller of an `Authorization: Bearer` API key; undefined: refuse with 401 and no reason. */
  authenticate(apiKey: string, source: 'mcp' | 'rest'): Caller | undefined
  /**
   * Decides a tool call and carries it on. Answers when the action has ended, when it waits for a
   * person and the hold is over, or when the hold is over. Throws only on a defect.
   */
  propose(caller: Caller, call: ProposeCall, hold: Hold): Promise<CallOutcome>
  get(caller: Caller, id: ActionId, hold: Hold): Promise<CallOutcome>
  cancel(caller: Caller, id: ActionId): Promise<CallOutcome>
  bundles(caller: Caller): readonly Bundle[]
  tools(caller: Caller): readonly VisibleTool[]
  /** What `/ready` says: whether an allowed call could go through now. */
  readiness(tenant?: TenantId): { readonly ready: boolean; readonly reasons: readonly string[] }
}
