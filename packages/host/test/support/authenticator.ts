import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** What a test changes in a ceremony to see it refused. */
export interface Twist {
  readonly origin?: string
  readonly rpId?: string
  readonly type?: string
  readonly challenge?: string
  readonly crossOrigin?: boolean
  readonly userVerified?: boolean
  readonly userHandle?: string
  readonly flipSignature?: boolean
  readonly id?: string
}

const COORDINATE_BYTES = 32
const USER_PRESENT = 0x01
const USER_VERIFIED = 0x04
const ATTESTED = 0x40

/** One ES256 passkey in software. */
export class SoftwarePasskey {
  readonly id: string
  readonly userHandle: string
  readonly #key: KeyObject
  readonly #cose: Buffer
  readonly #origin: string
  readonly #rpId: string

  constructor(origin: string, rpId: string, userHandle: string) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    // The uncompressed point (SEC 1 §2.3.3) ends it; as a JWK, Node 20 can lock up over a new key.
    const point = publicKey.export({ format: 'der', type: 'spki' }).subarray(-2 * COORDINATE_BYTES)
    this.id = randomBytes(16).toString('base64url')
    this.userHandle = userHandle
    this.#key = privateKey
    this.#cose = Buffer.concat([
      Buffer.from('a5010203262001215820', 'hex'),
      point.subarray(0, COORDINATE_BYTES),
      Buffer.from('225820', 'hex'),
      point.subarray(COORDINATE_BYTES),
    ])
    this.#origin = origin
    this.#rpId = rpId
  }

  get publicKey(): string {
    return this.#cose.toString('base64url')
  }

  register(challenge: string, twist: Twist = {}): Record<string, unknown> {
    const id = Buffer.from(twist.id ?? this.id, 'base64url')
    const length = Buffer.alloc(2)
    length.writeUInt16BE(id.length)
    const attested = Buffer.concat([Buffer.alloc(16), length, id, this.#cose])
    const authData = Buffer.concat([this.#head(ATTESTED, twist), attested])
    const attestationObject = Buffer.concat([
      Buffer.from([0xa3]),
      cborText('fmt'),
      cborText('none'),
      cborText('attStmt'),
      Buffer.from([0xa0]),
      cborText('authData'),
      cborBytes(authData),
    ])
    return {
      id: id.toString('base64url'),
      rawId: id.toString('base64url'),
      type: 'public-key',
      authenticatorAttachment: 'platform',
      clientExtensionResults: { credProps: { rk: true } },
      response: {
        clientDataJSON: this.#clientData('webauthn.create', challenge, twist).toString('base64url'),
        attestationObject: attestationObject.toString('base64url'),
        transports: ['internal'],
        publicKeyAlgorithm: -7,
      },
    }
  }

  assert(challenge: string, twist: Twist = {}): Record<string, unknown> {
    const client = this.#clientData('webauthn.get', challenge, twist)
    const authData = this.#head(0, twist)
    const clientHash = createHash('sha256').update(client).digest()
    const signature = sign('sha256', Buffer.concat([authData, clientHash]), this.#key)
    if (twist.flipSignature === true) signature[10] = (signature[10] ?? 0) ^ 1
    return {
      id: twist.id ?? this.id,
      rawId: twist.id ?? this.id,
      type: 'public-key',
      clientExtensionResults: {},
      response: {
        clientDataJSON: client.toString('base64url'),
        authenticatorData: authData.toString('base64url'),
        signature: signature.toString('base64url'),
        userHandle: twist.userHandle ?? Buffer.from(this.userHandle).toString('base64url'),
      },
    }
  }

  #head(flags: number, twist: Twist): Buffer {
    const rpIdHash = createHash('sha256')
      .update(twist.rpId ?? this.#rpId)
      .digest()
    const verified = twist.userVerified === false ? 0 : USER_VERIFIED
    return Buffer.concat([
      rpIdHash,
      Buffer.from([USER_PRESENT | verified | flags]),
      Buffer.alloc(4),
    ])
  }

  #clientData(type: string, challenge: string, twist: Twist): Buffer {
    return Buffer.from(
      JSON.stringify({
        type: twist.type ?? type,
        challenge: twist.challenge ?? challenge,
        origin: twist.origin ?? this.#origin,
        crossOrigin: twist.crossOrigin ?? false,
      }),
    )
  }
}

function cborText(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x60 + text.length]), Buffer.from(text)])
}

function cborBytes(bytes: Buffer): Buffer {
  const head = Buffer.alloc(3)
  head.writeUInt8(0x59, 0)
  head.writeUInt16BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}
