import { hashText, pinKey, signPinRevocation, type TenantId, utf8Encode } from '@trustgw/protocol'
import { BusFault, sha256 } from '@trustgw/runtime'
import type { HostDeps } from '../deps.ts'
import type { PasskeyRecord } from '../people/person.ts'

export interface RevokePinsDeps {
  readonly tenant: TenantId
  readonly pins: HostDeps['pins']
  readonly hostKey: HostDeps['hostKey']
  readonly clock: HostDeps['clock']
}

export type RevokePins = (passkeys: readonly PasskeyRecord[], reason: string) => Promise<void>

/**
 * The host's word to every executor that passkeys count for nothing any more, for good
 * (spec/protocol.md §4 "Trust roots"). Given for unpinned ones too, since an executor may hold pins
 * that the host never saw. `BusFault` where one could not be stored.
 */
export function pinRevoker({ tenant, pins, hostKey, clock }: RevokePinsDeps): RevokePins {
  return async (passkeys, reason) => {
    for (const { id } of passkeys) {
      const said = { tenant, credential_id: id, at: clock.now(), reason }
      const token = signPinRevocation(said, hostKey)
      const stored = await pins.create(pinKey(tenant, hashText(sha256, token)), utf8Encode(token))
      // The same word of the same moment stands there already.
      if (!stored.ok && (await pins.get(pinKey(tenant, hashText(sha256, token)))) === undefined) {
        throw new BusFault('store_refused', 'the place of a revocation is taken')
      }
    }
  }
}
