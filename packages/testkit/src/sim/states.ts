import { isFinal } from '@trustgw/core'
import { type ActionRecord, readActionRecord } from '@trustgw/gateway/action-records'
import { storedKey } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
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
export async function readStates(room: Room): Promise<States> {
  const actions = room.direct.records({ home: 'data', bucket: 'actions' })
  const records = (await actions.list(TENANT)).flatMap(({ key, value }) =>
    key.startsWith(`${TENANT}.a_`) ? [recordOf(value)] : [],
  )
  const counts: Record<string, number> = {}
  for (const { state } of records) counts[state.kind] = (counts[state.kind] ?? 0) + 1
  const waiting = new Set<string>(
    records.filter(({ state }) => !isFinal(state)).map(({ proposal }) => proposal.action_id),
  )
  const left = (await openIds(room)).filter((id) => !waiting.has(id))
  return { records, counts, open: records.filter(isMoving), left }
}

/** Whether everything that is known to be open waits for a person. */
export async function isResting(room: Room): Promise<boolean> {
  const actions = room.direct.records({ home: 'data', bucket: 'actions' })
  for (const id of await openIds(room)) {
    const stored = await actions.get(`${TENANT}.${storedKey(sha256, 'a', id)}`)
    if (stored === undefined || recordOf(stored.value).state.kind !== 'needs_human') return false
  }
  return true
}

async function openIds({ direct }: Room): Promise<readonly string[]> {
  const entries = await direct.records({ home: 'data', bucket: 'open_actions' }).list(TENANT)
  return entries.map(({ value }) => Buffer.from(value).toString())
}

function recordOf(value: Uint8Array): ActionRecord {
  const read = readActionRecord(value)
  if (!read.ok) throw new TypeError(`a stored action cannot be read: ${read.reason}`)
  return read.value
}

function isMoving({ state }: ActionRecord): boolean {
  return !isFinal(state) && state.kind !== 'needs_human'
}
