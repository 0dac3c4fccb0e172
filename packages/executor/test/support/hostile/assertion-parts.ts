import {
  type ApprovalStatement,
  approvalEvidencesShape,
  base64urlEncode,
  type DecisionRecord,
  type GrantedAction,
  hashJson,
  type Json,
  type JsonObject,
  readShape,
  type SignedStatement,
  signGrant,
  statementHash,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { Pin } from '../../../src/pins/pin.ts'
import { factsFor } from '../policy.ts'
import { ORIGIN, RP_ID, TENANT, type World } from '../world.ts'
import {
  cose,
  type Ecdsa,
  RSA_BYTES,
  seededP256,
  seededRsa,
  seededSigningKey,
  sha,
} from './keys.ts'
import type { CaseParts, Fate, HostileFile } from './vector-file.ts'

export const ARGUMENTS = '{"amount":"250.00","order_id":"ord_1001"}'
export const USER_PRESENT = 0x01
export const USER_VERIFIED = 0x04
export const GOOD_FLAGS: number = USER_PRESENT | USER_VERIFIED

/** The three kinds of credentials that are supported (WebAuthn level 3 §5.8.5). */
export type Kind = 'ES256' | 'EdDSA' | 'RS256'

/** A person's passkey in software, whose signatures are the same at each run. */
export interface Passkey {
  readonly person: string
  readonly credential_id: string
  readonly public_key: Uint8Array
  readonly sign: (data: Uint8Array) => Uint8Array
}

export const ES256_KEY: ReturnType<typeof seededP256> = seededP256('a passkey')
export const RSA_KEY: ReturnType<typeof seededRsa> = seededRsa('a passkey')
const ED_KEY = seededSigningKey(sha('a passkey'))

export function derOf({ r, s }: Ecdsa): Buffer {
  const body = [r, s].flatMap((value) => [...integerOf(value)])
  return Buffer.of(0x30, body.length, ...body)
}

/** A DER integer of the shortest form that is not negative. */
export function integerOf(value: bigint): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  const body = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes
  return Buffer.concat([Buffer.of(2, body.length), body])
}

/** DigestInfo of SHA-256 (RFC 8017 §9.2). */
export const DIGEST_INFO: Buffer = Buffer.from('3031300d060960864801650304020105000420', 'hex')

/** The padding of PKCS #1 v1.5 around it. */
export function paddedMessage(info: Uint8Array, length: number = RSA_BYTES): Buffer {
  const fill = new Uint8Array(length - 3 - info.length).fill(255)
  return Buffer.concat([Buffer.of(0, 1), fill, Buffer.of(0), info])
}

const credential = (name: string): string => base64urlEncode(sha('credential', name).subarray(16))

export const PASSKEYS: { readonly [K in Kind]: Passkey } = {
  ES256: {
    person: 'ana',
    credential_id: credential('ana'),
    public_key: cose([1, 2], [3, -7], [-1, 1], [-2, ES256_KEY.x], [-3, ES256_KEY.y]),
    sign: (data) => derOf(ES256_KEY.sign(data)),
  },
  EdDSA: {
    person: 'eddy',
    credential_id: credential('eddy'),
    public_key: cose([1, 1], [3, -8], [-1, 6], [-2, ED_KEY.publicKey]),
    sign: ED_KEY.signBytes,
  },
  RS256: {
    person: 'rosa',
    credential_id: credential('rosa'),
    public_key: cose([1, 3], [3, -257], [-1, RSA_KEY.n], [-2, Buffer.of(1, 0, 1)]),
    sign: (data) => RSA_KEY.raw(paddedMessage(Buffer.concat([DIGEST_INFO, sha(data)]))),
  },
}

const pinOf = (passkey: Pick<Passkey, 'person' | 'credential_id' | 'public_key'>): Pin => ({
  tenant: TENANT,
  person: passkey.person,
  roles: ['finance'],
  credential_id: passkey.credential_id,
  public_key: base64urlEncode(passkey.public_key),
  rp_id: RP_ID,
  origins: [ORIGIN],
})

/** Pins that hold a key which nobody should believe, by the name of their person. */
export interface OddPin {
  readonly person: string
  readonly public_key: Uint8Array
}

export function pinsOf(odd: readonly OddPin[]): readonly Pin[] {
  const people = Object.values(PASSKEYS).map(pinOf)
  const [ana] = people
  if (ana === undefined) throw new TypeError('no pin')
  return [
    ...people,
    { ...ana, person: 'ben', credential_id: credential('ben'), roles: ['legal'] },
    { ...ana, person: 'cem', tenant: 'other' as never, credential_id: credential('cem') },
    { ...ana, person: 'dan', rp_id: 'approve.example', origins: ['https://approve.example'] },
    ...odd.map(({ person, public_key }) =>
      pinOf({ person, public_key, credential_id: credential(person) }),
    ),
  ]
}

