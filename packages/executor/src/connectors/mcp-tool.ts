import { asObject, type Json, type JsonObject } from '@trustgw/protocol'
import type { McpTool } from './mcp-client.ts'

/** Also what a tool id allows after the connector's name. */
const TOOL_NAME = /^[A-Za-z0-9_-]{1,64}$/

/** One element of an upstream's `tools/list`. Undefined when it has not the form of a tool. */
export function readTool(value: Json): McpTool | undefined {
  const tool = asObject(value)
  const name = tool?.['name']
  if (tool === undefined || typeof name !== 'string' || !TOOL_NAME.test(name)) return undefined
  const title = optionalText(tool['title'])
  const description = optionalText(tool['description'])
  const input = objectOf(tool['inputSchema'])
  const output = objectOf(tool['outputSchema'])
  if (title === undefined || description === undefined) return undefined
  if (input === undefined || input === null || output === undefined) return undefined
  const hints = readHints(tool['annotations'])
  const shown = { title: title ?? hints.title, description: description ?? '' }
  const { read_only_hint, destructive_hint } = hints
  const schemas = { input_schema: input, output_schema: output }
  return { name, ...shown, ...schemas, read_only_hint, destructive_hint }
}

/** Hints of a wrong form count as absent: they can only raise a risk. */
function readHints(
  value: Json | undefined,
): Pick<McpTool, 'title' | 'read_only_hint' | 'destructive_hint'> {
  const hints = objectOf(value) ?? {}
  return {
    title: optionalText(hints['title']) ?? null,
    read_only_hint: flagOf(hints['readOnlyHint']),
    destructive_hint: flagOf(hints['destructiveHint']),
  }
}

/** Null where it is absent, undefined where it is not an object. */
function objectOf(value: Json | undefined): JsonObject | null | undefined {
  return value === undefined ? null : asObject(value)
}

/** Null where it is absent, undefined where it is not a text. */
function optionalText(value: Json | undefined): string | null | undefined {
  if (value === undefined) return null
  return typeof value === 'string' ? value : undefined
}

function flagOf(value: Json | undefined): boolean | null {
  return typeof value === 'boolean' ? value : null
}
