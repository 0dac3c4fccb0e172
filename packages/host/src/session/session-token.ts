import {
  integerShape,
  objectShape,
  oneOfShape,
  readShape,
  type Shape,
  signJws,
  stringShape,
  type TenantId,
  verifyJws,
} from '@trustgw/protocol'
import type { HostKey } from '../deps.ts'
import { type PersonId, personIdField } from '../people/person.ts'
import { generationField, type SessionId, sessionIdField } from './session-record.ts'

const SESSION_TYP = 'session+jwt'
const SESSION_ISS = 'trustgw/host'
const SESSION_AUD = 'trustgw/portal'
const SESSION_TOKEN_MAX_BYTES = 2_048
const LATEST_S = 8_640_000_000_000

/** The claims of RFC 7519 in whole seconds; `sid` and `generation` together name one token. */
interface SessionClaims {
  readonly iss: typeof SESSION_ISS
  readonly aud: typeof SESSION_AUD
  readonly tenant: string
  readonly sub: PersonId
  readonly sid: SessionId
  readonly generation: number
  readonly iat: number
  readonly exp: number
}

const secondsField = integerShape({ min: 0, max: LATEST_S })

const claimsShape: Shape<SessionClaims> = objectShape({
  iss: oneOfShape(SESSION_ISS),
  aud: oneOfShape(SESSION_AUD),
  tenant: stringShape({ min: 1, max: 31, characters: 'token' }),
  sub: personIdField,
  sid: sessionIdField,
  generation: generationField,
  iat: secondsField,
  exp: secondsField,
})

/** A session token by what it says, times in milliseconds. */
export interface SessionToken {
  readonly person: PersonId
  readonly sid: SessionId
  readonly generation: number
  readonly issuedAt: number
  readonly expiresAt: number
}

export interface TokenIssuer {
  readonly tenant: TenantId
  readonly key: HostKey
}

/** Both times are drawn down to whole seconds, so no token outlives what it was made for. */
export function signSessionToken({ tenant, key }: TokenIssuer, token: SessionToken): string {
  const claims: SessionClaims = {
    iss: SESSION_ISS,
    aud: SESSION_AUD,
    tenant,
    sub: token.person,
    sid: token.sid,
    generation: token.generation,
    iat: Math.floor(token.issuedAt / 1_000),
    exp: Math.floor(token.expiresAt / 1_000),
  }
  return signJws({ typ: SESSION_TYP, kid: key.kid, payload: { ...claims } }, key.sign)
}

/** `undefined`: forged, of another kind, key or tenant, or expired. */
export function readSessionToken(
  { tenant, key }: TokenIssuer,
  text: string | undefined,
  now: number,
): SessionToken | undefined {
  if (text === undefined) return undefined
  const verified = verifyJws(text, {
    typ: SESSION_TYP,
    maxBytes: SESSION_TOKEN_MAX_BYTES,
    keyFor: (kid) => (kid === key.kid ? key.verify : undefined),
  })
  if (!verified.ok) return undefined
  const claims = readShape(claimsShape, verified.value.payload)
  if (!claims.ok || claims.value.tenant !== tenant) return undefined
  const { sub, sid, generation, iat, exp } = claims.value
  if (now >= exp * 1_000) return undefined
  return { person: sub, sid, generation, issuedAt: iat * 1_000, expiresAt: exp * 1_000 }
}
