import { type Hash, parseHash } from './hash.ts'
import { type ActionId, type GrantId, parseActionId, parseGrantId } from './ids.ts'
import { ok } from './result.ts'
import { arrayShape, integerShape, parsedShape, type Shape, stringShape } from './shape.ts'
import { type Profile, parseProfile, parseTenantId, type TenantId } from './subjects.ts'

/** Milliseconds since the epoch. */
export type UnixMs = number
/** Seconds since the epoch, as JSON Web Tokens write them (RFC 7519 §2). */
export type UnixSeconds = number

const LATEST_MS = 8_640_000_000_000_000
const NAME_MAX_CHARS = 128
const TITLE_MAX_CHARS = 200
const REASON_MAX_CHARS = 500
const LABELS_MAX = 32

export const tenantField: Shape<TenantId> = parsedShape(
  stringShape({ max: 31, characters: 'token' }),
  'tenant',
  parseTenantId,
)
export const profileField: Shape<Profile> = parsedShape(
  stringShape({ max: 31, characters: 'token' }),
  'profile',
  parseProfile,
)
export const hashField: Shape<Hash> = parsedShape(
  stringShape({ max: 71, characters: 'token' }),
  'sha256',
  parseHash,
)
export const actionIdField: Shape<ActionId> = parsedShape(
  stringShape({ max: 30, characters: 'token' }),
  'action-id',
  parseActionId,
)
export const grantIdField: Shape<GrantId> = parsedShape(
  stringShape({ max: 30, characters: 'token' }),
  'grant-id',
  parseGrantId,
)
/** A name that a machine compares: visible ASCII, no space. */
export const nameField: Shape<string> = stringShape({
  min: 1,
  max: NAME_MAX_CHARS,
  characters: 'token',
})
export const titleField: Shape<string> = stringShape({ max: TITLE_MAX_CHARS })
/** One line that a person wrote or reads. */
export const reasonField: Shape<string> = stringShape({ max: REASON_MAX_CHARS })
export const labelsField: Shape<readonly string[]> = arrayShape(nameField, { max: LABELS_MAX })
export const msField: Shape<UnixMs> = integerShape({ min: 0, max: LATEST_MS })
export const secondsField: Shape<UnixSeconds> = integerShape({ min: 0, max: LATEST_MS / 1000 })
export const countField: Shape<number> = integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER })

/** base64url without padding; length in characters. */
export function base64urlField(limits: {
  readonly min: number
  readonly max: number
}): Shape<string> {
  return parsedShape(stringShape({ ...limits, characters: 'token' }), 'base64url', (text) =>
    /^[A-Za-z0-9_-]*$/.test(text) ? ok(text) : { ok: false, reason: 'base64url' },
  )
}

const PUBLIC_KEY_CHARS = 43
/** A raw Ed25519 key. */
export const publicKeyField: Shape<string> = base64urlField({
  min: PUBLIC_KEY_CHARS,
  max: PUBLIC_KEY_CHARS,
})
