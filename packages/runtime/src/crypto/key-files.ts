import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { base64urlEncode } from '@trustgw/protocol'
import {
  atomicWriteFile,
  FileFault,
  makePrivateDir,
  readSecretFile,
  SECRET_FILE_MODE,
} from '../file/private-file.ts'
import {
  generateSigningKey,
  isSealedPem,
  type Passphrase,
  type SigningKey,
  sealedPem,
  signingKeyFromPem,
} from './ed25519.ts'
import { sha256 } from './hash.ts'

const KEY_ID_HEX_CHARS = 16

/** The key id of a public key: `<role>-` and the start of its SHA-256; the same key, the same id. */
export function keyIdOf(role: string, publicKey: Uint8Array): string {
  return `${role}-${sha256(publicKey).slice(0, KEY_ID_HEX_CHARS)}`
}

/** For people to compare: the whole SHA-256 of a public key. */
export function keyFingerprint(publicKey: Uint8Array): string {
  return `SHA256:${base64urlEncode(new Uint8Array(Buffer.from(sha256(publicKey), 'hex')))}`
}

/**
 * Loads a signing key from PKCS8 PEM. `FileFault`: what `readSecretFile` refuses (mode, owner,
 * links), `file_sealed` for one that this passphrase does not open, and `file_malformed` for anything
 * but an Ed25519 key.
 */
export async function loadSigningKey(file: string, passphrase?: Passphrase): Promise<SigningKey> {
  const pem = await readPem(file)
  const key = signingKeyFromPem(pem, passphrase)
  if (key === undefined)
    throw new FileFault(isSealedPem(pem) ? 'file_sealed' : 'file_malformed', file)
  return key
}

/** Whether a key file is encrypted. `FileFault` as above. */
export async function isSealedKeyFile(file: string): Promise<boolean> {
  return isSealedPem(await readPem(file))
}

/** Encrypts a key file that is not; false where it is. */
export async function sealKeyFile(file: string, passphrase: Uint8Array): Promise<boolean> {
  const sealed = sealedPem(await readPem(file), passphrase)
  if (sealed !== undefined) await atomicWriteFile(file, sealed, { mode: SECRET_FILE_MODE })
  return sealed !== undefined
}

const PASSPHRASE_MIN_BYTES = 16

/** A passphrase file of mode 600; the last line break is not part of it. `FileFault`. */
export async function readPassphrase(file: string): Promise<Uint8Array> {
  const text = Buffer.from(await readSecretFile(file))
    .toString('utf8')
    .replace(/\r?\n$/, '')
  const bytes = new TextEncoder().encode(text)
  if (bytes.length < PASSPHRASE_MIN_BYTES) throw new FileFault('file_malformed', file)
  return bytes
}

async function readPem(file: string): Promise<string> {
  return Buffer.from(await readSecretFile(file)).toString('latin1')
}

/** Makes a signing key and writes it, mode 600. `FileFault` `file_exists`: keys are never replaced. */
export async function createSigningKeyFile(
  file: string,
  passphrase?: Passphrase,
): Promise<SigningKey> {
  const key = generateSigningKey()
  await atomicWriteFile(file, key.pem(passphrase), { mode: SECRET_FILE_MODE, fresh: true })
  return { publicKey: key.publicKey, sign: key.sign }
}

/** A signing key and the id under which its public half is listed. */
export interface NamedKey extends SigningKey {
  readonly kid: string
}

const KEY_FILE = '.key'

/** Every key `<kid>.key` of a folder; none where there is no folder. `FileFault` as for each file. */
export async function loadKeyFolder(
  dir: string,
  role: string,
  passphrase?: Passphrase,
): Promise<readonly NamedKey[]> {
  const names = await readdir(dir).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
  const keys: NamedKey[] = []
  for (const name of names.filter((one) => one.endsWith(KEY_FILE)).toSorted()) {
    const key = await loadSigningKey(join(dir, name), passphrase)
    const kid = keyIdOf(role, key.publicKey)
    if (keyFileIn(dir, kid) !== join(dir, name)) throw new FileFault('file_malformed', name)
    keys.push({ ...key, kid })
  }
  return keys
}

/** Makes one more key in a folder of keys. */
export async function addKeyToFolder(
  dir: string,
  role: string,
  passphrase?: Passphrase,
): Promise<NamedKey> {
  await makePrivateDir(dir)
  const key = generateSigningKey()
  const kid = keyIdOf(role, key.publicKey)
  // Its name is of its own, and a crash must not leave half of it.
  await atomicWriteFile(keyFileIn(dir, kid), key.pem(passphrase), { mode: SECRET_FILE_MODE })
  return { publicKey: key.publicKey, sign: key.sign, kid }
}

export const keyFileIn = (dir: string, kid: string): string => join(dir, `${kid}${KEY_FILE}`)
