import { randomBytes } from 'node:crypto'
import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs'

const OWNER_ONLY_MODE = 0o600

/**
 * Writes a file that only its owner can read, whole or not at all. Without `replace` an existing
 * file stays as it is and the call throws `EEXIST`.
 */
export function writePrivateFile(
  file: string,
  text: string,
  options: { readonly replace?: boolean } = {},
): void {
  const staged = `${file}.${randomBytes(8).toString('hex')}.tmp`
  try {
    writeFileSync(staged, text, { mode: OWNER_ONLY_MODE, flag: 'wx', flush: true })
    if (options.replace === true) renameSync(staged, file)
    else linkSync(staged, file)
  } finally {
    rmSync(staged, { force: true })
  }
}
