import {
  type PasskeyAssertion,
  type PinStatement,
  POLICY_ADMIN_ROLE,
  readPinNotice,
  readPinRevocation,
  type TenantId,
  utf8Decode,
} from '@trustgw/protocol'
import { challengeOf, checkAssertion, type RelyingParty, responseOf } from '../ceremony/passkeys.ts'
import type { HostDeps, HostKey } from '../deps.ts'
import type { PersonRecord } from '../people/person.ts'

/** What the bus says of one credential; executors judge it by their own pins. */
export type PinState =
  | { readonly kind: 'pinned'; readonly by: string; readonly at: number }
  | { readonly kind: 'revoked'; readonly at: number }

export interface KnownPinsDeps {
  readonly tenant: TenantId
  readonly party: RelyingParty
  /** The bucket `pins`. */
  readonly pins: HostDeps['pins']
  readonly trust: HostDeps['trust']
  readonly hostKey: HostKey
  readonly log: HostDeps['log']
}

/**
 * Pins and revocations that this host can vouch for, by credential id: the bucket has other writers, and
 * what one of them made up must not pass for a pin. A revocation outranks every pin.
 */
export async function knownPins(
  people: readonly PersonRecord[],
  deps: KnownPinsDeps,
): Promise<ReadonlyMap<string, PinState>> {
  const { tenant, pins, log } = deps
  const known = new Map<string, PinState>()
  for (const { key, value } of await pins.list(tenant)) {
    const state = value[0] === BRACE ? await pinOf(value, people, deps) : revocationOf(value, deps)
    if (state === undefined) log.warn('pin_not_shown', { key })
    else if (known.get(state.credential)?.kind !== 'revoked') known.set(state.credential, state.pin)
  }
  return known
}

interface OfCredential {
  readonly credential: string
  readonly pin: PinState
}

async function pinOf(
  value: Uint8Array,
  people: readonly PersonRecord[],
  { tenant, party }: KnownPinsDeps,
): Promise<OfCredential | undefined> {
  const read = readPinNotice(value)
  if (!read.ok || read.value.statement.tenant !== tenant) return undefined
  const { statement, assertion } = read.value
  const admin = people.find(({ person }) => person === statement.admin)
  if (admin === undefined || !(await isSigned(party, admin, statement, assertion))) return undefined
  const { credential_id, at } = statement
  return { credential: credential_id, pin: { kind: 'pinned', by: statement.admin, at } }
}

async function isSigned(
  party: RelyingParty,
  { roles, approval }: PersonRecord,
  statement: PinStatement,
  assertion: PasskeyAssertion,
): Promise<boolean> {
  const passkey = approval.find(({ id }) => id === assertion.credential_id)
  if (passkey === undefined || !roles.includes(POLICY_ADMIN_ROLE)) return false
  return await checkAssertion(party, challengeOf(statement), passkey, responseOf(assertion))
}

function revocationOf(
  value: Uint8Array,
  { tenant, trust, hostKey }: KnownPinsDeps,
): OfCredential | undefined {
  const text = utf8Decode(value)
  const read = readPinRevocation(
    text.ok ? text.value : '',
    (kid) =>
      trust.operatorKeyFor(kid) ??
      trust.gatewayAuditKeyFor(kid) ??
      (kid === hostKey.kid ? hostKey.verify : undefined),
  )
  if (!read.ok || read.value.tenant !== tenant) return undefined
  const { credential_id, at } = read.value
  return { credential: credential_id, pin: { kind: 'revoked', at } }
}

/** A notice is JSON, a revocation a token. */
const BRACE: number = '{'.charCodeAt(0)
