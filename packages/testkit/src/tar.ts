import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BrowserError } from './browser-error.ts'

const BLOCK_BYTES = 512
const TYPE_OFFSET = 156
const REGULAR_TYPES = ['0', '\0']
const DIRECTORY_TYPE = '5'
const SAFE_NAME = /^(?!.*(?:^|\/)\.\.(?:\/|$))[A-Za-z0-9_.][A-Za-z0-9_./-]*$/

/**
 * Writes a ustar archive's regular files below `folder`. Throws BrowserError `archive_malformed`
 * for any other kind of member, a name that leaves the folder, and an archive cut short.
 * Owners, modes and dates of the archive are ignored. Not checked: header checksums (the package
 * manager has checked the whole package).
 */
export async function unpackTar(archive: Buffer, folder: string): Promise<void> {
  let offset = 0
  while (offset + BLOCK_BYTES <= archive.length) {
    const header = archive.subarray(offset, offset + BLOCK_BYTES)
    if (header[0] === 0) return
    const name = readText(header, 0, 100)
    const size = Number.parseInt(readText(header, 124, 12).trim(), 8)
    const type = String.fromCharCode(header[TYPE_OFFSET] ?? 0)
    const start = offset + BLOCK_BYTES
    const end = start + size
    if (!SAFE_NAME.test(name) || !Number.isSafeInteger(size) || end > archive.length) {
      throw malformed(name)
    }
    if (REGULAR_TYPES.includes(type)) {
      const path = join(folder, name)
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await writeFile(path, archive.subarray(start, end), { mode: 0o600, flag: 'wx' })
    } else if (type !== DIRECTORY_TYPE) {
      throw malformed(name)
    }
    offset = start + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES
  }
  throw malformed('(end)')
}

function readText(header: Buffer, offset: number, length: number): string {
  const field = header.subarray(offset, offset + length)
  const end = field.indexOf(0)
  return field.subarray(0, end === -1 ? length : end).toString('latin1')
}

function malformed(name: string): BrowserError {
  return new BrowserError('archive_malformed', `Unusable archive member: ${JSON.stringify(name)}.`)
}
