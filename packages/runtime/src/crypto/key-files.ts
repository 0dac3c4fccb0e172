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
import { generateSigningKey, type SigningKey, signingKeyFromPem } from './ed25519.ts'
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
 * links), and `file_malformed` for anything but an unencrypted Ed25519 key.
 */
export async function loadSigningKey(file: string): Promise<SigningKey> {
  const pem = Buffer.from(await readSecretFile(file)).toString('latin1')
  const key = signingKeyFromPem(pem)
  if (key === undefined) throw new FileFault('file_malformed', file)
  return key
}

/** Makes a signing key and writes it, mode 600. `FileFault` `file_exists`: keys are never replaced. */
export async function createSigningKeyFile(file: string): Promise<SigningKey> {
  const key = generateSigningKey()
  await atomicWriteFile(file, key.pem(), { mode: SECRET_FILE_MODE, fresh: true })
  return { publicKey: key.publicKey, sign: key.sign }
}

/** A signing key and the id under which its public half is listed. */
export interface NamedKey extends SigningKey {
  readonly kid: string
}

const KEY_FILE = '.key'

/** Every key `<kid>.key` of a folder; none where there is no folder. `FileFault` as for each file. */
export async function loadKeyFolder(dir: string, role: string): Promise<readonly NamedKey[]> {
  const names = await readdir(dir).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
  const keys: NamedKey[] = []
  for (const name of names.filter((one) => one.endsWith(KEY_FILE)).toSorted()) {
    const key = await loadSigningKey(join(dir, name))
    const kid = keyIdOf(role, key.publicKey)
    if (keyFileIn(dir, kid) !== join(dir, name)) throw new FileFault('file_malformed', name)
    keys.push({ ...key, kid })
  }
  return keys
}

/** Makes one more key in a folder of keys. */
export async function addKeyToFolder(dir: string, role: string): Promise<NamedKey> {
  await makePrivateDir(dir)
  const key = generateSigningKey()
  const kid = keyIdOf(role, key.publicKey)
  await atomicWriteFile(keyFileIn(dir, kid), key.pem(), { mode: SECRET_FILE_MODE, fresh: true })
  return { publicKey: key.publicKey, sign: key.sign, kid }
}

export const keyFileIn = (dir: string, kid: string): string => join(dir, `${kid}${KEY_FILE}`)
