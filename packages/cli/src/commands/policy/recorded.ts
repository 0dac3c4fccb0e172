import { open } from 'node:fs/promises'
import {
  type ActionRecord,
  readActionRecord,
  writeActionRecord,
} from '@trustgw/gateway/action-records'
import { parseActionId, storedKey, type ToolContract, utf8Encode } from '@trustgw/protocol'
import { SECRET_FILE_MODE, sha256 } from '@trustgw/runtime'
import { type Context, flagText, InputFault, UsageFault } from '../../command.ts'
import { openData, registeredTools } from '../../install/data.ts'
import { assertHere, tenantOf } from '../../install/install.ts'
import { readLines } from './sources.ts'
import { toolsOfFile } from './tools.ts'

/** As an action is stored, at most; its arguments escape to no more than twice that. */
const LINE_MAX_CHARS = 2_097_152

/** One stored action, or why it cannot be read; `where` names it for people. */
export type RecordedAction =
  | { readonly ok: true; readonly record: ActionRecord }
  | { readonly ok: false; readonly where: string; readonly why: string }

export interface Recorded {
  /** As the report names it: the file, or `installation`. */
  readonly from: string
  readonly tools: readonly ToolContract[]
  readonly actions: AsyncIterable<RecordedAction>
}

function readAction(bytes: Uint8Array, where: string): RecordedAction {
  const read = readActionRecord(bytes)
  return read.ok
    ? { ok: true, record: read.value }
    : { ok: false, where, why: `${read.reason} ${read.detail ?? ''}`.trim() }
}

/** Gives the recorded actions to `use`, for as long as it takes: of `--from`, or of the installation. */
export async function withRecorded<T>(
  context: Context,
  use: (recorded: Recorded) => Promise<T>,
): Promise<T> {
  const file = flagText(context, 'from')
  if (file !== undefined) {
    const toolsFile = flagText(context, 'tools')
    const tools = toolsFile === undefined ? [] : await toolsOfFile(toolsFile)
    return use({ from: file, tools, actions: actionsOfFile(file) })
  }
  const settings = await context.settings()
  await assertHere(settings)
  const tenant = tenantOf(settings)
  const link = await openData(settings)
  try {
    const tools = await registeredTools(link, settings, tenant)
    // One tenant's actions at a time are held as bytes; each is parsed when it is its turn.
    const stored = await link.records({ home: 'own', bucket: 'actions' }).list(tenant)
    const actions = async function* (): AsyncGenerator<RecordedAction> {
      for (const { key, value } of stored) {
        if (key.startsWith(`${tenant}.a_`)) yield readAction(value, key)
      }
    }
    return await use({ from: 'installation', tools, actions: actions() })
  } finally {
    await link.bus.drain()
  }
}

/** One action of the running installation, with the tools registered now. */
export async function recordedAction(
  context: Context,
  id: string,
): Promise<{ readonly record: ActionRecord; readonly tools: readonly ToolContract[] }> {
  const settings = await context.settings()
  await assertHere(settings)
  const tenant = tenantOf(settings)
  if (!parseActionId(id).ok) throw new UsageFault(`"${id}" is no action id`)
  const link = await openData(settings)
  try {
    const key = `${tenant}.${storedKey(sha256, 'a', id)}`
    const stored = await link.records({ home: 'own', bucket: 'actions' }).get(key)
    if (stored === undefined) throw new InputFault('no_action', `there is no action ${id}`)
    const action = readAction(stored.value, id)
    if (!action.ok) throw new InputFault('unreadable', `${action.where}: ${action.why}`)
    return { record: action.record, tools: await registeredTools(link, settings, tenant) }
  } finally {
    await link.bus.drain()
  }
}

/** Hands on what it reads, and appends each action to a file that nobody else may read. */
export async function* saving(
  actions: AsyncIterable<RecordedAction>,
  file: string,
): AsyncGenerator<RecordedAction> {
  const out = await open(file, 'wx', SECRET_FILE_MODE)
  try {
    for await (const action of actions) {
      if (action.ok) await out.write(`${utf8Text(writeActionRecord(action.record))}\n`)
      yield action
    }
  } finally {
    await out.close()
  }
}

const utf8Text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

async function* actionsOfFile(file: string): AsyncGenerator<RecordedAction> {
  let line = 0
  for await (const text of readLines(file, LINE_MAX_CHARS)) {
    line += 1
    if (text.trim() === '') continue
    const action = readAction(utf8Encode(text), `${file}:${line}`)
    // A line that is none at all: the file is not what was meant.
    if (!action.ok && line === 1) {
      throw new InputFault(
        'not_actions',
        `${file}:1 is not an action as it is stored (${action.why})`,
      )
    }
    yield action
  }
}
