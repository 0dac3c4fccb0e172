import { randomBytes } from 'node:crypto'
import { chmod, link, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  base64urlDecode,
  canonicalize,
  type JsonObject,
  ok,
  parseJson,
  passkeyFingerprint,
  type Result,
  readShape,
  refuse,
} from '@trustgw/protocol'
import { sha256, systemClock } from '@trustgw/runtime'
import { PINS_MAX, type Pin, type PinFile, pinFileShape, pinShape } from './pin.ts'

export const PIN_FILE_MAX_BYTES: number = 4 * 1024 * 1024

export type PinFileRefusal =
  /** Not strict JSON of the form that {@link PinFile} has, or one credential twice. */
  | 'pins_malformed'
  /** Readable or writable by others than its owner. */
  | 'pins_exposed'

export type PinRefusal =
  | PinFileRefusal
  | 'pin_malformed'
  /** The first pin was made already (also when it is revoked by now). */
  | 'pins_not_empty'
  | 'pin_exists'
  | 'pin_revoked'
  | 'pin_unknown'
  | 'pins_full'
  /** Another process is changing the file; try again. */
  | 'pins_locked'

/** A change takes milliseconds: after this whoever made the lock is gone. */
export const LOCK_STALE_MS = 30_000

const EMPTY: PinFile = { version: 1, pins: [], revoked: [] }

/** Reads the file; one that does not exist is empty. Throws on any other fault of the file system. */
export async function readPins(path: string): Promise<Result<PinFile, PinFileRefusal>> {
  let bytes: Buffer
  try {
    const { mode, size } = await stat(path)
    if ((mode & 0o077) !== 0) return refuse('pins_exposed')
    if (size > PIN_FILE_MAX_BYTES) return refuse('pins_malformed', 'size')
    bytes = await readFile(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return ok(EMPTY)
    throw error
  }
  const parsed = parseJson(bytes, { maxBytes: PIN_FILE_MAX_BYTES })
  if (!parsed.ok) return refuse('pins_malformed', parsed.detail)
  const read = readShape(pinFileShape, parsed.value)
  if (!read.ok) return refuse('pins_malformed', read.detail)
  const credentials = read.value.pins.map((pin) => `${pin.tenant} ${pin.credential_id}`)
  if (new Set(credentials).size !== credentials.length) {
    return refuse('pins_malformed', 'one credential twice')
  }
  return read
}

/**
 * The supervisor's pin of the first approver: only while nothing was ever pinned here
 * (spec/protocol.md §4). Answers the fingerprint that is shown.
 */
export async function pinFirst(path: string, pin: Pin): Promise<Result<string, PinRefusal>> {
  return await change(path, (file) => {
    if (file.pins.length + file.revoked.length > 0) return refuse('pins_not_empty')
    return withPin(file, pin)
  })
}

/** The operator's own command. Answers the fingerprint. */
export async function addPin(path: string, pin: Pin): Promise<Result<string, PinRefusal>> {
  return await change(path, (file) => withPin(file, pin))
}

/** Removes every pin of the credential, for good. Takes effect at the next admission. */
export async function revokePin(
  path: string,
  credentialId: string,
): Promise<Result<string, PinRefusal>> {
  return await change(path, (file) => {
    const found = file.pins.find((pin) => pin.credential_id === credentialId)
    if (found === undefined) return refuse('pin_unknown')
    const pins = file.pins.filter((pin) => pin.credential_id !== credentialId)
    const revoked = [...file.revoked, credentialId]
    return ok({ file: { ...file, pins, revoked }, pin: found })
  })
}

/** SHA-256 of the pin's COSE key, shown as 8 groups of 4 hex digits. */
export function pinFingerprint(pin: Pin): string {
  return passkeyFingerprint(sha256, base64urlDecode(pin.public_key) ?? new Uint8Array())
}

interface Changed {
  readonly file: PinFile
  readonly pin: Pin
}

function withPin(file: PinFile, pin: Pin): Result<Changed, PinRefusal> {
  const checked = readShape(pinShape, pinJson(pin))
  if (!checked.ok) return refuse('pin_malformed', checked.detail)
  if (file.revoked.includes(pin.credential_id)) return refuse('pin_revoked')
  const twin = file.pins.some((other) => other.credential_id === pin.credential_id)
  if (twin) return refuse('pin_exists')
  if (file.pins.length >= PINS_MAX) return refuse('pins_full')
  return ok({ file: { ...file, pins: [...file.pins, checked.value] }, pin: checked.value })
}

type Edit = (file: PinFile) => Result<Changed, PinRefusal>

/** One writer at a time by a lock file; readers see the old file or the new one, never half. */
async function change(path: string, edit: Edit): Promise<Result<string, PinRefusal>> {
  const lock = `${path}.lock`
  const isTaken = (await take(lock)) || ((await removeStale(lock)) && (await take(lock)))
  if (!isTaken) return refuse('pins_locked', lock)
  try {
    const current = await readPins(path)
    if (!current.ok) return current
    const edited = edit(current.value)
    if (!edited.ok) return edited
    await writeAtomically(path, `${canonicalize(pinFileJson(edited.value.file))}\n`)
    return ok(pinFingerprint(edited.value.pin))
  } finally {
    await rm(lock, { force: true })
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await (await open(lock, 'wx', 0o600)).close()
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/**
 * Whether a lock was there that a crash left: else no pin could be revoked any more. It is moved away
 * before it is judged, so that of two who find it only one removes it; a lock that is held is put back.
 */
async function removeStale(lock: string): Promise<boolean> {
  const aside = `${lock}.${randomBytes(8).toString('hex')}`
  try {
    if (!(await isStale(lock))) return false
    await rename(lock, aside)
    const isLeft = await isStale(aside)
    if (!isLeft) await link(aside, lock)
    return isLeft
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    await rm(aside, { force: true })
  }
}

async function isStale(lock: string): Promise<boolean> {
  const { mtimeMs } = await stat(lock)
  return Math.abs(systemClock.now() - mtimeMs) > LOCK_STALE_MS
}

async function writeAtomically(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.pins-${randomBytes(8).toString('hex')}`)
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await chmod(temporary, 0o600)
  await rename(temporary, path)
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function pinJson(pin: Pin): JsonObject {
  return { ...pin, roles: [...pin.roles], origins: [...pin.origins] }
}

function pinFileJson(file: PinFile): JsonObject {
  return { version: 1, pins: file.pins.map(pinJson), revoked: [...file.revoked] }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
