import { constants } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { CATALOGUE_ID } from './catalogue.ts'
import { type Answer, type LedgerEntry, parseEntry } from './ledger-entry.ts'
import { lockFolder } from './lock.ts'
import { ShopError } from './shop-error.ts'

const LEDGER_FILE = 'ledger.ndjson'
const MAX_LEDGER_BYTES = 256 * 1024 * 1024
const NEWLINE = 0x0a

/** The durable record. `append` resolves only after the line is on disk (fsync). */
export type Ledger = {
  readonly entries: () => readonly LedgerEntry[]
  /** One caller at a time. After a failure every later call throws `ledger_failed`. */
  readonly append: (answer: Answer) => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * Opens `<stateDir>/ledger.ndjson`, creating it when absent, and replays it. A last line without
 * its newline was never acknowledged and is cut off. Throws ShopError `ledger_corrupt` for any
 * other line that does not parse or is out of sequence, `state_in_use` when a live process holds
 * the folder.
 */
export async function openLedger(stateDir: string): Promise<Ledger> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 })
  const unlock = await lockFolder(stateDir)
  try {
    const file = await open(
      join(stateDir, LEDGER_FILE),
      constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
      0o600,
    )
    try {
      return await startLedger(file, stateDir, unlock)
    } catch (error) {
      await file.close()
      throw error
    }
  } catch (error) {
    await unlock()
    throw error
  }
}

async function startLedger(
  file: FileHandle,
  stateDir: string,
  unlock: () => Promise<void>,
): Promise<Ledger> {
  const replayed = await replay(file)
  const entries: LedgerEntry[] = [...replayed.entries]
  let offset = replayed.bytes
  const write = async (entry: LedgerEntry): Promise<void> => {
    offset += await writeLine(file, entry, offset)
    entries.push(entry)
  }
  if (entries.length === 0) {
    await write({ seq: 1, kind: 'opened', catalogue: CATALOGUE_ID })
    await syncFolder(stateDir)
  }
  let health: 'open' | 'failed' | 'closed' = 'open'
  return {
    entries: () => entries,
    append: async (answer) => {
      if (health === 'closed') throw new ShopError('ledger_closed', 'The ledger is closed.')
      if (health === 'failed') throw new ShopError('ledger_failed', 'An earlier write failed.')
      try {
        await write({ seq: entries.length + 1, ...answer })
      } catch (error) {
        // What is on disk is unknown now; only a restart, which reads it, may go on.
        health = 'failed'
        throw new ShopError('ledger_failed', 'The ledger could not be written.', error)
      }
    },
    close: async () => {
      if (health === 'closed') return
      health = 'closed'
      await file.close()
      await unlock()
    },
  }
}

async function replay(file: FileHandle): Promise<{ entries: LedgerEntry[]; bytes: number }> {
  const { size } = await file.stat()
  if (size > MAX_LEDGER_BYTES) throw new ShopError('ledger_corrupt', 'The ledger is too large.')
  const content = await file.readFile()
  const bytes = content.lastIndexOf(NEWLINE) + 1
  if (bytes < content.length) {
    await file.truncate(bytes)
    await file.sync()
  }
  const lines = content.subarray(0, bytes).toString('utf8').split('\n').slice(0, -1)
  const entries = lines.map((line, index) => parseEntry(line, index + 1))
  const first = entries[0]
  if (first !== undefined && (first.kind !== 'opened' || first.catalogue !== CATALOGUE_ID)) {
    throw new ShopError('ledger_corrupt', 'The ledger does not begin with this catalogue.')
  }
  return { entries, bytes }
}

async function writeLine(file: FileHandle, entry: LedgerEntry, offset: number): Promise<number> {
  const line = Buffer.from(`${JSON.stringify(entry)}\n`, 'utf8')
  let written = 0
  while (written < line.length) {
    const left = line.length - written
    written += (await file.write(line, written, left, offset + written)).bytesWritten
  }
  await file.sync()
  return line.length
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
