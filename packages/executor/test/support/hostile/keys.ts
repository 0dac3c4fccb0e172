import {
  checkPrimeSync,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  sign,
} from 'node:crypto'
import { SeededRandom, type SigningKey } from '@trustgw/runtime'
import type { Secrets } from '../world.ts'

/** Keys from a seed, so that a file of vectors is the same at each run. For tests only. */
export function seededSecrets(seed: string): Secrets {
  const random = new SeededRandom(seed)
  return { random, signingKey: () => seededSigningKey(random.bytes(32)) }
}

/** PKCS8 of an Ed25519 key without its 32 bytes (RFC 8410). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')

export interface BytesSigningKey extends SigningKey {
  readonly signBytes: (data: Uint8Array) => Uint8Array
}

export function seededSigningKey(seed: Uint8Array): BytesSigningKey {
  const der = Buffer.concat([PKCS8_HEAD, seed])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return {
    publicKey: new Uint8Array(spki.subarray(-32)),
    sign: (input) => new Uint8Array(sign(null, Buffer.from(input), key)),
    signBytes: (data) => new Uint8Array(sign(null, data, key)),
  }
}

export const sha = (...parts: readonly (string | Uint8Array)[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
export const bigOf = (bytes: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
export const bytesOfBig = (value: bigint, length: number): Buffer =>
  Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex')

/** The order of the group of Ed25519. */
export const ED25519_ORDER: bigint = 2n ** 252n + 27742317777372353535851937790883648493n
/** The order of the group of P-256. */
export const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The number of an Ed25519 signature's second half, which is written low byte first. */
export const scalarOf = (half: Uint8Array): bigint => bigOf(Uint8Array.from(half).toReversed())
export const halfOf = (scalar: bigint): Uint8Array => bytesOfBig(scalar, 32).toReversed()

/** Encodings of the points of Ed25519 whose order divides 8; the last ones are not canonical. */
export const SMALL_ORDER_POINTS: readonly string[] = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  '0100000000000000000000000000000000000000000000000000000000000080',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]

export interface Ecdsa {
  readonly r: bigint
  readonly s: bigint
}

export interface P256Key {
  readonly x: Buffer
  readonly y: Buffer
  readonly sign: (data: Uint8Array) => Ecdsa
}

/** ECDSA whose secret number comes of key and message: Node's own would differ at each run. */
export function seededP256(seed: string): P256Key {
  const d = (bigOf(sha(seed)) % (P256_ORDER - 1n)) + 1n
  const point = pointOf(d)
  return {
    x: point.subarray(1, 33),
    y: point.subarray(33),
    sign: (data) => {
      const z = sha(data)
      const k = bigOf(createHmac('sha256', bytesOfBig(d, 32)).update(z).digest()) % P256_ORDER
      const r = bigOf(pointOf(k).subarray(1, 33)) % P256_ORDER
      const inverse = power(k, P256_ORDER - 2n, P256_ORDER)
      return { r, s: (inverse * (bigOf(z) + r * d)) % P256_ORDER }
    },
  }
}

function pointOf(scalar: bigint): Buffer {
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(bytesOfBig(scalar, 32))
  return ecdh.getPublicKey()
}

export const RSA_BYTES = 256
export interface RsaKey {
  readonly n: Buffer
  /** RSA of a whole encoded message: the padding is the caller's. */
  readonly raw: (message: Uint8Array) => Buffer
}

export function seededRsa(seed: string): RsaKey {
  const random = new SeededRandom(seed)
  const [p, q] = [seededPrime(random), seededPrime(random)]
  const n = p * q
  const d = inverseOf(65_537n, (p - 1n) * (q - 1n))
  return {
    n: bytesOfBig(n, RSA_BYTES),
    raw: (message) => bytesOfBig(power(bigOf(message), d, n), RSA_BYTES),
  }
}

function seededPrime(random: SeededRandom): bigint {
  const bytes = random.bytes(RSA_BYTES / 2)
  bytes[0] = (bytes[0] ?? 0) | 0xc0
  let candidate = bigOf(bytes) | 1n
  while (candidate % 65_537n === 1n || !checkPrimeSync(candidate)) candidate += 2n
  return candidate
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  let square = base % modulus
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

function inverseOf(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value, modulus, 1n, 0n]
  while (b > 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y]
  return ((x % modulus) + modulus) % modulus
}

export type CoseMember = readonly [name: number, value: number | Uint8Array]

/** A CBOR map of integers to integers and byte strings, in the order that is given. */
export function cose(...members: readonly CoseMember[]): Buffer {
  const head = (major: number, argument: number): Buffer =>
    argument < 24
      ? Buffer.of((major << 5) | argument)
      : argument < 256
        ? Buffer.of((major << 5) | 24, argument)
        : Buffer.of((major << 5) | 25, argument >> 8, argument & 255)
  const integer = (value: number): Buffer => (value < 0 ? head(1, -1 - value) : head(0, value))
  return Buffer.concat([
    head(5, members.length),
    ...members.flatMap(([name, value]) => [
      integer(name),
      ...(typeof value === 'number' ? [integer(value)] : [head(2, value.length), value]),
    ]),
  ])
}
