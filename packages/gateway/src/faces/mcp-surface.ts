import {
  type ActionView,
  asObject,
  canonicalize,
  hashText,
  type Json,
  type JsonObject,
  parseActionId,
  type Sha256,
} from '@trustgw/protocol'
import type { Caller } from '../agents/caller.ts'
import type { CallOutcome, GatewayApi, Hold } from '../gateway-api.ts'
import type { McpContexts } from './mcp-contexts.ts'
import { DISCOVERY_TOOLS, STATUS_TOOL } from './mcp-meta-tools.ts'
import {
  errorResult,
  type McpToolResult,
  mcpResult,
  refusalResult,
  valueResult,
} from './mcp-result.ts'
import { bundleTools, findTool, type McpTool } from './mcp-tools.ts'
import { visibleText } from './visible-text.ts'

/** How long a call is held (spec/protocol.md §8); below every known client's own limit. */
export const MCP_HOLD_MS = 25_000

/** Where a call was made: which tools are listed and reachable there. */
export interface McpScope {
  readonly caller: Caller
  /** The one bundle of `/v1/mcp/c/<bundle>`; null where bundles are discovered. */
  readonly bundle: string | null
  /** The bundle that a session of the older era switched to. */
  readonly narrowed: string | null
  /** Only in sessions of the older era: their list follows the switch. */
  readonly narrow?: (bundle: string) => Promise<void>
}

export interface McpCall {
  readonly name: string
  readonly arguments: JsonObject
  /** The client can show a page to its person (URL elicitation). */
  readonly opensPages: boolean
  /** What {@link OpenPage.state} was, when the client came back from the page. */
  readonly resume: string | undefined
  /** False when the person did not want to open the page. */
  readonly opened: boolean
  readonly signal: AbortSignal
  readonly onWaiting?: (view: ActionView) => void
}

/** The client shall open the approval page, then make the same call again with `state`. */
export interface OpenPage {
  readonly kind: 'open_page'
  readonly url: string
  readonly message: string
  readonly state: string
}

export type McpAnswer =
  | { readonly kind: 'result'; readonly result: McpToolResult }
  | { readonly kind: 'no_such_tool' }
  | OpenPage

export interface McpSurfaceDeps {
  readonly api: GatewayApi
  readonly contexts: McpContexts
  readonly sha256: Sha256
  /** Where the approval pages are, without a slash at its end. */
  readonly hostOrigin: string
  readonly holdMs: number
}

/** What `/v1/mcp` offers, apart from how MCP is spoken. */
export class McpSurface {
  readonly #deps: McpSurfaceDeps

  constructor(deps: McpSurfaceDeps) {
    this.#deps = deps
  }

  /** Whether a caller has that bundle; the others get the answer for an unknown one. */
  hasBundle(caller: Caller, bundle: string): boolean {
    return this.#deps.api.bundles(caller).some(({ id }) => id === bundle)
  }

  list(scope: McpScope): readonly McpTool[] {
    const listed = scope.bundle ?? scope.narrowed
    const governed = listed === null ? [] : bundleTools(this.#deps.api.tools(scope.caller), listed)
    return scope.bundle === null
      ? [...DISCOVERY_TOOLS, STATUS_TOOL, ...governed]
      : [...governed, STATUS_TOOL]
  }

  async call(scope: McpScope, call: McpCall): Promise<McpAnswer> {
    if (call.name === STATUS_TOOL.name) return answer(await this.#status(scope.caller, call))
    if (scope.bundle !== null) return this.#governed(scope, call, scope.bundle)
    if (call.name === 'list_bundles') return answer(this.#bundles(scope.caller))
    if (call.name === 'switch_context') return answer(await this.#switchContext(scope, call))
    if (call.name === 'call_tool') return this.#callInContext(scope, call)
    if (scope.narrowed !== null) return this.#governed(scope, call, scope.narrowed)
    return { kind: 'no_such_tool' }
  }

  #bundles(caller: Caller): McpToolResult {
    const bundles = this.#deps.api.bundles(caller).map((bundle) => ({
      bundle: bundle.id,
      title: visibleText(bundle.title),
      description: visibleText(bundle.description),
    }))
    return valueResult({ bundles })
  }

  async #switchContext(scope: McpScope, call: McpCall): Promise<McpToolResult> {
    const bundle = call.arguments['bundle']
    if (typeof bundle !== 'string' || !this.hasBundle(scope.caller, bundle)) {
      return errorResult('unknown_bundle', 'There is no such bundle. Call list_bundles.')
    }
    const context = this.#deps.contexts.open(scope.caller.principal, bundle)
    await scope.narrow?.(bundle)
    const tools = bundleTools(this.#deps.api.tools(scope.caller), bundle)
    return valueResult({
      context: context.handle,
      expires_at: context.expires_at,
      tools: tools.map(toolJson),
    })
  }

