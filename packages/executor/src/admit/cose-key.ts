import { createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto'
import { isSoundEd25519Key } from '@trustgw/runtime'
import { type CborValue, readIntegerMap } from './cbor-map.ts'

/** Algorithms of approval credentials, as COSE numbers them: ES256, EdDSA, RS256. */
export type CoseAlgorithm = -7 | -8 | -257

/** A public key that came through {@link parseCoseKey}; nothing else makes one. */
export class CoseKey {
  readonly algorithm: CoseAlgorithm
  readonly #key: KeyObject
  static readonly #made = new WeakSet<CoseKey>()

  private constructor(algorithm: CoseAlgorithm, key: KeyObject) {
    this.algorithm = algorithm
    this.#key = key
    CoseKey.#made.add(this)
  }

  /**
   * A COSE_Key (RFC 9052) of exactly the members that its kind has. Undefined for another kind,
   * curve or algorithm, a further member, a point off the curve or of small order, RSA under 2048 or
   * over 4096 bits or with an exponent other than 65537.
   */
  static parse(bytes: Uint8Array): CoseKey | undefined {
    const map = readIntegerMap(bytes)
    if (map === undefined) return undefined
    const read = ec2(map) ?? okp(map) ?? rsa(map)
    if (read === undefined) return undefined
    try {
      return new CoseKey(read.algorithm, createPublicKey({ key: read.jwk, format: 'jwk' }))
    } catch {
      return undefined
    }
  }

  /** Whether the signature over the data is of this key. False for a malformed signature. */
  verifies(data: Uint8Array, signature: Uint8Array): boolean {
    if (!CoseKey.#made.has(this)) return false
    const digest = this.algorithm === -8 ? null : 'sha256'
    try {
      return verify(digest, data, this.#key, signature)
    } catch {
      return false
    }
  }
}

interface ReadKey {
  readonly algorithm: CoseAlgorithm
  readonly jwk: JsonWebKey
}

const KTY = 1
const ALG = 3
type CoseMap = ReadonlyMap<number, CborValue>

function ec2(map: CoseMap): ReadKey | undefined {
  if (map.size !== 5 || map.get(KTY) !== 2 || map.get(ALG) !== -7 || map.get(-1) !== 1) {
    return undefined
  }
  const x = bytesOf(map.get(-2), 32)
  const y = bytesOf(map.get(-3), 32)
  if (x === undefined || y === undefined) return undefined
  return { algorithm: -7, jwk: { kty: 'EC', crv: 'P-256', x, y } }
}

function okp(map: CoseMap): ReadKey | undefined {
  if (map.size !== 4 || map.get(KTY) !== 1 || map.get(ALG) !== -8 || map.get(-1) !== 6) {
    return undefined
  }
  const point = map.get(-2)
  if (!(point instanceof Uint8Array) || !isSoundEd25519Key(point)) return undefined
  const x = Buffer.from(point).toString('base64url')
  return { algorithm: -8, jwk: { kty: 'OKP', crv: 'Ed25519', x } }
}

const RSA_MIN_BYTES = 256
const RSA_MAX_BYTES = 512
const RSA_EXPONENT = 'AQAB'

function rsa(map: CoseMap): ReadKey | undefined {
  if (map.size !== 4 || map.get(KTY) !== 3 || map.get(ALG) !== -257) return undefined
  const modulus = map.get(-1)
  if (!(modulus instanceof Uint8Array) || (modulus[0] ?? 0) < 128) return undefined
  if (modulus.length < RSA_MIN_BYTES || modulus.length > RSA_MAX_BYTES) return undefined
  if (bytesOf(map.get(-2), 3) !== RSA_EXPONENT) return undefined
  const n = Buffer.from(modulus).toString('base64url')
  return { algorithm: -257, jwk: { kty: 'RSA', n, e: RSA_EXPONENT } }
}

function bytesOf(value: CborValue | undefined, length: number): string | undefined {
  if (!(value instanceof Uint8Array) || value.length !== length) return undefined
  return Buffer.from(value).toString('base64url')
}
