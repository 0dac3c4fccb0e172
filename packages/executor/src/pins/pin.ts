import {
  arrayShape,
  base64urlDecode,
  base64urlEncode,
  nameField,
  objectShape,
  ok,
  oneOfShape,
  parsedShape,
  refuse,
  type Shape,
  stringShape,
  type TenantId,
  tenantField,
} from '@trustgw/protocol'
import { CoseKey } from '../admit/cose-key.ts'

/** An approver whom this executor trusts (spec/protocol.md §4). */
export interface Pin {
  readonly tenant: TenantId
  /** Id of the person in the tenant; a person may have several pins. */
  readonly person: string
  readonly roles: readonly string[]
  /** base64url of the credential id. */
  readonly credential_id: string
  /** base64url of the COSE public key. */
  readonly public_key: string
  readonly rp_id: string
  /** Full origins, as the browser writes them: `https://approve.example`. */
  readonly origins: readonly string[]
}

export interface PinFile {
  readonly version: 1
  readonly pins: readonly Pin[]
  /** Credentials that were pinned once. A revoked credential is never pinned again. */
  readonly revoked: readonly string[]
}

export const PINS_MAX = 1_000
const ROLES_MAX = 32
const ORIGINS_MAX = 8

const bytesField = (max: number): Shape<string> =>
  parsedShape(stringShape({ min: 1, max, characters: 'token' }), 'base64url', (text) => {
    const bytes = base64urlDecode(text)
    return bytes !== undefined && base64urlEncode(bytes) === text ? ok(text) : refuse('base64url')
  })

const coseField: Shape<string> = parsedShape(bytesField(1_400), 'cose-key', (text) => {
  const bytes = base64urlDecode(text)
  return bytes !== undefined && CoseKey.parse(bytes) !== undefined ? ok(text) : refuse('cose_key')
})

const RP_ID = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/
const rpIdField: Shape<string> = parsedShape(
  stringShape({ min: 1, max: 253, characters: 'token' }),
  'rp-id',
  (text) => (RP_ID.test(text) ? ok(text) : refuse('rp_id')),
)

const LOOPBACK_ORIGIN = /^http:\/\/(?:[a-z0-9-]{1,63}\.)*localhost(?::[0-9]{1,5})?$/
const originField: Shape<string> = parsedShape(
  stringShape({ min: 8, max: 300, characters: 'token' }),
  'origin',
  (text) => {
    if (!URL.canParse(text) || new URL(text).origin !== text) return refuse('origin')
    return text.startsWith('https://') || LOOPBACK_ORIGIN.test(text) ? ok(text) : refuse('origin')
  },
)

export const pinShape: Shape<Pin> = objectShape({
  tenant: tenantField,
  person: nameField,
  roles: arrayShape(nameField, { max: ROLES_MAX }),
  credential_id: bytesField(1_400),
  public_key: coseField,
  rp_id: rpIdField,
  origins: arrayShape(originField, { min: 1, max: ORIGINS_MAX }),
})

export const pinFileShape: Shape<PinFile> = objectShape({
  version: oneOfShape(1),
  pins: arrayShape(pinShape, { max: PINS_MAX }),
  revoked: arrayShape(bytesField(1_400), { max: PINS_MAX }),
})
