import { constants } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Disk, type DiskHandle, nodeDisk } from './disk.ts'

/** Why a file of ours was not read or written. Stable. */
export type FileFaultCode =
  | 'file_missing'
  | 'file_exists'
  /** Others than the owner may read or write it. */
  | 'file_mode'
  /** It belongs to another user, or is no plain file. */
  | 'file_owner'
  | 'file_too_large'
  | 'file_malformed'
  /** A key file that is encrypted, under another passphrase or with none given. */
  | 'file_sealed'
  | 'file_unwritable'

/** The message names the file, never its content. */
export class FileFault extends Error {
  readonly code: FileFaultCode
  constructor(code: FileFaultCode, file: string, options?: ErrorOptions) {
    super(`${code}: ${file}`, options)
    this.name = 'FileFault'
    this.code = code
  }
}

export const SECRET_FILE_MODE = 0o600
export const SECRET_DIR_MODE = 0o700
export const SECRET_FILE_MAX_BYTES: number = 64 * 1024
const OTHERS_MODE = 0o077
const TEMPORARY_TRIES = 1_024

/**
 * Reads a secret. Refuses (`FileFault`) a link, what is not a plain file, a file that group or
 * others may touch, one of another owner (root may read any), and one over the limit. Checked on
 * the opened file, so it is the file that is read.
 */
export function readSecretFile(file: string): Promise<Uint8Array> {
  return readPrivateFile(file, SECRET_FILE_MAX_BYTES)
}

/** Reads a file of our own in the same way, up to `maxBytes`. */
export async function readPrivateFile(
  file: string,
  maxBytes: number,
  disk: Disk = nodeDisk,
): Promise<Uint8Array> {
  const handle = await openForReading(file, disk)
  try {
    const facts = await handle.stat()
    if (!facts.isFile()) throw new FileFault('file_owner', file)
    if ((facts.mode & OTHERS_MODE) !== 0) throw new FileFault('file_mode', file)
    const user = process.geteuid?.()
    if (user !== undefined && user !== 0 && facts.uid !== user) {
      throw new FileFault('file_owner', file)
    }
    if (facts.size > maxBytes) throw new FileFault('file_too_large', file)
    return new Uint8Array(await handle.readFile())
  } finally {
    await handle.close()
  }
}

export interface AtomicWriteOptions {
  readonly mode: number
  /** Refuses to replace a file that is there (`file_exists`). */
  readonly fresh?: boolean
  /** Where to. Default the machine's own. */
  readonly disk?: Disk
}

/**
 * Writes a whole file: after it resolves the new content is on disk under the name, and at no
 * moment is there a part of it. With `fresh`, nothing is ever replaced.
 */
export async function atomicWriteFile(
  file: string,
  data: Uint8Array | string,
  options: AtomicWriteOptions,
): Promise<void> {
  const { mode, disk = nodeDisk } = options
  if (options.fresh === true) await writeFresh(file, data, { mode, disk })
  else await writeReplacing(file, data, { mode, disk })
  await syncDirectory(dirname(file), disk)
}

/** Makes a folder (and those above it) that only its owner may enter. */
export async function makePrivateDir(directory: string, disk: Disk = nodeDisk): Promise<void> {
  await disk.mkdir(directory, { recursive: true, mode: SECRET_DIR_MODE })
}

/** Makes a created, renamed or removed name survive a crash. */
export async function syncDirectory(directory: string, disk: Disk = nodeDisk): Promise<void> {
  const handle = await disk.open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

interface Target {
  readonly mode: number
  readonly disk: Disk
}

async function writeFresh(file: string, data: Uint8Array | string, target: Target): Promise<void> {
  const handle = await openFor(file, target)
  await fill(handle, data, target.mode).catch(async (error: unknown) => {
    await target.disk.unlink(file)
    throw error
  })
}

async function writeReplacing(
  file: string,
  data: Uint8Array | string,
  target: Target,
): Promise<void> {
  const { temporary, handle } = await openTemporary(file, target)
  try {
    await fill(handle, data, target.mode)
    await target.disk.rename(temporary, file)
  } catch (error) {
    await target.disk.unlink(temporary)
    throw error
  }
}

/** Under the next name that is free: a crash leaves its file, and in a container the same process id comes again. */
async function openTemporary(
  file: string,
  target: Target,
): Promise<{ readonly temporary: string; readonly handle: DiskHandle }> {
  for (let tries = 1; ; tries += 1) {
    const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.${nextNumber()}.tmp`)
    try {
      return { temporary, handle: await openFor(temporary, target) }
    } catch (error) {
      const isTaken = error instanceof FileFault && error.code === 'file_exists'
      if (!isTaken || tries === TEMPORARY_TRIES) throw error
    }
  }
}

async function fill(handle: DiskHandle, data: Uint8Array | string, mode: number): Promise<void> {
  try {
    await handle.chmod(mode)
    await handle.writeFile(data)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function openFor(file: string, { mode, disk }: Target): Promise<DiskHandle> {
  try {
    return await disk.open(file, 'wx', mode)
  } catch (error) {
    const code = errorCode(error) === 'EEXIST' ? 'file_exists' : 'file_unwritable'
    throw new FileFault(code, file, { cause: error })
  }
}

async function openForReading(file: string, disk: Disk): Promise<DiskHandle> {
  try {
    return await disk.open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const code = errorCode(error) === 'ENOENT' ? 'file_missing' : 'file_owner'
    throw new FileFault(code, file, { cause: error })
  }
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

let number = 0

function nextNumber(): number {
  number += 1
  return number
}
