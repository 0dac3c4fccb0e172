import type { KeySetSigner, Settings } from '@trustgw/runtime'
import { type Context, type Flag, flagText, InputFault } from '../../command.ts'
import { passphraseOf } from '../../keys/passphrase.ts'
import { rootSigner, rotationSigner } from '../../keys/signers.ts'

export const KEY_FLAG: Flag = {
  type: 'string',
  value: 'FILE',
  text: 'sign with this rotation key instead of the operator’s root',
}

/** Who signs the next key set: the operator's root, or a rotation key that was named. */
export async function signerOf(context: Context, settings: Settings): Promise<KeySetSigner> {
  const file = flagText(context, 'key')
  if (file === undefined) return rootSigner(settings)
  const signer = await rotationSigner(file, await passphraseOf(settings))
  if (signer === undefined) throw new InputFault('key_missing', `there is no key ${file}`)
  return signer
}