  async #callInContext(scope: McpScope, call: McpCall): Promise<McpAnswer> {
    const { context, tool, arguments: given = {} } = call.arguments
    const args = asObject(given)
    if (typeof context !== 'string' || typeof tool !== 'string' || args === undefined) {
      return answer(
        errorResult('arguments_invalid', 'call_tool takes {context, tool, arguments: {…}}.'),
      )
    }
    const found = this.#deps.contexts.find(scope.caller.principal, context)
    if (found === undefined) {
      return answer(
        errorResult(
          'unknown_context',
          'The context is unknown or has expired. Call switch_context again and use the context it returns.',
        ),
      )
    }
    const inner = { ...call, name: tool, arguments: args }
    const answered = await this.#governed(scope, inner, found.bundle)
    return answered.kind === 'no_such_tool' ? answer(refusalResult('unknown_tool')) : answered
  }

  async #governed(scope: McpScope, call: McpCall, bundle: string): Promise<McpAnswer> {
    const tool = findTool(this.#deps.api.tools(scope.caller), bundle, call.name)
    if (tool === undefined) return { kind: 'no_such_tool' }
    const id = tool.contract.id
    const digest = hashText(this.#deps.sha256, `${id}\n${canonicalize(call.arguments)}`)
    if (call.resume !== undefined) return answer(await this.#resume(scope.caller, call, digest))
    return call.opensPages
      ? this.#proposeWithPage(scope.caller, call, { id, digest })
      : answer(outcomeResult(await this.#propose(scope.caller, call, id, this.#hold(call))))
  }

  #propose(caller: Caller, call: McpCall, tool: string, hold: Hold): Promise<CallOutcome> {
    return this.#deps.api.propose(
      caller,
      { tool, arguments: call.arguments, client_key: null },
      hold,
    )
  }

  /** The action is stored before the page is named; only what waits for a person is sent there. */
  async #proposeWithPage(
    caller: Caller,
    call: McpCall,
    tool: { readonly id: string; readonly digest: string },
  ): Promise<McpAnswer> {
    const { api, hostOrigin } = this.#deps
    const stored = await this.#propose(caller, call, tool.id, { ms: 0, signal: call.signal })
    if (!stored.ok) return answer(outcomeResult(stored))
    const view = stored.value
    if (view.status === 'pending_approval') {
      return {
        kind: 'open_page',
        url: `${hostOrigin}/approvals/${view.action_id}`,
        message: `A person has to approve ${view.tool}. Opening the page approves nothing by itself.`,
        state: `${view.action_id}.${tool.digest}`,
      }
    }
    if (view.poll_after_s === null) return answer(mcpResult(view))
    return answer(outcomeResult(await api.get(caller, view.action_id, this.#hold(call))))
  }

  /**
   * The client comes back with a state that it could have made up: it names one of the caller's own
   * actions, which `get` checks, and the call that it was for, which the digest checks. It approves
   * nothing and starts nothing.
   */
  async #resume(caller: Caller, call: McpCall, digest: string): Promise<McpToolResult> {
    const [id = '', ...rest] = (call.resume ?? '').split('.')
    const action = parseActionId(id)
    if (!action.ok || rest.join('.') !== digest) {
      return errorResult('request_state', 'The requestState does not belong to this call.')
    }
    const hold = call.opened ? this.#hold(call) : { ms: 0 }
    return outcomeResult(await this.#deps.api.get(caller, action.value, hold))
  }

  async #status(caller: Caller, call: McpCall): Promise<McpToolResult> {
    const id = call.arguments['action_id']
    const action = parseActionId(typeof id === 'string' ? id : '')
    if (!action.ok) return refusalResult('unknown_action')
    return outcomeResult(await this.#deps.api.get(caller, action.value, this.#hold(call)))
  }

  #hold(call: McpCall): Hold {
    const { onWaiting, signal } = call
    return { ms: this.#deps.holdMs, signal, ...(onWaiting === undefined ? {} : { onWaiting }) }
  }
}

function answer(result: McpToolResult): McpAnswer {
  return { kind: 'result', result }
}

function outcomeResult(outcome: CallOutcome): McpToolResult {
  return outcome.ok ? mcpResult(outcome.value) : refusalResult(outcome.reason, outcome.detail)
}

function toolJson(tool: McpTool): JsonObject {
  // A listed tool is JSON through and through: contracts come out of the strict parser.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return tool as unknown as { readonly [name: string]: Json }
}
