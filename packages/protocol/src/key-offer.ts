/**
 * What planes say of grant keys (spec/protocol.md §4 "Key sets"): a gateway offers its next one, a
 * plane says that one is void. Neither makes a key believed.
 */
import { base64urlDecode } from './bytes.ts'
import { msField, nameField, publicKeyField, reasonField } from './fields.ts'
import { type JwsSigner, type JwsVerifier, signJws, verifyJws } from './jws.ts'
import { ok, type Result, refuse } from './result.ts'
import {
  nullableShape,
  objectShape,
  oneOfShape,
  readShape,
  type Shape,
  stringShape,
} from './shape.ts'

export const KEY_OFFER_TYP = 'key-offer+jwt'
export const KEY_POSSESSION_TYP = 'key-possession+jwt'
export const KEY_REVOCATION_TYP = 'key-revocation+jwt'
export const KEY_OFFER_MAX_BYTES = 4_096
export const KEY_REVOCATION_MAX_BYTES = 4_096

const POSSESSION_MAX_BYTES = 2_048

/** The next grant key of one gateway, which made it and keeps its private half. */
export interface KeyOffer {
  readonly v: 1
  readonly kid: string
  readonly public_key: string
  /** The kid of the key that it is to take over from; null where that gateway has none. */
  readonly replaces: string | null
  readonly offered_at: number
  /** JWS of {@link KEY_POSSESSION_TYP} by the offered key, over `kid` and `offered_at`. */
  readonly possession: string
}

/** One plane's word that a grant key is void. */
export interface KeyRevocation {
  readonly v: 1
  readonly kid: string
  readonly at: number
  readonly reason: string
}

export const keyOfferShape: Shape<KeyOffer> = objectShape({
  v: oneOfShape(1),
  kid: nameField,
  public_key: publicKeyField,
  replaces: nullableShape(nameField),
  offered_at: msField,
  possession: stringShape({ min: 1, max: POSSESSION_MAX_BYTES, characters: 'token' }),
})

export const keyRevocationShape: Shape<KeyRevocation> = objectShape({
  v: oneOfShape(1),
  kid: nameField,
  at: msField,
  reason: reasonField,
})

const possessionShape = objectShape({ v: oneOfShape(1), kid: nameField, offered_at: msField })

interface Signer {
  readonly kid: string
  readonly sign: JwsSigner
}

/** Signed by the gateway's audit key, around the offered key's own signature: it is held there. */
export function signKeyOffer(
  offer: Omit<KeyOffer, 'v' | 'possession'>,
  by: { readonly sign: JwsSigner; readonly audit: Signer },
): string {
  const { kid, offered_at } = offer
  const { audit, sign } = by
  const possession = signJws(
    { typ: KEY_POSSESSION_TYP, kid, payload: { v: 1, kid, offered_at } },
    sign,
  )
  const payload = { v: 1, ...offer, possession }
  return signJws({ typ: KEY_OFFER_TYP, kid: audit.kid, payload }, audit.sign)
}

/** Reads an offer for which a gateway vouches, of a key that is held by who offers it. */
export function readKeyOffer(
  token: string,
  deps: {
    /** Keys of role `audit` of the component `gateway`. */
    readonly auditKeyFor: (kid: string) => JwsVerifier | undefined
    readonly verifierOf: (publicKey: Uint8Array) => JwsVerifier | undefined
  },
): Result<KeyOffer, 'key_offer'> {
  const expected = { typ: KEY_OFFER_TYP, maxBytes: KEY_OFFER_MAX_BYTES, keyFor: deps.auditKeyFor }
  const verified = verifyJws(token, expected)
  const read = verified.ok ? readShape(keyOfferShape, verified.value.payload) : verified
  if (!read.ok) return refuse('key_offer', read.reason)
  const offer = read.value
  const raw = base64urlDecode(offer.public_key)
  const verify = raw === undefined ? undefined : deps.verifierOf(raw)
  const held = verifyJws(offer.possession, {
    typ: KEY_POSSESSION_TYP,
    maxBytes: POSSESSION_MAX_BYTES,
    keyFor: (kid) => (kid === offer.kid ? verify : undefined),
  })
  const shown = held.ok ? readShape(possessionShape, held.value.payload) : held
  const same =
    shown.ok && shown.value.kid === offer.kid && shown.value.offered_at === offer.offered_at
  return same ? ok(offer) : refuse('key_offer', 'possession')
}

export function signKeyRevocation(
  revocation: Omit<KeyRevocation, 'v'>,
  { kid, sign }: Signer,
): string {
  return signJws({ typ: KEY_REVOCATION_TYP, kid, payload: { v: 1, ...revocation } }, sign)
}

/** Reads a plane's word on a key. NOT checked: that the key is one which it may void. */
export function readKeyRevocation(
  token: string,
  keyFor: (kid: string) => JwsVerifier | undefined,
): Result<KeyRevocation, 'key_revocation'> {
  const expected = { typ: KEY_REVOCATION_TYP, maxBytes: KEY_REVOCATION_MAX_BYTES, keyFor }
  const verified = verifyJws(token, expected)
  if (!verified.ok) return refuse('key_revocation', verified.reason)
  const read = readShape(keyRevocationShape, verified.value.payload)
  return read.ok ? ok(read.value) : refuse('key_revocation', read.detail)
}
