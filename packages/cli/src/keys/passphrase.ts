import { type Passphrase, readPassphrase, type Settings } from '@trustgw/runtime'

/** What seals signing keys here; undefined where the settings name none. `FileFault`. */
export async function passphraseOf({ keys }: Settings): Promise<Passphrase> {
  return keys.passphrase_file === '' ? undefined : await readPassphrase(keys.passphrase_file)
}
