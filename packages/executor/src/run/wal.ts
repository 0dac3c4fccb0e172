import {
  type ActionId,
  actionIdField,
  canonicalize,
  countField,
  type GrantId,
  grantIdField,
  type Hash,
  hashField,
  msField,
  nameField,
  objectShape,
  oneOfShape,
  parseJson,
  readShape,
  type Shape,
  type TenantId,
  taggedShape,
  tenantField,
} from '@trustgw/protocol'
import {
  atomicWriteFile,
  type Disk,
  type DiskHandle,
  nodeDisk,
  SECRET_FILE_MODE,
  SyncedAppender,
} from '@trustgw/runtime'

/** Everything by which the end of a run can be found out, and nothing that is secret. */
export interface ClaimEntry {
  readonly kind: 'claiming'
  readonly action_id: ActionId
  readonly tenant: TenantId
  readonly jti: GrantId
  /** The attempt id under which nonce and journal are claimed. */
  readonly attempt: string
  readonly grant_hash: Hash
  readonly input_hash: Hash
  readonly tool: string
  readonly idempotency_key: Hash
  readonly at: number
}

type WalEntry =
  | ClaimEntry
  /** The claim may be ours; the tool was not entered, and the action may come again. */
  | { readonly kind: 'held'; readonly action_id: ActionId }
  /** The tool is about to be entered once more, under the same key. */
  | { readonly kind: 'again'; readonly action_id: ActionId; readonly times: number }
  /** Nothing is open any more: its result is stored, or the claim was another's. */
  | { readonly kind: 'ended'; readonly action_id: ActionId }

const entryShape: Shape<WalEntry> = taggedShape('kind', {
  claiming: objectShape({
    kind: oneOfShape('claiming'),
    action_id: actionIdField,
    tenant: tenantField,
    jti: grantIdField,
    attempt: nameField,
    grant_hash: hashField,
    input_hash: hashField,
    tool: nameField,
    idempotency_key: hashField,
    at: msField,
  }),
  held: objectShape({ kind: oneOfShape('held'), action_id: actionIdField }),
  again: objectShape({ kind: oneOfShape('again'), action_id: actionIdField, times: countField }),
  ended: objectShape({ kind: oneOfShape('ended'), action_id: actionIdField }),
})

/** What an earlier process left open. */
export interface WalRemains {
  /** The tool may have been entered. */
  readonly entered: readonly ClaimEntry[]
  /** The tool was not entered. */
  readonly held: readonly ClaimEntry[]
}

/** A held claim that nobody came back for is forgotten after this; it stays claimed. */
export const HELD_MAX_MS = 86_400_000
const WAL_LINE_MAX_BYTES = 4_096

/** This executor's own record of what it entered; every line is on disk before it counts. */
export class Wal {
  readonly #file: SyncedAppender

  private constructor(file: SyncedAppender) {
    this.#file = file
  }

  /** Reads what is open, and begins a file that holds only that. Throws `FileFault`. */
  static async open(
    path: string,
    nowMs: number,
    disk: Disk = nodeDisk,
  ): Promise<{ wal: Wal; remains: WalRemains }> {
    const remains = readRemains(await readLines(path, disk), nowMs)
    const lines = [
      ...remains.entered.map(lineOf),
      ...remains.held.flatMap((entry) => [
        lineOf(entry),
        lineOf({ kind: 'held', action_id: entry.action_id }),
      ]),
    ]
    const text = lines.map((line) => `${line}\n`).join('')
    await atomicWriteFile(path, text, { mode: SECRET_FILE_MODE, disk })
    return { wal: new Wal(await SyncedAppender.open(path, disk)), remains }
  }

  async claiming(entry: ClaimEntry): Promise<void> {
    await this.#file.append(lineOf(entry))
  }

  async held(action_id: ActionId): Promise<void> {
    await this.#file.append(lineOf({ kind: 'held', action_id }))
  }

  async again(action_id: ActionId, times: number): Promise<void> {
    await this.#file.append(lineOf({ kind: 'again', action_id, times }))
  }

  async ended(action_id: ActionId): Promise<void> {
    await this.#file.append(lineOf({ kind: 'ended', action_id }))
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

function lineOf(entry: WalEntry): string {
  return canonicalize({ ...entry })
}

async function readLines(path: string, disk: Disk): Promise<readonly string[]> {
  let file: DiskHandle
  try {
    file = await disk.open(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
  try {
    return new TextDecoder().decode(await file.readFile()).split('\n')
  } finally {
    await file.close()
  }
}

function readRemains(lines: readonly string[], nowMs: number): WalRemains {
  const open = new Map<ActionId, { readonly entry: ClaimEntry; readonly held: boolean }>()
  for (const line of lines) {
    const entry = readLine(line)
    if (entry === undefined) continue
    if (entry.kind === 'claiming') {
      open.set(entry.action_id, { entry, held: false })
    } else if (entry.kind === 'ended') {
      open.delete(entry.action_id)
    } else if (entry.kind === 'held') {
      const known = open.get(entry.action_id)
      if (known !== undefined) open.set(entry.action_id, { ...known, held: true })
    }
  }
  const all = [...open.values()]
  return {
    entered: all.filter(({ held }) => !held).map(({ entry }) => entry),
    held: all
      .filter(({ held, entry }) => held && entry.at + HELD_MAX_MS > nowMs)
      .map(({ entry }) => entry),
  }
}

/** A torn line was never acknowledged, so nothing was done on it. */
function readLine(line: string): WalEntry | undefined {
  const parsed = parseJson(line, { maxBytes: WAL_LINE_MAX_BYTES })
  const read = parsed.ok ? readShape(entryShape, parsed.value) : parsed
  return read.ok ? read.value : undefined
}
