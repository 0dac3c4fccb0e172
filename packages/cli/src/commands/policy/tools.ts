import type { ToolFacts } from '@trustgw/core'
import {
  arrayShape,
  asObject,
  isJsonArray,
  type Json,
  readShape,
  type ToolContract,
  toolContractShape,
} from '@trustgw/protocol'
import { type Context, type Flag, flagText, InputFault } from '../../command.ts'
import { openData, registeredTools } from '../../install/data.ts'
import { assertHere, tenantOf } from '../../install/install.ts'
import { readJson } from './sources.ts'

const TOOLS_MAX_BYTES = 33_554_432
const TOOLS_MAX = 8_192

export const TOOLS_FLAG: { readonly [name: string]: Flag } = {
  tools: { type: 'string', value: 'FILE', text: 'what "tool list --json" printed' },
}

/** Registered tools, and where they are from. */
export interface KnownTools {
  readonly from: 'file' | 'registry' | 'none'
  readonly tools: readonly ToolContract[]
  /** Why there are none. */
  readonly why: string | null
}

/** The contracts in a file: an array, or an object with it under `tools`. */
export async function toolsOfFile(file: string): Promise<readonly ToolContract[]> {
  const { source, value } = await readJson(file, TOOLS_MAX_BYTES)
  const listed: Json = asObject(value)?.['tools'] ?? value
  if (!isJsonArray(listed)) {
    throw new InputFault('not_tools', `${source.file}: expected what "tool list --json" prints`)
  }
  const read = readShape(arrayShape(toolContractShape, { max: TOOLS_MAX }), listed)
  if (read.ok) return read.value
  throw new InputFault('not_tools', `${source.file}: no list of contracts (${read.detail ?? ''})`)
}

/** The tools that the flag names, else those of the running installation, else none. */
export async function knownTools(context: Context): Promise<KnownTools> {
  const file = flagText(context, 'tools')
  if (file !== undefined) return { from: 'file', tools: await toolsOfFile(file), why: null }
  try {
    const settings = await context.settings()
    await assertHere(settings)
    const link = await openData(settings)
    try {
      const tools = await registeredTools(link, settings, tenantOf(settings))
      return { from: 'registry', tools, why: null }
    } finally {
      await link.bus.drain()
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    return { from: 'none', tools: [], why: WHY.get(String(error.code)) ?? error.message }
  }
}

const WHY: ReadonlyMap<string, string> = new Map([
  ['not_installed', 'no installation here'],
  ['bus_unreachable', 'the installation is not running'],
])

export const factsOfTool = (contract: ToolContract): ToolFacts => ({
  id: contract.id,
  operation: contract.operation,
  category: contract.category,
  tags: contract.tags,
  bundle: contract.bundle,
  amount: contract.amount,
  input_schema: contract.input_schema,
})
