import { asObject, type Json, type JsonObject } from '@trustgw/protocol'
import type { McpTool } from './mcp-client.ts'

/** Also what a tool id allows after the connector's name. */
const TOOL_NAME = /^[A-Za-z0-9_-]{1,64}$/

/** One element of an upstream's `tools/list`. Undefined when it has not the form of a tool. */
export function readTool(value: Json): McpTool | undefined {
  const tool = asObject(value)
  if (tool === undefined) return undefined
  const { name, title, description, inputSchema, outputSchema, annotations } = tool
  if (typeof name !== 'string' || !TOOL_NAME.test(name)) return undefined
  if (description !== undefined && typeof description !== 'string') return undefined
  if (title !== undefined && typeof title !== 'string') return undefined
  const input = objectOf(inputSchema)
  const output = objectOf(outputSchema)
  if (input === undefined || input === null || output === undefined) return undefined
  const hints = objectOf(annotations) ?? {}
  return {
    name,
    title: title ?? textOf(hints['title']),
    description: description ?? '',
    input_schema: input,
    output_schema: output,
    read_only_hint: flagOf(hints['readOnlyHint']),
    destructive_hint: flagOf(hints['destructiveHint']),
  }
}

/** Null where it is absent, undefined where it is not an object. */
function objectOf(value: Json | undefined): JsonObject | null | undefined {
  return value === undefined ? null : asObject(value)
}

function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null
}

function flagOf(value: Json | undefined): boolean | null {
  return typeof value === 'boolean' ? value : null
}
