import { createHash } from 'node:crypto'
import {
  contractJson,
  hashJson,
  type JsonObject,
  OPERATIONS,
  type Operation,
  type Profile,
  readShape,
  type ToolContract,
  toolContractShape,
  UNDECLARED_OPERATION,
} from '@trustgw/protocol'
import type { SchemaCompiler } from '@trustgw/runtime'
import type { ConnectorManifest, HttpManifest, HttpTool, ToolDeclaration } from './manifest.ts'
import type { McpTool } from './mcp-client.ts'

export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** What annotations say raises the declared risk; they never lower it (traps: guessed operations). */
export function raiseOperation(declared: Operation | undefined, tool: McpTool): Operation {
  const operation = declared ?? UNDECLARED_OPERATION
  if (tool.read_only_hint === true) return operation
  const atLeast: Operation =
    tool.destructive_hint === true ? 'delete' : tool.read_only_hint === false ? 'create' : 'read'
  return OPERATIONS.indexOf(operation) >= OPERATIONS.indexOf(atLeast) ? operation : atLeast
}

export interface ContractSource {
  readonly manifest: ConnectorManifest
  readonly profile: Profile
  readonly version: string
  readonly digest: string
}

/** The contract of an upstream's tool: its own words, our operation. */
export function mcpContract(
  source: ContractSource,
  tool: McpTool,
  declared: ToolDeclaration | undefined,
): ToolContract {
  const { manifest } = source
  const operation = raiseOperation(declared?.operation, tool)
  // What may be repeated as a read is none any more when the upstream says that it changes something.
  const { idempotent: _, ...rest } = declared ?? {}
  return {
    ...common(source, tool.name, operation === 'read' ? (declared ?? {}) : rest),
    title: (tool.title ?? tool.name).slice(0, 200),
    description: tool.description,
    input_schema: tool.input_schema,
    output_schema: tool.output_schema,
    operation,
    egress: manifest.kind === 'stdio' ? (manifest.egress ?? []) : [],
  }
}

export function httpContract(
  source: ContractSource & { readonly manifest: HttpManifest },
  name: string,
  tool: HttpTool,
): ToolContract {
  return {
    ...common(source, name, tool),
    title: tool.title,
    description: tool.description,
    input_schema: tool.input_schema,
    output_schema: tool.output_schema ?? null,
    operation: tool.operation ?? UNDECLARED_OPERATION,
    egress: [new URL(source.manifest.base_url).host],
  }
}

type Common = Omit<
  ToolContract,
  'title' | 'description' | 'input_schema' | 'output_schema' | 'operation' | 'egress'
>

function common(source: ContractSource, name: string, tool: ToolDeclaration): Common {
  const { manifest } = source
  return {
    id: `${manifest.id}.${name}`,
    version: source.version,
    category: tool.category ?? null,
    bundle: manifest.id,
    tags: tool.tags ?? [],
    skill_level: tool.skill_level ?? null,
    amount: tool.amount ?? { kind: 'none' },
    precondition: null,
    profile: source.profile,
    credential_ref: manifest.credential,
    digest: source.digest,
    ...(tool.idempotent === true ? { idempotent: true } : {}),
  }
}

/** Hash of a JSON description of code or endpoint. */
export function digestOf(description: JsonObject): string {
  return hashJson(sha256Hex, description)
}

export type ContractProblem = 'contract_malformed' | 'input_schema' | 'output_schema'

/** Undefined when the contract may be served: its wire form holds and its schemas compile. */
export function contractProblem(
  contract: ToolContract,
  schemas: SchemaCompiler,
): ContractProblem | undefined {
  if (!readShape(toolContractShape, contractJson(contract)).ok) return 'contract_malformed'
  if (!schemas.compile(contract.input_schema).ok) return 'input_schema'
  const output = contract.output_schema
  return output !== null && !schemas.compile(output).ok ? 'output_schema' : undefined
}
