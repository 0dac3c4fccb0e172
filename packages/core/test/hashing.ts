import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'

export const sha256 = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex')

/** For tests in which hashes do not matter and thousands of policies do. */
export const zeroHash = (): string => '0'.repeat(64)

const ED25519_BYTES = 32

export interface TestKey {
  readonly public_key: Uint8Array
  readonly sign: (text: string) => Uint8Array
  readonly verify: (text: string, signature: Uint8Array) => boolean
}

export function testKey(): TestKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-ED25519_BYTES)
  return {
    public_key: new Uint8Array(raw),
    sign: (text) => new Uint8Array(sign(null, Buffer.from(text), privateKey)),
    verify: (text, signature) => verify(null, Buffer.from(text), publicKey, signature),
  }
}

/** A file of the repository, by its path from the root. */
export function repositoryFile(path: string): string {
  return readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8')
}
