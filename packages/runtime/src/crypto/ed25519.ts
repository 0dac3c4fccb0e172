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

/** What seals private keys at rest; undefined: they lie in their files as they are. */
export type Passphrase = Uint8Array | undefined

export interface GeneratedKey extends SigningKey {
  /**
   * PKCS8 PEM, for writing to a file of mode 600 and for nothing else. With a passphrase encrypted
   * (RFC 8018 PBES2: PBKDF2 with HMAC-SHA-256, AES-256-CBC).
   */
  pem(passphrase?: Passphrase): string
}

/** Makes an Ed25519 key pair from the operating system's generator. */
export function generateSigningKey(): GeneratedKey {
  const { privateKey } = generateKeyPairSync('ed25519')
  return {
    ...signingKeyOf(privateKey),
    pem: (passphrase) => pemOf(privateKey, passphrase),
  }
}

/**
 * Reads PKCS8 PEM; `undefined` for anything but an Ed25519 private key, and for one that is encrypted
 * under another passphrase or none that was given.
 */
export function signingKeyFromPem(pem: string, passphrase?: Passphrase): SigningKey | undefined {
  const key = privateKeyOf(pem, passphrase)
  return key?.asymmetricKeyType === 'ed25519' ? signingKeyOf(key) : undefined
}

/** The same private key encrypted; `undefined` where that is so already, or it is no key. */
export function sealedPem(pem: string, passphrase: Uint8Array): string | undefined {
  const key = isSealedPem(pem) ? undefined : privateKeyOf(pem, undefined)
  return key === undefined ? undefined : pemOf(key, passphrase)
}

export const isSealedPem = (pem: string): boolean => pem.includes('BEGIN ENCRYPTED PRIVATE KEY')

function pemOf(key: KeyObject, passphrase: Passphrase): string {
  const plain = { format: 'pem', type: 'pkcs8' } as const
  if (passphrase === undefined) return key.export(plain).toString()
  const sealed = { ...plain, cipher: 'aes-256-cbc', passphrase: Buffer.from(passphrase) }
  return key.export(sealed).toString()
}
/** The y coordinates below p of the points whose order divides 8, low byte first. */
const SMALL_ORDER_Y: readonly Buffer[] = [
  `00${'00'.repeat(31)}`,
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
].map((hex) => Buffer.from(hex, 'hex'))
/** p = 2^255 - 19. */
const FIELD = Buffer.from(`ed${'ff'.repeat(30)}7f`, 'hex')

/**
 * Whether 32 bytes may be believed as an Ed25519 key: under a key of small order anybody can sign
 * anything, and OpenSSL takes one without a word. False also for a y of p or more (RFC 8032
 * §5.1.3). Whether the point is on the curve is NOT checked here.
 */
export function isSoundEd25519Key(publicKey: Uint8Array): boolean {
  if (publicKey.length !== ED25519_PUBLIC_KEY_BYTES) return false
  const y = Buffer.from(publicKey)
  y[31] = (y[31] ?? 0) & 0x7f
  if (SMALL_ORDER_Y.some((weak) => weak.equals(y))) return false
  return Buffer.compare(y.toReversed(), FIELD.toReversed()) < 0
}

/**
 * Verifies signatures of one key. `undefined` for bytes that {@link isSoundEd25519Key} refuses. The
 * key object is made once: making it costs as much as a verification.
 */
export function verifierOf(publicKey: Uint8Array): JwsVerifier | undefined {
  if (!isSoundEd25519Key(publicKey)) return undefined
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

function privateKeyOf(pem: string, passphrase: Passphrase): KeyObject | undefined {
  try {
    const key = { key: pem, format: 'pem', type: 'pkcs8' } as const
    if (passphrase === undefined) return createPrivateKey(key)
    return createPrivateKey({ ...key, passphrase: Buffer.from(passphrase) })
  } catch {
    return undefined
  }
}
