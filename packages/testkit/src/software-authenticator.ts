import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import { base64urlEncode, hexDecode, type PasskeyAssertion } from '@trustgw/protocol'

export type AuthenticatorAlgorithm = 'ES256' | 'EdDSA' | 'RS256'

export interface SoftwareAuthenticatorOptions {
  readonly algorithm: AuthenticatorAlgorithm
  readonly rpId: string
  readonly origin: string
}

/** What a test wants to be wrong about an assertion. Everything absent is as it should be. */
export interface AssertionTwist {
  readonly type?: string
  readonly origin?: string
  readonly rpId?: string
  readonly crossOrigin?: boolean
  readonly topOrigin?: string
  readonly flags?: number
  /** Put in place of the whole client data. */
  readonly clientData?: string
  /** Appended to the authenticator data, with or without its flag. */
  readonly extensions?: Uint8Array
}

const FLAG_USER_PRESENT = 0x01
const FLAG_USER_VERIFIED = 0x04
const FLAG_ATTESTED = 0x40
const CREDENTIAL_ID_BYTES = 16

/**
 * A passkey in software: makes real COSE keys and real signatures, and, unlike a browser, lies on
 * request. For tests only; the private key is in this process's memory.
 */
export class SoftwareAuthenticator {
  readonly credentialId: string
  /** base64url of the COSE public key. */
  readonly publicKey: string
  readonly #options: SoftwareAuthenticatorOptions
  readonly #privateKey: KeyObject

  constructor(options: SoftwareAuthenticatorOptions) {
    this.#options = options
    const { publicKey, privateKey } = makeKeys(options.algorithm)
    this.#privateKey = privateKey
    this.publicKey = base64urlEncode(coseKeyOf(publicKey))
    this.credentialId = base64urlEncode(randomBytes(CREDENTIAL_ID_BYTES))
  }

  /** `challenge`: the bytes that are signed over, or `sha256:` and hex. */
  assert(challenge: Uint8Array | string, twist: AssertionTwist = {}): PasskeyAssertion {
    const bytes =
      typeof challenge === 'string' ? hexDecode(challenge.replace('sha256:', '')) : challenge
    if (bytes === undefined) throw new TypeError('a challenge is bytes or a hash')
    const clientData = Buffer.from(twist.clientData ?? this.#clientData(bytes, twist))
    const authenticatorData = this.#authenticatorData(twist)
    const clientHash = createHash('sha256').update(clientData).digest()
    const digest = this.#options.algorithm === 'EdDSA' ? null : 'sha256'
    const signature = sign(digest, Buffer.concat([authenticatorData, clientHash]), this.#privateKey)
    return {
      credential_id: this.credentialId,
      client_data_json: base64urlEncode(clientData),
      authenticator_data: base64urlEncode(authenticatorData),
      signature: base64urlEncode(signature),
    }
  }

  /** A registration as a page sends it, without attestation; `challenge` in base64url. */
  register(challenge: string): Readonly<Record<string, unknown>> {
    const { origin } = this.#options
    const clientData = JSON.stringify({
      type: 'webauthn.create',
      challenge,
      origin,
      crossOrigin: false,
    })
    const id = Buffer.from(this.credentialId, 'base64url')
    const key = Buffer.from(this.publicKey, 'base64url')
    const head = this.#authenticatorData({
      flags: FLAG_USER_PRESENT | FLAG_USER_VERIFIED | FLAG_ATTESTED,
    })
    const attested = Buffer.concat([head, Buffer.alloc(16), Uint8Array.of(0, id.length), id, key])
    const text = (value: string): Buffer =>
      Buffer.concat([cborHead(3, value.length), Buffer.from(value)])
    const attestationObject = Buffer.concat([
      cborHead(5, 3),
      ...[text('fmt'), text('none'), text('attStmt'), cborHead(5, 0), text('authData')],
      ...[cborHead(2, attested.length), attested],
    ])
    return {
      id: this.credentialId,
      rawId: this.credentialId,
      type: 'public-key',
      authenticatorAttachment: 'platform',
      clientExtensionResults: { credProps: { rk: true } },
      response: {
        clientDataJSON: base64urlEncode(Buffer.from(clientData)),
        attestationObject: base64urlEncode(attestationObject),
        transports: ['internal'],
        publicKeyAlgorithm: -7,
      },
    }
  }

  #clientData(challenge: Uint8Array, twist: AssertionTwist): string {
    return JSON.stringify({
      type: twist.type ?? 'webauthn.get',
      challenge: base64urlEncode(challenge),
      origin: twist.origin ?? this.#options.origin,
      crossOrigin: twist.crossOrigin ?? false,
      ...(twist.topOrigin === undefined ? {} : { topOrigin: twist.topOrigin }),
    })
  }

  #authenticatorData(twist: AssertionTwist): Buffer {
    const rpIdHash = createHash('sha256')
      .update(twist.rpId ?? this.#options.rpId)
      .digest()
    const flags = twist.flags ?? FLAG_USER_PRESENT | FLAG_USER_VERIFIED
    return Buffer.concat([
      rpIdHash,
      Uint8Array.of(flags, 0, 0, 0, 0),
      twist.extensions ?? new Uint8Array(),
    ])
  }
}

/**
 * Written out and read again: a key whose generator was not collected yet can lock up its own export as
 * a JWK in Node 20, which collects garbage while it holds that key's lock.
 */
function makeKeys(algorithm: AuthenticatorAlgorithm): {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
} {
  const encoding = { format: 'der', type: 'pkcs8' } as const
  const key = generatedKey(algorithm).export(encoding)
  const privateKey = createPrivateKey({ key, ...encoding })
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

function generatedKey(algorithm: AuthenticatorAlgorithm): KeyObject {
  if (algorithm === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  if (algorithm === 'EdDSA') return generateKeyPairSync('ed25519').privateKey
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
}

/** COSE_Key (RFC 9052) in CTAP2's canonical order: kty, alg, then the key's own members. */
function coseKeyOf(key: KeyObject): Uint8Array {
  const jwk = key.export({ format: 'jwk' })
  const member = (name: 'x' | 'y' | 'n' | 'e'): Uint8Array => {
    const value = jwk[name]
    if (typeof value !== 'string') throw new TypeError(`no ${name} in the key`)
    return Buffer.from(value, 'base64url')
  }
  if (jwk.kty === 'EC') {
    return cborMap([1, 2], [3, -7], [-1, 1], [-2, member('x')], [-3, member('y')])
  }
  if (jwk.kty === 'OKP') return cborMap([1, 1], [3, -8], [-1, 6], [-2, member('x')])
  return cborMap([1, 3], [3, -257], [-1, member('n')], [-2, member('e')])
}

function cborMap(...members: readonly (readonly [number, number | Uint8Array])[]): Uint8Array {
  const parts = [cborHead(5, members.length)]
  for (const [name, value] of members) {
    parts.push(cborInteger(name))
    if (typeof value === 'number') parts.push(cborInteger(value))
    else parts.push(cborHead(2, value.length), value)
  }
  return Buffer.concat(parts)
}

function cborInteger(value: number): Uint8Array {
  return value < 0 ? cborHead(1, -1 - value) : cborHead(0, value)
}

function cborHead(major: number, argument: number): Uint8Array {
  const first = major << 5
  if (argument < 24) return Uint8Array.of(first | argument)
  if (argument < 256) return Uint8Array.of(first | 24, argument)
  return Uint8Array.of(first | 25, argument >> 8, argument & 255)
}
