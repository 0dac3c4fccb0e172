/** Whose passkey executors may trust: fingerprints made in this browser, and what an admin signs. */
import { challengeOf } from '@trustgw/card'
import {
  base64urlDecode,
  ok,
  type PinStatement,
  passkeyFingerprint,
  type Result,
  refuse,
  type Sha256,
  statementHash,
} from '@trustgw/protocol'

const AT_TOLERANCE_MS = 60_000

/** An approval passkey of a person, as the host lists it. */
export interface ListedPasskey {
  readonly credential_id: string
  readonly public_key: string
  readonly rp_id: string
  readonly created_at: number
  readonly pin: PinView | null
}

export type PinView =
  | { readonly kind: 'pinned'; readonly by: string; readonly at: number }
  | { readonly kind: 'revoked'; readonly at: number }

export interface ListedPerson {
  readonly id: string
  readonly name: string
  readonly roles: readonly string[]
  readonly passkeys: readonly ListedPasskey[]
}

/** Eight groups of four hex digits; undefined for what is no key. */
export function fingerprintOf(
  { public_key }: Pick<ListedPasskey, 'public_key'>,
  sha256: Sha256,
): string | undefined {
  const bytes = base64urlDecode(public_key)
  return bytes === undefined ? undefined : passkeyFingerprint(sha256, bytes)
}

export type PinRefusal =
  /** Another tenant, person, role, key or place than on this page. */
  'statement_differs' | 'time_differs'

/** The challenge of exactly the pin on the page; the host gives time and nonce, and nothing else. */
export function signablePin(
  shown: { readonly person: ListedPerson; readonly passkey: ListedPasskey },
  offered: PinStatement,
  expected: {
    readonly tenant: PinStatement['tenant']
    readonly admin: string
    readonly origin: string
    readonly now: number
    readonly sha256: Sha256
  },
): Result<{ readonly challenge: string }, PinRefusal> {
  const { tenant, admin, origin, now, sha256 } = expected
  const { credential_id, public_key, rp_id } = shown.passkey
  const own: PinStatement = {
    typ: 'trustgw/pin/1',
    tenant,
    person: shown.person.id,
    roles: shown.person.roles,
    credential_id,
    public_key,
    rp_id,
    origins: [origin],
    admin,
    at: offered.at,
    nonce: offered.nonce,
  }
  if (statementHash(sha256, own) !== statementHash(sha256, offered))
    return refuse('statement_differs')
  if (Math.abs(offered.at - now) > AT_TOLERANCE_MS) return refuse('time_differs')
  return ok({ challenge: challengeOf(own, sha256) })
}
