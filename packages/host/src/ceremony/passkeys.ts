import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server'
import {
  base64urlDecode,
  base64urlEncode,
  type JsonObject,
  type PasskeyAssertion,
  type SignedStatement,
  statementHash,
  utf8Encode,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { hashAsChallenge } from '../crypto.ts'
import {
  type PasskeyPurpose,
  type PasskeyRecord,
  type PersonId,
  type PersonRecord,
  userHandle,
} from '../people/person.ts'
import { isSameOriginCeremony } from './client-data.ts'
import type { AssertionResponse, RegistrationResponse } from './passkey-response.ts'

/** What the executor can verify too: EdDSA, ES256, RS256. */
const ALGORITHMS: readonly number[] = [-8, -7, -257]
/** Attestations that name no maker: `packed` here is self-attestation. */
const ATTESTATIONS: readonly string[] = ['none', 'packed']
/** How long a browser waits for the person. */
export const PASSKEY_TIMEOUT_MS = 120_000
const RP_NAME = 'Trust Gateway'

/** Where ceremonies of this host run. */
export interface RelyingParty {
  readonly origin: string
  readonly rpId: string
}

/** By whom a passkey is asked; one and the same where an installation has one origin and RP ID. */
export interface Parties {
  readonly login: RelyingParty
  /** Approval passkeys in the portal: made there, and used there for all but approvals. */
  readonly portal: RelyingParty
  /** Where approvals are signed. */
  readonly approval: RelyingParty
}

/** Where a pinned passkey may sign: the origin for approvals first. */
export function pinnedOrigins({ approval, portal }: Parties): readonly string[] {
  return [...new Set([approval.origin, portal.origin])]
}

export function challengeOf(statement: SignedStatement): string {
  return hashAsChallenge(statementHash(sha256, statement))
}

export interface CreationRequest {
  readonly challenge: string
  readonly purpose: PasskeyPurpose
  readonly person: PersonId
  readonly name: string
  /** Passkeys of the same person and purpose: a device that holds one makes no second over it. */
  readonly exclude?: readonly string[]
}

/** PublicKeyCredentialCreationOptionsJSON (WebAuthn level 3 §5.1.8). */
export function creationOptions(party: RelyingParty, request: CreationRequest): JsonObject {
  const label = request.purpose === 'login' ? 'sign-in' : 'approvals'
  const displayName = `${request.name} (${label})`
  const id = base64urlEncode(utf8Encode(userHandle(request.purpose, request.person)))
  return {
    challenge: request.challenge,
    rp: { id: party.rpId, name: RP_NAME },
    user: { id, name: displayName, displayName },
    pubKeyCredParams: ALGORITHMS.map((alg) => ({ alg, type: 'public-key' })),
    excludeCredentials: (request.exclude ?? []).map((known) => ({ id: known, type: 'public-key' })),
    authenticatorSelection: {
      residentKey: 'required',
      requireResidentKey: true,
      userVerification: 'required',
    },
    attestation: 'none',
    timeout: PASSKEY_TIMEOUT_MS,
  }
}

/** PublicKeyCredentialRequestOptionsJSON; without ids the authenticator offers what it has. */
export function requestOptions(
  party: RelyingParty,
  challenge: string,
  credentialIds: readonly string[],
): JsonObject {
  return {
    challenge,
    rpId: party.rpId,
    allowCredentials: credentialIds.map((id) => ({ id, type: 'public-key' })),
    userVerification: 'required',
    timeout: PASSKEY_TIMEOUT_MS,
  }
}

/**
 * The passkey that a registration made, or `undefined`: wrong challenge, origin or RP ID, no user
 * verification, a framed page, an algorithm that executors cannot check, an attestation by a maker.
 */
export async function checkRegistration(
  party: RelyingParty,
  challenge: string,
  given: RegistrationResponse,
): Promise<Omit<PasskeyRecord, 'created_at'> | undefined> {
  if (!isSameOriginCeremony(given.response.clientDataJSON)) return undefined
  const transports = [...(given.response.transports ?? [])]
  try {
    const checked = await verifyRegistrationResponse({
      response: {
        id: given.id,
        rawId: given.rawId,
        type: given.type,
        clientExtensionResults: {},
        response: {
          clientDataJSON: given.response.clientDataJSON,
          attestationObject: given.response.attestationObject,
          transports,
        },
      },
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.rpId,
      requireUserPresence: true,
      requireUserVerification: true,
      supportedAlgorithmIDs: [...ALGORITHMS],
    })
    if (!checked.verified) return undefined
    const { credential, fmt } = checked.registrationInfo
    if (!ATTESTATIONS.includes(fmt) || credential.id !== given.id) return undefined
    const public_key = base64urlEncode(credential.publicKey)
    return { id: credential.id, public_key, rp_id: party.rpId, transports }
  } catch {
    // The library throws a plain Error for everything that it refuses.
    return undefined
  }
}

/**
 * Whether an assertion is by this passkey over this challenge, with user verification, in a page
 * of this origin that is not framed. The signature counter is not looked at: synced passkeys leave
 * it at zero, and every challenge is single-use.
 */
export async function checkAssertion(
  party: RelyingParty,
  challenge: string,
  passkey: PasskeyRecord,
  given: AssertionResponse,
): Promise<boolean> {
  const key = base64urlDecode(passkey.public_key)
  if (key === undefined || given.id !== passkey.id || passkey.rp_id !== party.rpId) return false
  if (!isSameOriginCeremony(given.response.clientDataJSON)) return false
  try {
    const checked = await verifyAuthenticationResponse({
      response: {
        id: given.id,
        rawId: given.rawId,
        type: given.type,
        clientExtensionResults: {},
        response: {
          clientDataJSON: given.response.clientDataJSON,
          authenticatorData: given.response.authenticatorData,
          signature: given.response.signature,
        },
      },
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.rpId,
      credential: { id: passkey.id, publicKey: new Uint8Array(key), counter: 0 },
      requireUserVerification: true,
    })
    return checked.verified
  } catch {
    // The library throws a plain Error for everything that it refuses.
    return false
  }
}

/** What a browser gave, as evidence carries it. */
function evidenceOf({ id, response }: AssertionResponse): PasskeyAssertion {
  const { clientDataJSON, authenticatorData, signature } = response
  return {
    credential_id: id,
    client_data_json: clientDataJSON,
    authenticator_data: authenticatorData,
    signature,
  }
}

/** Stored evidence as a browser gave it. */
export function responseOf(evidence: PasskeyAssertion): AssertionResponse {
  const { credential_id: id, client_data_json, authenticator_data, signature } = evidence
  const response = {
    clientDataJSON: client_data_json,
    authenticatorData: authenticator_data,
    signature,
  }
  return { id, rawId: id, type: 'public-key', response }
}

/**
 * A person's own signature over a statement by one of their approval passkeys; undefined for any
 * other. A passkey for signing in signs nothing but a login.
 */
export async function signedBy(
  party: RelyingParty,
  statement: SignedStatement,
  { approval }: Pick<PersonRecord, 'approval'>,
  given: AssertionResponse,
): Promise<PasskeyAssertion | undefined> {
  const passkey = approval.find(({ id }) => id === given.id)
  if (passkey === undefined) return undefined
  const holds = await checkAssertion(party, challengeOf(statement), passkey, given)
  return holds ? evidenceOf(given) : undefined
}
