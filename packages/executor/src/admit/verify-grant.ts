import {
  CLOCK_SKEW_MAX_SECONDS,
  GRANT_TTL_MAX_SECONDS,
  GRANTED_ACTION_MAX_BYTES,
  type GrantClaims,
  type GrantedAction,
  type GrantRefusal,
  grantedActionShape,
  grantHash,
  type Hash,
  type JwsVerifier,
  type Profile,
  parseJson,
  readGrant,
  readShape,
  type Sha256,
} from '@trustgw/protocol'
import { type Admission, type AdmissionReason, refused } from './reasons.ts'
import { makeStage, type StageToken } from './stage.ts'

/** The grant is genuine, for this profile, and of now. What it grants is not checked yet. */
export type VerifiedGrant = StageToken<'verified_grant'>

export interface VerifiedGrantValue {
  readonly claims: GrantClaims
  /** Of the key that signed it. */
  readonly kid: string
  readonly grant_hash: Hash
  readonly action: GrantedAction
}

export interface GrantCheckDeps {
  readonly profile: Profile
  /** Gateway keys of role `grant`, of the newest key set that this executor verified. */
  readonly grantKeyFor: (kid: string) => JwsVerifier | undefined
  readonly sha256: Sha256
}

const stage = makeStage<'verified_grant', VerifiedGrantValue>('verified_grant')
export const openVerifiedGrant: (token: VerifiedGrant) => VerifiedGrantValue = stage.open

const MESSAGE_MAX_DEPTH = 80

/**
 * Step 1 of spec/protocol.md §4. NOT checked yet: the beat of host and log.
 * `nowMs` is milliseconds since the epoch.
 */
export function verifyGrant(
  bytes: Uint8Array,
  deps: GrantCheckDeps,
  nowMs: number,
): Admission<VerifiedGrant> {
  const limits = { maxBytes: GRANTED_ACTION_MAX_BYTES, maxDepth: MESSAGE_MAX_DEPTH }
  const parsed = parseJson(bytes, limits)
  if (!parsed.ok) return refused('message_malformed', parsed.reason)
  const action = readShape(grantedActionShape, parsed.value)
  if (!action.ok) return refused('message_malformed', action.detail)
  let kid = ''
  const grant = readGrant(action.value.grant, (named) => {
    kid = named
    return deps.grantKeyFor(named)
  })
  if (!grant.ok) return refused(grantReason(grant.reason, grant.detail), grant.detail)
  const claims = grant.value
  if (claims.aud !== deps.profile) return refused('grant_audience')
  const timing = timeProblem(claims, nowMs)
  if (timing !== undefined) return refused(timing)
  const grant_hash = grantHash(deps.sha256, action.value.grant)
  return { ok: true, value: stage.mint({ claims, kid, grant_hash, action: action.value }) }
}

const REASON_OF: { readonly [R in GrantRefusal]: AdmissionReason } = {
  jws_too_large: 'grant_too_large',
  jws_format: 'grant_format',
  jws_header_member: 'grant_header_member',
  jws_alg: 'grant_alg',
  jws_typ: 'grant_typ',
  jws_kid_unknown: 'grant_key_unknown',
  jws_signature: 'grant_signature',
  jws_payload: 'grant_claims',
  shape: 'grant_claims',
}

function grantReason(reason: GrantRefusal, detail: string | undefined): AdmissionReason {
  return reason === 'shape' && detail === '#/iss: value' ? 'grant_issuer' : REASON_OF[reason]
}

function timeProblem(claims: GrantClaims, nowMs: number): AdmissionReason | undefined {
  const { iat, nbf, exp } = claims
  if (exp <= iat || exp - iat > GRANT_TTL_MAX_SECONDS || nbf < iat || nbf >= exp) {
    return 'grant_lifetime'
  }
  const now = nowMs / 1000
  if (Math.max(iat, nbf) > now + CLOCK_SKEW_MAX_SECONDS) return 'grant_not_yet_valid'
  return exp + CLOCK_SKEW_MAX_SECONDS <= now ? 'grant_expired' : undefined
}
