import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import type { JwsSigner, JwsVerifier } from '@trustgw/protocol'

export const ED25519_PUBLIC_KEY_BYTES = 32
/** SubjectPublicKeyInfo of an Ed25519 key without its 32 bytes (RFC 8410). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex')

/** A signing key; the private half never leaves the closure. */
export interface SigningKey {
  /** The raw 32 bytes. */
  readonly publicKey: Uint8Array
  readonly sign: JwsSigner
}

export interface GeneratedKey extends SigningKey {
  /** PKCS8 PEM: a secret, for writing to a file of mode 600 and for nothing else. */
  pem(): string
}

/** Makes an Ed25519 key pair from the operating system's generator. */
export function generateSigningKey(): GeneratedKey {
  const { privateKey } = generateKeyPairSync('ed25519')
  return {
    ...signingKeyOf(privateKey),
    pem: () => privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

/** Reads PKCS8 PEM; `undefined` for anything but an unencrypted Ed25519 private key. */
export function signingKeyFromPem(pem: string): SigningKey | undefined {
  const key = privateKeyOf(pem)
  return key?.asymmetricKeyType === 'ed25519' ? signingKeyOf(key) : undefined
}

/**
 * Verifies signatures of one key. `undefined` when these are not 32 bytes. The key object is made
 * once: making it costs as much as a verification.
 */
export function verifierOf(publicKey: Uint8Array): JwsVerifier | undefined {
  if (publicKey.length !== ED25519_PUBLIC_KEY_BYTES) return undefined
  const der = Buffer.concat([SPKI_HEAD, publicKey])
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  return (input, signature) => verify(null, Buffer.from(input), key, signature)
}

function signingKeyOf(key: KeyObject): SigningKey {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI_HEAD.length)),
    sign: (input) => new Uint8Array(sign(null, Buffer.from(input), key)),
  }
}

function privateKeyOf(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey({ key: pem, format: 'pem', type: 'pkcs8' })
  } catch {
    return undefined
  }
}
