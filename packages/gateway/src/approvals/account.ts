import { factsFromRecord } from '@trustgw/core'
import {
  type ApprovalRequest,
  CHAIN_TOOLS_MAX,
  isJsonArray,
  isJsonObject,
  type Json,
  ORIGIN_POINTER_MAX_CHARS,
  ORIGINS_MAX,
  ORIGINS_OF_ONE_MAX,
  type Origins,
} from '@trustgw/protocol'
import { type ActionRecord, argumentsOf } from '../action/action-record.ts'
import { VALUE_MIN_CHARS } from '../limits/provenance.ts'

/** Results that are searched for one card, in UTF-16 units of their JSON text; the newest first. */
const SEARCH_MAX_CHARS = 1_048_576
/** A longer value is not searched for. */
const VALUE_MAX_CHARS = 8_192

/**
 * What people are told of how a call came about (spec/protocol.md §3): where its values came from and
 * which calls went before. What policy found for its decision, and beside it what the calls in memory
 * show: that a value occurs in a result is certain, that it occurs in none is not, and is not said.
 */
export function accountOf(
  record: ActionRecord,
  before: readonly ActionRecord[],
): Pick<ApprovalRequest, 'origins' | 'chain'> {
  const { chain, provenance } = factsFromRecord(record.decision)
  const origins = originsIn(argumentsOf(record.proposal), resultTexts(before), provenance)
  const depth = chain?.depth ?? before.length
  const tools = before.slice(-CHAIN_TOOLS_MAX).map(({ proposal }) => proposal.tool_id)
  const isKnown = chain !== undefined && chain !== null
  return {
    ...(origins.length === 0 ? {} : { origins }),
    ...(depth === 0 && !isKnown ? {} : { chain: { depth, tools, complete: isKnown } }),
  }
}

function originsIn(
  args: Json,
  results: readonly ResultText[],
  known: ReadonlyMap<string, readonly string[]> = new Map(),
): Origins {
  const origins: Origins[number][] = []
  for (const { pointer, value } of leaves(args, '')) {
    if (origins.length === ORIGINS_MAX) break
    if (pointer.length > ORIGIN_POINTER_MAX_CHARS) continue
    const found = known.get(pointer) ?? foundIn(results, value)
    if (found.length > 0) origins.push({ pointer, origins: found })
  }
  return origins
}

interface ResultText {
  readonly tool: string
  readonly text: string
}

function resultTexts(before: readonly ActionRecord[]): readonly ResultText[] {
  const texts: ResultText[] = []
  let left = SEARCH_MAX_CHARS
  for (const { result, proposal } of before.toReversed()) {
    if (result === null) continue
    const text = JSON.stringify(result.output)
    left -= text.length
    if (left < 0) break
    texts.push({ tool: proposal.tool_id, text })
  }
  return texts
}

function foundIn(results: readonly ResultText[], value: Json): Origins[number]['origins'] {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  if (Array.from(text.slice(0, VALUE_MIN_CHARS * 2)).length < VALUE_MIN_CHARS) return []
  if (text.length > VALUE_MAX_CHARS) return []
  const inJson = JSON.stringify(text).slice(1, -1)
  const tools = results.filter((one) => one.text.includes(inJson)).map(({ tool }) => tool)
  return [...new Set(tools)]
    .slice(0, ORIGINS_OF_ONE_MAX)
    .map((tool) => `tool_result:${tool}`)
    .sort()
}

function* leaves(value: Json, pointer: string): Generator<{ pointer: string; value: Json }> {
  if (isJsonArray(value)) {
    for (const [at, item] of value.entries()) yield* leaves(item, `${pointer}/${at}`)
  } else if (isJsonObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      yield* leaves(member, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    }
  } else yield { pointer, value }
}
