import {
  browserSupportsWebAuthn,
  startAuthentication,
  startRegistration,
  WebAuthnError,
} from '@simplewebauthn/browser'
import type { Answer, PasskeyResponse } from './api.ts'
import type { CreationOptions, RequestOptions } from './shapes.ts'

/** Passkeys of this device. User verification is always required. Never throws. */
export interface Passkeys {
  readonly create: (options: CreationOptions) => Promise<Answer<PasskeyResponse>>
  readonly sign: (options: RequestOptions) => Promise<Answer<PasskeyResponse>>
}

const CEREMONY_TIMEOUT_MS = 120_000

/** The browser's own WebAuthn. */
export function browserPasskeys(): Passkeys {
  return {
    create: (options) => guarded(() => create(options)),
    sign: (options) => guarded(() => sign(options)),
  }
}

function create(options: CreationOptions): Promise<PasskeyResponse> {
  return startRegistration({
    optionsJSON: {
      challenge: options.challenge,
      rp: { id: options.rp.id, name: options.rp.name },
      user: { ...options.user },
      pubKeyCredParams: options.pubKeyCredParams.map(({ alg }) => ({ type: 'public-key', alg })),
      excludeCredentials: descriptors(options.excludeCredentials ?? []),
      authenticatorSelection: {
        residentKey: 'required',
        requireResidentKey: true,
        userVerification: 'required',
      },
      attestation: 'none',
      timeout: options.timeout ?? CEREMONY_TIMEOUT_MS,
    },
  })
}

function sign(options: RequestOptions): Promise<PasskeyResponse> {
  return startAuthentication({
    optionsJSON: {
      challenge: options.challenge,
      rpId: options.rpId,
      allowCredentials: descriptors(options.allowCredentials ?? []),
      userVerification: 'required',
      timeout: options.timeout ?? CEREMONY_TIMEOUT_MS,
    },
  })
}

function descriptors(
  list: readonly { readonly id: string }[],
): { id: string; type: 'public-key' }[] {
  return list.map(({ id }) => ({ id, type: 'public-key' }))
}

async function guarded(ceremony: () => Promise<PasskeyResponse>): Promise<Answer<PasskeyResponse>> {
  if (!browserSupportsWebAuthn()) return refused('passkey_unavailable')
  try {
    return { ok: true, value: await ceremony() }
  } catch (error) {
    return refused(codeOf(error))
  }
}

function codeOf(error: unknown): string {
  const cause = error instanceof WebAuthnError ? error.cause : error
  const name = cause instanceof Error ? cause.name : ''
  return name === 'NotAllowedError' || name === 'AbortError'
    ? 'passkey_cancelled'
    : 'passkey_failed'
}

function refused(code: string): Answer<never> {
  return { ok: false, code, title: 'The passkey could not be used' }
}
