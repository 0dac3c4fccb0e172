import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { base32Decode, base32Encode } from './base32.ts'
import { NatsError } from './nats-error.ts'

export type NKeyKind = 'operator' | 'account' | 'user'

/**
 * An Ed25519 key pair in the NATS encoding. The private half stays inside; `seed()` gives it out for
 * writing to a file of mode 600 and for nothing else.
 */
export interface NKey {
  readonly kind: NKeyKind
  /** 56 characters that begin with `O`, `A` or `U`. */
  readonly publicKey: string
  sign(data: Uint8Array): Uint8Array
  seed(): string
}

const PREFIX: Readonly<Record<NKeyKind, number>> = {
  operator: 14 << 3,
  account: 0,
  user: 20 << 3,
}
const SEED_PREFIX = 18 << 3
const KEY_BYTES = 32
const CRC_BYTES = 2
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex')

export function createNKey(kind: NKeyKind): NKey {
  const { privateKey } = generateKeyPairSync('ed25519')
  const raw = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(PKCS8_ED25519.length)
  return keyOf(kind, privateKey, raw)
}

/** Reads a seed; `NatsError` `key_malformed` for anything but a canonical one of a known kind. */
export function nkeyFromSeed(seed: string): NKey {
  const body = checked(seed.trim())
  const first = body[0] ?? 0
  const second = body[1] ?? 0
  const prefix = ((first & 7) << 5) | (second >> 3)
  const kind = kindOf(prefix)
  const wellFormed =
    body.length === KEY_BYTES + 2 && (first & 0xf8) === SEED_PREFIX && (second & 7) === 0
  if (!wellFormed || kind === undefined) throw malformed('seed')
  const raw = body.subarray(2)
  const der = Buffer.concat([PKCS8_ED25519, raw])
  return keyOf(kind, createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }), raw)
}

/** The kind of a public nkey, or `undefined` when it is not one. */
export function publicNKeyKind(publicKey: string): NKeyKind | undefined {
  try {
    const body = checked(publicKey)
    return body.length === KEY_BYTES + 1 ? kindOf(body[0] ?? -1) : undefined
  } catch {
    return undefined
  }
}

/** Whether `signature` over `data` is by the holder of `publicKey`; false for a malformed key. */
export function verifyNKey(publicKey: string, data: Uint8Array, signature: Uint8Array): boolean {
  if (publicNKeyKind(publicKey) === undefined) return false
  const der = Buffer.concat([SPKI_ED25519, checked(publicKey).subarray(1)])
  return verify(null, data, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature)
}

function keyOf(kind: NKeyKind, key: KeyObject, raw: Uint8Array): NKey {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const prefix = PREFIX[kind]
  const seedHead = [SEED_PREFIX | (prefix >> 5), (prefix & 31) << 3]
  const secret = Uint8Array.from(raw)
  return {
    kind,
    publicKey: encoded([prefix], spki.subarray(SPKI_ED25519.length)),
    sign: (data) => sign(null, data, key),
    seed: () => encoded(seedHead, secret),
  }
}

function encoded(head: readonly number[], key: Uint8Array): string {
  const body = Uint8Array.from([...head, ...key])
  const crc = crc16(body)
  return base32Encode(Uint8Array.from([...body, crc & 0xff, crc >> 8]))
}

function checked(text: string): Uint8Array {
  const bytes = base32Decode(text)
  if (bytes === undefined || bytes.length <= CRC_BYTES) throw malformed('key')
  const body = bytes.subarray(0, -CRC_BYTES)
  const [low = 0, high = 0] = bytes.subarray(-CRC_BYTES)
  if (crc16(body) !== ((high << 8) | low)) throw malformed('key')
  return body
}

function kindOf(prefix: number): NKeyKind | undefined {
  if (prefix === PREFIX.operator) return 'operator'
  if (prefix === PREFIX.account) return 'account'
  return prefix === PREFIX.user ? 'user' : undefined
}

/** CRC-16/XMODEM, which guards nkeys against typing errors. */
function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1) {
      crc = ((crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021) & 0xffff
    }
  }
  return crc
}

function malformed(what: string): NatsError {
  return new NatsError('key_malformed', `not a well-formed NATS ${what}`)
}
