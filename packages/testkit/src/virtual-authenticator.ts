import type { Page } from 'playwright-core'

export type VirtualCredential = {
  readonly credentialId: string
  readonly isResidentCredential: boolean
  readonly rpId?: string
  readonly userHandle?: string
  readonly signCount: number
}

export type VirtualAuthenticator = {
  readonly credentials: () => Promise<readonly VirtualCredential[]>
  /** false: the person fails to verify; a ceremony that requires it ends in NotAllowedError. */
  readonly setUserVerified: (isVerified: boolean) => Promise<void>
  /** false: nobody touches it, and a ceremony waits until somebody does. */
  readonly setPresent: (isPresent: boolean) => Promise<void>
  readonly remove: () => Promise<void>
}

/**
 * Gives the page a passkey device: CTAP 2, internal, resident keys, user verification, and a
 * person who is always present. It lasts until `remove` or the page's end. The private keys,
 * which the protocol would show, are left out of `credentials`.
 */
export async function addVirtualAuthenticator(page: Page): Promise<VirtualAuthenticator> {
  const session = await page.context().newCDPSession(page)
  await session.send('WebAuthn.enable')
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  return {
    credentials: async () => {
      const { credentials } = await session.send('WebAuthn.getCredentials', { authenticatorId })
      return credentials.map(({ credentialId, isResidentCredential, signCount, ...rest }) => ({
        credentialId,
        isResidentCredential,
        signCount,
        ...(rest.rpId !== undefined && { rpId: rest.rpId }),
        ...(rest.userHandle !== undefined && { userHandle: rest.userHandle }),
      }))
    },
    setUserVerified: async (isUserVerified) => {
      await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified })
    },
    setPresent: async (enabled) => {
      await session.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled })
    },
    remove: async () => {
      await session.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
      await session.detach()
    },
  }
}
