import { readFile } from 'node:fs/promises'
import {
  type KeySetSigner,
  keyIdOf,
  loadSigningKey,
  type Passphrase,
  type Settings,
} from '@trustgw/runtime'
import { exists } from '../install/exists.ts'
import { layoutOf } from '../install/layout.ts'
import { delegationFile } from '../policy/sealer.ts'
import { passphraseOf } from './passphrase.ts'

/** The operator's root, which signs any key set. */
export async function rootSigner(settings: Settings): Promise<KeySetSigner> {
  const key = await loadSigningKey(layoutOf(settings).operatorKey, await passphraseOf(settings))
  return { kid: keyIdOf('operator', key.publicKey), sign: key.sign, delegation: null }
}

/** A rotation key with the operator's word for it beside it; undefined where there is none. */
export async function rotationSigner(
  keyFile: string,
  passphrase: Passphrase,
): Promise<KeySetSigner | undefined> {
  if (!(await exists(keyFile))) return undefined
  const key = await loadSigningKey(keyFile, passphrase)
  const delegation = (await readFile(delegationFile(keyFile), 'utf8')).trim()
  return { kid: keyIdOf('rotation', key.publicKey), sign: key.sign, delegation }
}
