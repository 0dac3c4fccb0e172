import {
  type ActionState,
  type ActionView,
  asObject,
  isJsonArray,
  isJsonObject,
  type Json,
  type JsonObject,
  utf8Length,
} from '@trustgw/protocol'
import type { CallRefusal } from '../gateway-api.ts'
import { retryAfter } from './problem.ts'

/** The blocks that pass as they are; any other comes as text. */
export type McpBlock =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image' | 'audio'; readonly data: string; readonly mimeType: string }

/** A result of `tools/call`, in the part of the vocabulary that both eras share. */
export interface McpToolResult {
  readonly content: readonly McpBlock[]
  readonly structuredContent?: JsonObject
  readonly isError?: boolean
  readonly _meta?: JsonObject
}

/** Largest result that is passed on; what is longer is cut, visibly. */
export const RESULT_MAX_BYTES = 1_048_576
const CUT_TEXT_CHARS = 65_536
const BLOCKS_MAX = 256

/** What a model is told while a person has not decided, or the tool has not ended. */
function unfinished(view: ActionView): McpToolResult {
  const pending = view.status === 'pending_approval'
  const until =
    view.expires_at === null
      ? ''
      : ` They can decide until ${new Date(view.expires_at).toISOString()}.`
  const state = pending
    ? `This call waits for the approval of a person.${until}`
    : `This call was accepted and has not ended yet.`
  const said = view.hint === null ? '' : ` ${view.hint}`
  const text = `${state}${said} Do not repeat the call: it would not be faster. Call get_action_status with action_id "${view.action_id}" to learn the outcome.`
  return {
    content: [{ type: 'text', text }],
    structuredContent: {
      status: view.status,
      action_id: view.action_id,
      expires_at: view.expires_at,
      poll_after_s: view.poll_after_s ?? 1,
      ...(view.hint === null ? {} : { hint: view.hint }),
    },
  }
}

/** The result of a governed call for a model (spec/protocol.md §8): its own output, or why there is none. */
export function mcpResult(view: ActionView): McpToolResult {
  const end = ENDS[view.status]
  if (end === 'output') {
    return { ...outputResult(view.result), _meta: { 'trustgw/action_id': view.action_id } }
  }
  return end === undefined ? unfinished(view) : failure(view, end)
}

/** How each state reads; those that are missing have not ended. */
const ENDS: { readonly [S in ActionState]?: string } = {
  succeeded: 'output',
  reconciled_succeeded: 'output',
  denied: 'Denied',
  refused: 'Refused',
  failed: 'Failed',
  reconciled_failed: 'Failed',
  cancelled: 'Cancelled',
  expired: 'Expired',
  unknown_outcome: 'Outcome unknown',
  needs_human: 'Outcome unknown',
}

function failure(view: ActionView, end: string): McpToolResult {
  const reason = view.reason ?? 'No reason was given.'
  const text = view.hint === null ? `${end}: ${reason}` : `${end}: ${reason}\n${view.hint}`
  const output = view.result === null ? [] : outputResult(view.result).content
  return {
    isError: true,
    content: [{ type: 'text', text }, ...output],
    structuredContent: {
      status: view.status,
      action_id: view.action_id,
      reason: view.reason,
      ...(view.hint === null ? {} : { hint: view.hint }),
    },
  }
}

/** A refusal that made no action. */
export function refusalResult(reason: CallRefusal, detail?: string): McpToolResult {
  const text = detail === undefined ? REFUSALS[reason] : `${REFUSALS[reason]} (${detail})`
  return errorResult(reason, text)
}

const REFUSALS: { readonly [R in CallRefusal]: string } = {
  unknown_tool: 'There is no such tool in this context.',
  tool_quarantined:
    'This tool has changed, and a person has to look at the change before it may be called. Do not repeat the call.',
  arguments_invalid: "The arguments do not fit the tool's schema.",
  arguments_too_large: 'The arguments are too large.',
  key_conflict: 'The idempotency key was used for another call.',
  too_many_pending:
    'Too many of your calls wait for a person. Nothing was accepted: wait until some are decided, or cancel some.',
  busy: 'Nothing was accepted: too much waits already. Try again in about 10 seconds, not at once.',
  unknown_action: 'There is no such action.',
  unavailable:
    'Nothing was accepted: a part that must decide or record is not reachable. Try again later.',
}

export function errorResult(code: string, text: string): McpToolResult {
  const retry = retryAfter(code)
  const structuredContent = { code, ...(retry === undefined ? {} : { retry_after_s: retry }) }
  return { isError: true, content: [{ type: 'text', text }], structuredContent }
}

export function valueResult(value: JsonObject): McpToolResult {
  return { content: [{ type: 'text', text: JSON.stringify(value) }], structuredContent: value }
}

/** A tool's own output: an MCP result passes block by block, anything else as JSON. */
function outputResult(output: Json): McpToolResult {
  const text = typeof output === 'string' ? output : JSON.stringify(output)
  if (utf8Length(text) > RESULT_MAX_BYTES) return cut(text)
  const object = asObject(output)
  if (object === undefined) return { content: [{ type: 'text', text }] }
  const content = object['content']
  if (content === undefined || !isJsonArray(content) || !isMcpResult(object)) {
    return { content: [{ type: 'text', text }], structuredContent: object }
  }
  const structured = object['structuredContent']
  return {
    content: content.slice(0, BLOCKS_MAX).map(block).concat(beyond(content)),
    ...(structured !== undefined && isJsonObject(structured)
      ? { structuredContent: structured }
      : {}),
    ...(object['isError'] === true ? { isError: true } : {}),
  }
}

const RESULT_MEMBERS = new Set(['content', 'structuredContent', 'isError', '_meta', 'resultType'])

function isMcpResult(output: JsonObject): boolean {
  const content = output['content']
  return (
    Object.keys(output).every((name) => RESULT_MEMBERS.has(name)) &&
    content !== undefined &&
    isJsonArray(content) &&
    content.every((item) => isJsonObject(item) && typeof item['type'] === 'string')
  )
}

function block(value: Json): McpBlock {
  const fields = asObject(value)
  if (fields !== undefined && Object.keys(fields).every((name) => BLOCK_MEMBERS.has(name))) {
    const { type, text, data, mimeType } = fields
    if (type === 'text' && typeof text === 'string') return { type, text }
    const media = type === 'image' || type === 'audio'
    if (media && isBase64(data) && typeof mimeType === 'string') return { type, data, mimeType }
  }
  return { type: 'text', text: JSON.stringify(value) }
}

const BLOCK_MEMBERS = new Set(['type', 'text', 'data', 'mimeType'])

function isBase64(value: Json | undefined): value is string {
  return typeof value === 'string' && value.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(value)
}

function beyond(content: readonly Json[]): McpBlock[] {
  const left = content.length - BLOCKS_MAX
  return left > 0 ? [{ type: 'text', text: `[${left} more blocks were left out]` }] : []
}

function cut(text: string): McpToolResult {
  const left = text.length - CUT_TEXT_CHARS
  const shown = text.slice(0, CUT_TEXT_CHARS).replace(/[\uD800-\uDBFF]$/, '')
  return { content: [{ type: 'text', text: `${shown}\n[cut: ${left} more characters]` }] }
}
