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
/** A file that grew by so much is written anew with what is open: whoever starts can read it. */
export const WAL_GROWS_MAX_BYTES: number = 1024 * 1024

/** What was claimed and has not ended. */
type OpenEntries = Map<ActionId, { readonly entry: ClaimEntry; readonly held: boolean }>

/** This executor's own record of what it entered; every line is on disk before it counts. */
export class Wal {
  readonly #path: string
  readonly #disk: Disk
  /** As the lines say that are on disk. */
  readonly #open: OpenEntries
  readonly #appending = new Set<Promise<void>>()
  #file: SyncedAppender
  #grown = 0
  #renewing: Promise<void> | undefined

  private constructor(of: {
    readonly path: string
    readonly disk: Disk
    readonly open: OpenEntries
    readonly file: SyncedAppender
  }) {
    this.#path = of.path
    this.#disk = of.disk
    this.#open = of.open
    this.#file = of.file
  }

  /** Reads what is open, and begins a file that holds only that. Throws `FileFault`. */
  static async open(
    path: string,
    nowMs: number,
    disk: Disk = nodeDisk,
  ): Promise<{ wal: Wal; remains: WalRemains }> {
    const open = readOpen(await readFile(path, disk), nowMs)
    await atomicWriteFile(path, textOf(open), { mode: SECRET_FILE_MODE, disk })
    const file = await SyncedAppender.open(path, disk)
    const all = [...open.values()]
    const remains = {
      entered: all.filter(({ held }) => !held).map(({ entry }) => entry),
      held: all.filter(({ held }) => held).map(({ entry }) => entry),
    }
    return { wal: new Wal({ path, disk, open, file }), remains }
  }

  async claiming(entry: ClaimEntry): Promise<void> {
    await this.#append(entry)
  }

  async held(action_id: ActionId): Promise<void> {
    await this.#append({ kind: 'held', action_id })
  }

  async again(action_id: ActionId, times: number): Promise<void> {
    await this.#append({ kind: 'again', action_id, times })
  }

  async ended(action_id: ActionId): Promise<void> {
    await this.#append({ kind: 'ended', action_id })
  }

  async close(): Promise<void> {
    await this.#renewing
    await this.#file.close()
  }

  async #append(entry: WalEntry): Promise<void> {
    while (this.#renewing !== undefined) await this.#renewing
    const line = lineOf(entry)
    const work = this.#file.append(line).then(() => take(this.#open, entry))
    this.#appending.add(work)
    try {
      await work
    } finally {
      this.#appending.delete(work)
    }
    this.#grown += line.length
    if (this.#grown < WAL_GROWS_MAX_BYTES || this.#renewing !== undefined) return
    this.#renewing = this.#renew().finally(() => {
      this.#renewing = undefined
    })
  }

  /** Never rejects: what cannot be written anew stays as it is, and is tried again when it grew more. */
  async #renew(): Promise<void> {
    await Promise.allSettled(this.#appending)
    this.#grown = 0
    try {
      await this.#file.close()
      const options = { mode: SECRET_FILE_MODE, disk: this.#disk }
      await atomicWriteFile(this.#path, textOf(this.#open), options)
    } catch {
      // The old file has every line still.
    }
    try {
      this.#file = await SyncedAppender.open(this.#path, this.#disk)
    } catch {
      // The closed one takes nothing more, and says so to whoever appends.
    }
  }
}

function lineOf(entry: WalEntry): string {
  return canonicalize({ ...entry })
}

function textOf(open: OpenEntries): string {
  const lines = [...open.values()].flatMap(({ entry, held }) =>
    held ? [lineOf(entry), lineOf({ kind: 'held', action_id: entry.action_id })] : [lineOf(entry)],
  )
  return lines.map((line) => `${line}\n`).join('')
}

async function readFile(path: string, disk: Disk): Promise<Uint8Array> {
  let file: DiskHandle
  try {
    file = await disk.open(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return new Uint8Array()
    throw error
  }
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}

const NEWLINE = 0x0a

/** Line by line: a file may be longer than a text can be. */
function readOpen(bytes: Uint8Array, nowMs: number): OpenEntries {
  const open: OpenEntries = new Map()
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, from)
    const to = end < 0 ? bytes.length : end
    const entry = readLine(bytes.subarray(from, to))
    if (entry !== undefined) take(open, entry)
    from = to + 1
  }
  for (const [action, { entry, held }] of open)
    if (held && entry.at + HELD_MAX_MS <= nowMs) open.delete(action)
  return open
}

function take(open: OpenEntries, entry: WalEntry): void {
  if (entry.kind === 'claiming') {
    open.set(entry.action_id, { entry, held: false })
  } else if (entry.kind === 'ended') {
    open.delete(entry.action_id)
  } else if (entry.kind === 'held') {
    const known = open.get(entry.action_id)
    if (known !== undefined) open.set(entry.action_id, { ...known, held: true })
  }
}

/** A torn line was never acknowledged, so nothing was done on it. */
function readLine(line: Uint8Array): WalEntry | undefined {
  const parsed = parseJson(line, { maxBytes: WAL_LINE_MAX_BYTES })
  const read = parsed.ok ? readShape(entryShape, parsed.value) : parsed
  return read.ok ? read.value : undefined
}
