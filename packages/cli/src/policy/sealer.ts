import { readFile } from 'node:fs/promises'
import type { BundleSealer } from '@trustgw/protocol'
import { keyIdOf, loadSigningKey, type Passphrase, type Settings } from '@trustgw/runtime'
import { layoutOf } from '../install/layout.ts'
import { passphraseOf } from '../keys/passphrase.ts'

/** The key with which bundles are sealed: the operator's own. */
export async function operatorSealer(settings: Settings): Promise<BundleSealer> {
  const key = await loadSigningKey(layoutOf(settings).operatorKey, await passphraseOf(settings))
  return { kid: keyIdOf('operator', key.publicKey), sign: key.sign, delegation: null }
}

/** The file beside a delegate's key that holds the operator's word for it. */
export const delegationFile = (keyFile: string): string => `${keyFile}.delegation`

/** A key to which the operator delegated the sealing, with the delegation beside it. */
export async function delegateSealer(
  keyFile: string,
  passphrase: Passphrase,
): Promise<BundleSealer> {
  const key = await loadSigningKey(keyFile, passphrase)
  const delegation = (await readFile(delegationFile(keyFile), 'utf8')).trim()
  return { kid: keyIdOf('policy', key.publicKey), sign: key.sign, delegation }
}
