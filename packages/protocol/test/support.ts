import {
  createHash,
  createPublicKey,
  type KeyObject,
  sign as nodeSign,
  verify as nodeVerify,
} from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sha256 } from '@trustgw/protocol'

const VECTORS = join(import.meta.dirname, '../../../../vectors')

export function vectorBytes(path: string): Buffer {
  return readFileSync(join(VECTORS, path))
}

export function vectorText(path: string): string {
  return vectorBytes(path).toString('utf8')
}

/** The caller asserts the form of the file. */
export function vectorJson(path: string): unknown {
  return JSON.parse(vectorText(path))
}

export const sha256: Sha256 = (data) => createHash('sha256').update(data).digest('hex')

/** The way Node verifies Ed25519: the one that the processes use. */
export function nodeEd25519Verify(
  key: KeyObject,
): (input: string | Uint8Array, signature: Uint8Array) => boolean {
  return (input, signature) => nodeVerify(null, Buffer.from(input), key, signature)
}

export function nodeEd25519Sign(key: KeyObject): (input: string) => Uint8Array {
  return (input) => nodeSign(null, Buffer.from(input), key)
}

export function ed25519PublicKey(raw: Uint8Array): KeyObject {
  const x = Buffer.from(raw).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}
