import { type CompiledLayers, type PolicyFacts, parseProposal, zonesOf } from '@trustgw/core'
import { readActionRecord } from '@trustgw/gateway/action-records'
import {
  asObject,
  type Json,
  type JsonObject,
  type ToolContract,
  utf8Encode,
} from '@trustgw/protocol'
import { localTimesOf } from '@trustgw/runtime'
import { InputFault } from '../../command.ts'
import { contractsOf, factsOfPast, pastOf } from './past.ts'
import { readJson, type Source } from './sources.ts'
import { factsOfTool } from './tools.ts'

const PROPOSAL_MAX_BYTES = 1_048_576
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/

/**
 * The facts of a proposal in a JSON file: what a `[[tests]]` table says, with `time` (RFC 3339) in
 * place of `local_times` where that is simpler; or an action as it is stored, with its decision.
 */
export async function readProposal(
  file: string,
  layers: CompiledLayers,
  tools: readonly ToolContract[],
): Promise<PolicyFacts> {
  const { source, value } = await readJson(file, PROPOSAL_MAX_BYTES)
  const members = asObject(value)
  if (members !== undefined && isStoredAction(members)) return storedFacts(source, layers, tools)
  return writtenFacts(source, value, { layers, tools })
}

const isStoredAction = (members: JsonObject): boolean =>
  members['proposal'] !== undefined && members['decision'] !== undefined

function storedFacts(
  source: Source,
  layers: CompiledLayers,
  tools: readonly ToolContract[],
): PolicyFacts {
  const record = readActionRecord(utf8Encode(source.text))
  if (!record.ok) {
    throw new InputFault(
      'not_a_proposal',
      `${source.file}: not an action as it is stored (${record.detail ?? record.reason})`,
    )
  }
  return factsOfPast(pastOf(record.value, contractsOf(tools), layers))
}

function writtenFacts(
  source: Source,
  value: Json,
  { layers, tools }: { readonly layers: CompiledLayers; readonly tools: readonly ToolContract[] },
): PolicyFacts {
  const { time, ...rest } = asObject(value) ?? {}
  const read = parseProposal(asObject(value) === undefined ? value : rest, tools.map(factsOfTool))
  if (!read.ok) {
    const lines = read.problems.map(({ pointer, message, nearest }) => {
      const meant = nearest === undefined ? '' : `; did you mean "${nearest}"?`
      return `${source.file}${pointer === '' ? '' : ` at ${pointer}`}: ${message}${meant}`
    })
    throw new InputFault('not_a_proposal', lines.join('\n'))
  }
  if (time === undefined) return read.value
  const time_ms = timeOf(source, time)
  if ((read.value.local_times?.size ?? 0) > 0) {
    throw new InputFault('not_a_proposal', `${source.file}: time or local_times, not both`)
  }
  return { ...read.value, time_ms, local_times: localTimesOf(zonesOf(layers), time_ms) }
}

function timeOf(source: Source, time: Json): number {
  const time_ms = typeof time === 'string' && RFC3339.test(time) ? Date.parse(time) : Number.NaN
  if (Number.isSafeInteger(time_ms)) return time_ms
  throw new InputFault(
    'not_a_proposal',
    `${source.file} at /time: expected a time such as "2026-01-31T09:30:00Z"`,
  )
}
