import { isFinal } from '@trustgw/core'
import { type ActionRecord, readActionRecord } from '@trustgw/gateway'
import { TENANT } from './installation.ts'
import type { Room } from './processes.ts'

export interface States {
  readonly records: readonly ActionRecord[]
  readonly counts: { readonly [state: string]: number }
  /** Those that neither ended nor wait for a person. */
  readonly open: readonly ActionRecord[]
  /** Ids that stand among the open ones although their action ended, or never came to be. */
  readonly left: readonly string[]
}

/** Every action that is stored. */
export async function readStates({ direct }: Room): Promise<States> {
  const actions = direct.records({ home: 'data', bucket: 'actions' })
  const records: ActionRecord[] = []
  for (const { key, value } of await actions.list(TENANT)) {
    if (!key.startsWith(`${TENANT}.a_`)) continue
    const read = readActionRecord(value)
    if (!read.ok) throw new TypeError(`${key}: ${read.reason}`)
    records.push(read.value)
  }
  const counts: Record<string, number> = {}
  for (const { state } of records) counts[state.kind] = (counts[state.kind] ?? 0) + 1
  const entries = await direct.records({ home: 'data', bucket: 'open_actions' }).list(TENANT)
  const waiting = new Set<string>(
    records.filter(({ state }) => !isFinal(state)).map(({ proposal }) => proposal.action_id),
  )
  const left = entries
    .map(({ value }) => Buffer.from(value).toString())
    .filter((id) => !waiting.has(id))
  const open = records.filter(({ state }) => !isFinal(state) && state.kind !== 'needs_human')
  return { records, counts, open, left }
}
