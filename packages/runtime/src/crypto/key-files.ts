import { base64urlEncode } from '@trustgw/protocol'
import {
  atomicWriteFile,
  FileFault,
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
