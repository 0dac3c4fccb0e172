import {
  hashText,
  pinKey,
  pinRevocationShape,
  readShape,
  signPinRevocation,
  utf8Encode,
} from '@trustgw/protocol'
import { type Settings, sha256 } from '@trustgw/runtime'
import { UsageFault } from '../command.ts'
import { openData } from '../install/data.ts'
import { tenantOf } from '../install/install.ts'
import { rootSigner } from './signers.ts'

/** The operator's word to every executor that a passkey counts for nothing any more. `BusFault`. */
export async function tellRevoked(
  settings: Settings,
  credential_id: string,
  reason: string,
): Promise<void> {
  const tenant = tenantOf(settings)
  const revocation = { tenant, credential_id, at: Date.now(), reason }
  if (!readShape(pinRevocationShape, { v: 1, ...revocation }).ok) {
    throw new UsageFault('not the id of a credential: see trustgw pins list')
  }
  const token = signPinRevocation(revocation, await rootSigner(settings))
  const link = await openData(settings)
  try {
    const key = pinKey(tenant, hashText(sha256, token))
    await link.records({ home: 'own', bucket: 'pins' }).create(key, utf8Encode(token))
  } finally {
    await link.bus.drain()
  }
}
