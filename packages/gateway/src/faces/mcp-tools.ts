import { isJsonObject, type Json, type JsonObject, type ToolContract } from '@trustgw/protocol'
import type { VisibleTool } from '../gateway-api.ts'
import { visibleObject, visibleText } from './visible-text.ts'

/** A tool as MCP lists it. */
export interface McpTool {
  readonly name: string
  readonly title?: string
  readonly description: string
  readonly inputSchema: { readonly type: 'object'; readonly [name: string]: unknown }
  readonly annotations: {
    readonly readOnlyHint: boolean
    readonly destructiveHint: boolean
    readonly idempotentHint?: boolean
  }
}

const NAME = /^[A-Za-z0-9_.-]{1,128}$/
const ESCAPED = /[^A-Za-z0-9.]/g
const ESCAPE_PREFIX = 'x--'
const NAME_MAX_CHARS = 128

/**
 * The MCP name of a tool id. Ids that MCP allows and that hold a dot stay as they are; others (and
 * those that look escaped, or could be taken for a tool of the gateway's own) are escaped, so that
 * two ids never share a name. Undefined: the name would be too long, so the tool is not listed.
 */
export function mcpToolName(id: string): string | undefined {
  if (NAME.test(id) && id.includes('.') && !id.startsWith(ESCAPE_PREFIX)) return id
  const escaped = id.replaceAll(
    ESCAPED,
    (unit) => `-${unit.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  const name = `${ESCAPE_PREFIX}${escaped}`
  return name.length <= NAME_MAX_CHARS ? name : undefined
}

/** The tool of that MCP name (or id) among those of a bundle. */
export function findTool(
  tools: readonly VisibleTool[],
  bundle: string,
  name: string,
): VisibleTool | undefined {
  return tools.find(
    ({ contract }) =>
      contract.bundle === bundle && (contract.id === name || mcpToolName(contract.id) === name),
  )
}

/** The tools of a bundle in a fixed order (a list that moves spoils clients' caches). */
export function bundleTools(tools: readonly VisibleTool[], bundle: string): readonly McpTool[] {
  return tools
    .filter(({ contract }) => contract.bundle === bundle)
    .flatMap(({ contract }) => {
      const name = mcpToolName(contract.id)
      return name === undefined ? [] : [mcpTool(name, contract)]
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * No output schema is declared: every governed call may answer `pending_approval` instead, which
 * clients that check results against the schema would refuse.
 */
function mcpTool(name: string, contract: ToolContract): McpTool {
  return {
    name,
    ...(contract.title === '' ? {} : { title: visibleText(contract.title) }),
    description: visibleText(contract.description),
    inputSchema: listedSchema(contract.input_schema),
    annotations: {
      readOnlyHint: contract.operation === 'read',
      destructiveHint: contract.operation === 'delete' || contract.operation === 'transfer',
    },
  }
}

/**
 * The schema as clients can read it: an object at its root, no boolean schemas among the properties
 * (older clients refuse the whole list for one), hidden characters made visible, and no
 * `x-mcp-header`, since the gateway does not take arguments from headers.
 */
function listedSchema(schema: JsonObject): McpTool['inputSchema'] {
  const seen = visibleObject(withoutHeaders(schema))
  const properties = seen['properties']
  return {
    ...seen,
    ...(properties !== undefined && isJsonObject(properties)
      ? { properties: objectSchemas(properties) }
      : {}),
    type: 'object',
  }
}

function objectSchemas(properties: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(properties).map(([name, schema]): [string, Json] => {
      if (schema === true) return [name, {}]
      return schema === false ? [name, { not: {} }] : [name, schema]
    }),
  )
}

function withoutHeaders(schema: JsonObject): JsonObject {
  const properties = schema['properties']
  if (properties === undefined || !isJsonObject(properties)) return schema
  const cleaned = Object.entries(properties).map(([name, property]): [string, Json] => {
    if (!isJsonObject(property) || !Object.hasOwn(property, 'x-mcp-header')) return [name, property]
    const { 'x-mcp-header': _, ...rest } = property
    return [name, rest]
  })
  return { ...schema, properties: Object.fromEntries(cleaned) }
}
