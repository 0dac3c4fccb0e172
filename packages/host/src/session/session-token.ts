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
import {
  generationField,
  type SessionId,
  type SessionKind,
  sessionIdField,
} from './session-record.ts'

const SESSION_ISS = 'trustgw/host'
/** No token of one kind is ever read as the other. */
const TYPES = { portal: 'session+jwt', terminal: 'terminal+jwt' } as const
const AUDIENCES = { portal: 'trustgw/portal', terminal: 'trustgw/terminal' } as const
const SESSION_TOKEN_MAX_BYTES = 2_048
const LATEST_S = 8_640_000_000_000

/** The claims of RFC 7519 in whole seconds; `sid` and `generation` together name one token. */
interface SessionClaims {
  readonly iss: typeof SESSION_ISS
  readonly aud: (typeof AUDIENCES)[SessionKind]
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
  aud: oneOfShape(AUDIENCES.portal, AUDIENCES.terminal),
  tenant: stringShape({ min: 1, max: 31, characters: 'token' }),
  sub: personIdField,
  sid: sessionIdField,
  generation: generationField,
  iat: secondsField,
  exp: secondsField,
})

/** A session token by what it says, times in milliseconds. */
export interface SessionToken {
  readonly kind: SessionKind
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
    aud: AUDIENCES[token.kind],
    tenant,
    sub: token.person,
    sid: token.sid,
    generation: token.generation,
    iat: Math.floor(token.issuedAt / 1_000),
    exp: Math.floor(token.expiresAt / 1_000),
  }
  return signJws({ typ: TYPES[token.kind], kid: key.kid, payload: { ...claims } }, key.sign)
}

/** `undefined`: forged, of another kind, key or tenant, or expired. */
export function readSessionToken(
  { tenant, key }: TokenIssuer,
  kind: SessionKind,
  text: string | undefined,
  now: number,
): SessionToken | undefined {
  if (text === undefined) return undefined
  const verified = verifyJws(text, {
    typ: TYPES[kind],
    maxBytes: SESSION_TOKEN_MAX_BYTES,
    keyFor: (kid) => (kid === key.kid ? key.verify : undefined),
  })
  if (!verified.ok) return undefined
  const claims = readShape(claimsShape, verified.value.payload)
  if (!claims.ok || claims.value.tenant !== tenant) return undefined
  const { aud, sub, sid, generation, iat, exp } = claims.value
  if (aud !== AUDIENCES[kind]) return undefined
  if (now >= exp * 1_000) return undefined
  return { kind, person: sub, sid, generation, issuedAt: iat * 1_000, expiresAt: exp * 1_000 }
}
