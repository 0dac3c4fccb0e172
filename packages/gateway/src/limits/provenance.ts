/** Where the values of a call came from, as far as the gateway saw it (spec/policy.md). */
import { hashJson, isJsonArray, isJsonObject, type Json, type Sha256 } from '@trustgw/protocol'
import type { ActionRecord } from '../action/action-record.ts'
import type { Recalled } from '../action/action-store.ts'

/** Shorter values occur by chance. */
export const VALUE_MIN_CHARS = 8
/** Results that are searched for one decision, in UTF-16 units of their JSON text. */
const SEARCH_MAX_CHARS = 4_194_304

/** A value that may have an origin: a text, number, boolean or null. Lists and objects have none. */
export interface Traceable {
  readonly tool: string
  readonly pointer: string
  readonly value: string | number | boolean | null
}

export function isTraceable(value: Json | undefined): value is Traceable['value'] {
  return value !== undefined && !isJsonArray(value) && !isJsonObject(value)
}

/** What of earlier results is known. */
export interface EarlierResults {
  readonly found: readonly { readonly tool: string; readonly text: string }[]
  /** False when there was a result that could not be read: it may be the origin. */
  readonly complete: boolean
}

/**
 * The results of earlier calls as they were given to the agent. Whatever is over the bound of a
 * search counts as not read; the newest are read first.
 */
export function resultsOf(earlier: readonly Recalled[], sha256: Sha256): EarlierResults {
  const found: { tool: string; text: string }[] = []
  let complete = true
  let left = SEARCH_MAX_CHARS
  for (const record of earlier.toReversed()) {
    if (record === undefined) continue
    const text = record === 'unreadable' ? undefined : resultText(record, sha256)
    if (text === undefined || text.length > left) complete = false
    else if (record !== 'unreadable' && text !== '') {
      left -= text.length
      found.push({ tool: record.proposal.tool_id, text })
    }
  }
  return { found, complete }
}

/** Empty where the agent saw no result; undefined where one is not kept. */
function resultText({ result }: ActionRecord, sha256: Sha256): string | undefined {
  if (result === null) return ''
  return hashJson(sha256, result.output) === result.result_hash
    ? JSON.stringify(result.output)
    : undefined
}

/** Undefined: unknown, since it may stand in a result that was not read, whatever else was found. */
export function originsOf(
  { value }: Traceable,
  results: EarlierResults,
  firstSeen: boolean,
): readonly string[] | undefined {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  const origins: string[] = []
  if (Array.from(text).length >= VALUE_MIN_CHARS) {
    const inJson = JSON.stringify(text).slice(1, -1)
    const tools = results.found.filter((one) => one.text.includes(inJson)).map(({ tool }) => tool)
    origins.push(...new Set(tools.map((tool) => `tool_result:${tool}`)))
    // What was not read may be an origin too, and a rule that restricts by it must not be escaped.
    if (!results.complete) return undefined
  }
  if (firstSeen) origins.push('first_seen')
  return origins.length === 0 ? ['agent'] : origins.sort()
}