/** What is wrong about an assertion. Everything absent is as it should be. */
export interface Attempt {
  readonly kind?: Kind
  readonly person?: string
  /** Changed members of the client data, or the whole of it. */
  readonly client?: JsonObject | string | Uint8Array
  /** Changes the text of the client data. */
  readonly clientText?: (text: string) => string
  readonly challenge?: Uint8Array
  readonly statement?: Partial<ApprovalStatement>
  readonly flags?: number
  readonly rpId?: string
  readonly authenticatorData?: (good: Buffer) => Uint8Array
  /** In place of the signature over authenticator data and the hash of the client data. */
  readonly signature?: (signed: Buffer, passkey: Passkey) => Uint8Array
  /** Over something else than those two. */
  readonly signed?: (authenticatorData: Buffer, client: Buffer) => Uint8Array
  /** Changed members of the evidence and of the assertion in it. */
  readonly evidence?: JsonObject
  readonly assertion?: JsonObject
}

/** Makes approvals of one decision, with something wrong about each. */
export class ApprovalMaker {
  readonly file: HostileFile
  readonly decision: DecisionRecord
  readonly #world: World
  readonly #nonce: string

  constructor(file: HostileFile) {
    this.file = file
    this.#world = file.world
    this.decision = this.#world.decision(ARGUMENTS, factsFor(2))
    this.#nonce = base64urlEncode(sha('nonce').subarray(16))
  }

  statement(change: Partial<ApprovalStatement> = {}): ApprovalStatement {
    return this.#world.statement(this.decision, { nonce: this.#nonce, ...change })
  }

  challenge(statement: SignedStatement): Uint8Array {
    return Buffer.from(statementHash(sha256, statement).slice('sha256:'.length), 'hex')
  }

  evidence(attempt: Attempt): JsonObject {
    const passkey = PASSKEYS[attempt.kind ?? 'ES256']
    const approver = attempt.person ?? passkey.person
    const own = this.statement({ approver })
    const challenge = attempt.challenge ?? this.challenge({ ...own, ...attempt.statement })
    const client = clientDataOf(attempt, challenge)
    const good = Buffer.concat([
      sha(attempt.rpId ?? RP_ID),
      Buffer.of(attempt.flags ?? GOOD_FLAGS, 0, 0, 0, 0),
    ])
    const authenticatorData = Buffer.from(attempt.authenticatorData?.(good) ?? good)
    const signed = Buffer.from(
      attempt.signed?.(authenticatorData, client) ??
        Buffer.concat([authenticatorData, sha(client)]),
    )
    const signature = attempt.signature?.(signed, passkey) ?? passkey.sign(signed)
    const { nonce, decide_by, run_by } = own
    const assertion = {
      credential_id: this.#credentialOf(approver) ?? passkey.credential_id,
      client_data_json: base64urlEncode(client),
      authenticator_data: base64urlEncode(authenticatorData),
      signature: base64urlEncode(signature),
      ...attempt.assertion,
    }
    return { kind: 'passkey', approver, nonce, decide_by, run_by, assertion, ...attempt.evidence }
  }

  /** The whole message with these approvals, all named by its grant. */
  async granted(attempt: Attempt = {}): Promise<GrantedAction> {
    const action = await this.#world.granted({ decision: this.decision, evidence: [] })
    const evidence = readEvidence([this.evidence(attempt)])
    return { ...action, approvals: evidence, grant: this.#grantOf([this.evidence(attempt)]) }
  }

  add(name: string, expected: Fate, attempt: Attempt | readonly Attempt[]): void {
    const attempts = Array.isArray(attempt) ? attempt : [attempt]
    this.raw(
      name,
      expected,
      attempts.map((one) => this.evidence(one)),
    )
  }

  /** With evidence of any form. */
  raw(name: string, expected: Fate, approvals: readonly Json[], more: CaseParts = {}): void {
    const grant = this.#grantOf(approvals)
    this.file.add(name, expected, { ...more, members: { approvals, grant, ...more.members } })
  }

  #credentialOf(person: string): string | undefined {
    return this.#world.pins.find((pin) => pin.person === person)?.credential_id
  }

  #grantOf(approvals: readonly Json[]): string {
    const claims = this.#world.claims(this.decision, [], {
      approvals: approvals.map((one) => hashJson(sha256, one)),
    })
    return signGrant(claims, 'grant-1', this.#world.grantKey.sign)
  }
}

function clientDataOf(attempt: Attempt, challenge: Uint8Array): Buffer {
  const { client = {}, clientText = (text: string) => text } = attempt
  if (typeof client === 'string' || client instanceof Uint8Array) return Buffer.from(client)
  const members = {
    type: 'webauthn.get',
    challenge: base64urlEncode(challenge),
    origin: ORIGIN,
    crossOrigin: false,
    ...client,
  }
  return Buffer.from(clientText(JSON.stringify(members)))
}

function readEvidence(evidence: readonly JsonObject[]): GrantedAction['approvals'] {
  const read = readShape(approvalEvidencesShape, evidence)
  if (!read.ok) throw new TypeError(read.detail)
  return read.value
}
