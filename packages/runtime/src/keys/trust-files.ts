import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  arrayShape,
  base64urlDecode,
  base64urlEncode,
  checkKeySet,
  type KeyEntry,
  msField,
  nameField,
  objectShape,
  oneOfShape,
  parseJson,
  publicKeyField,
  readShape,
  SEALED_KEY_SET_MAX_BYTES,
  type Shape,
  type VerifiedKeySet,
} from '@trustgw/protocol'
import { verifierOf } from '../crypto/ed25519.ts'
import { type PublicKey, PublicKeys } from '../crypto/public-keys.ts'
import {
  atomicWriteFile,
  FileFault,
  readPrivateFile,
  SECRET_DIR_MODE,
  SECRET_FILE_MODE,
} from '../file/private-file.ts'

const ROOT_FILE = 'root.json'
const SET_FILE = 'key-set.json'
const REVOKED_FILE = 'revoked.json'
const ROOTS_MAX = 8
const REVOKED_MAX = 1_024
const FILE_MAX_BYTES = 262_144

const rootsShape: Shape<{
  readonly v: 1
  readonly keys: readonly { readonly kid: string; readonly public_key: string }[]
}> = objectShape({
  v: oneOfShape(1),
  keys: arrayShape(objectShape({ kid: nameField, public_key: publicKeyField }), {
    min: 1,
    max: ROOTS_MAX,
  }),
})

const revokedShape: Shape<{
  readonly v: 1
  readonly keys: readonly { readonly kid: string; readonly since: number }[]
}> = objectShape({
  v: oneOfShape(1),
  keys: arrayShape(objectShape({ kid: nameField, since: msField }), { max: REVOKED_MAX }),
})

/** The operator's root keys that this folder pins. `FileFault` as for any private file. */
export async function readRoots(dir: string): Promise<readonly PublicKey[]> {
  const file = join(dir, ROOT_FILE)
  const { keys } = await readShaped(file, rootsShape)
  return keys.map(({ kid, public_key }) => {
    const publicKey = base64urlDecode(public_key)
    if (publicKey === undefined) throw new FileFault('file_malformed', file)
    return { kid, role: 'operator', component: 'operator', publicKey }
  })
}

/** Pins the operator's root keys in a folder, once: what is pinned there is never replaced. */
export async function pinRoots(dir: string, roots: readonly PublicKey[]): Promise<void> {
  await mkdir(dir, { recursive: true, mode: SECRET_DIR_MODE })
  const keys = roots.map(({ kid, publicKey }) => ({
    kid,
    public_key: base64urlEncode(publicKey),
  }))
  const text = `${JSON.stringify({ v: 1, keys }, null, 2)}\n`
  await atomicWriteFile(join(dir, ROOT_FILE), text, { mode: SECRET_FILE_MODE, fresh: true })
}

export async function writeKeySet(dir: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dir, { recursive: true, mode: SECRET_DIR_MODE })
  await atomicWriteFile(join(dir, SET_FILE), bytes, { mode: SECRET_FILE_MODE })
}

/** The key set of a folder under its own root; undefined where there is none yet. */
export async function readKeySetFile(
  dir: string,
  roots: readonly PublicKey[],
): Promise<VerifiedKeySet | undefined> {
  const file = join(dir, SET_FILE)
  const bytes = await unlessMissing(readPrivateFile(file, SEALED_KEY_SET_MAX_BYTES))
  if (bytes === undefined) return undefined
  const rootKeyFor = new PublicKeys(roots).keyFor({ role: 'operator' })
  const read = checkKeySet(bytes, { rootKeyFor, verifierOf, now: undefined })
  if (!read.ok) throw new FileFault('file_malformed', file, { cause: read.reason })
  return read.value
}

/** The keys that were heard to be revoked, and since when. */
export async function readRevoked(dir: string): Promise<ReadonlyMap<string, number>> {
  const file = join(dir, REVOKED_FILE)
  const read = await unlessMissing(readShaped(file, revokedShape))
  return new Map((read?.keys ?? []).map(({ kid, since }) => [kid, since]))
}

export async function writeRevoked(
  dir: string,
  revoked: ReadonlyMap<string, number>,
): Promise<void> {
  const keys = [...revoked].map(([kid, since]) => ({ kid, since }))
  const text = `${JSON.stringify({ v: 1, keys })}\n`
  await atomicWriteFile(join(dir, REVOKED_FILE), text, { mode: SECRET_FILE_MODE })
}

/**
 * What a trust folder says is believed, without following anything: `root.json` (the pinned root),
 * `key-set.json`, `revoked.json`. `FileFault`, `file_missing` too.
 */
export async function loadTrust(dir: string): Promise<PublicKeys> {
  const roots = await readRoots(dir)
  const read = await readKeySetFile(dir, roots)
  if (read === undefined) throw new FileFault('file_missing', join(dir, SET_FILE))
  return new PublicKeys([...roots, ...listedKeys(read.set.keys, await readRevoked(dir))])
}

/** The keys of a set; what was heard to be revoked stays so, whatever the set says. */
export function listedKeys(
  entries: readonly KeyEntry[],
  revoked: ReadonlyMap<string, number>,
): readonly PublicKey[] {
  return entries.map((entry) => {
    const { kid, role, component, tenant } = entry
    const own = entry.status === 'revoked' ? entry.since : null
    return {
      kid,
      role,
      component,
      publicKey: base64urlDecode(entry.public_key) ?? new Uint8Array(),
      ...(tenant === null ? {} : { tenant }),
      validity: {
        notBefore: entry.not_before,
        notAfter: entry.not_after,
        revokedSince: own ?? revoked.get(kid) ?? null,
      },
    }
  })
}

async function readShaped<T>(file: string, shape: Shape<T>): Promise<T> {
  const bytes = await readPrivateFile(file, FILE_MAX_BYTES)
  const parsed = parseJson(bytes, { maxBytes: FILE_MAX_BYTES })
  const read = parsed.ok ? readShape(shape, parsed.value) : parsed
  if (!read.ok) throw new FileFault('file_malformed', file)
  return read.value
}

async function unlessMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof FileFault && error.code === 'file_missing') return undefined
    throw error
  }
}
