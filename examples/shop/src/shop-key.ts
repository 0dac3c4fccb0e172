import { createHash, timingSafeEqual } from 'node:crypto'
import { open } from 'node:fs/promises'
import { ShopError } from './shop-error.ts'

const KEY_SHAPE = /^[\x21-\x7e]{16,256}$/
const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/i
const MAX_KEY_FILE_BYTES = 1024
const OTHERS_MASK = 0o077

/**
 * Reads the key from a file that only its owner can read; one trailing newline is dropped.
 * Throws ShopError `key_file_exposed` or `bad_key`.
 */
export async function readKeyFile(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const stat = await file.stat()
    if ((stat.mode & OTHERS_MASK) !== 0) {
      throw new ShopError('key_file_exposed', 'The key file is open to others: chmod 600 it.')
    }
    if (stat.size > MAX_KEY_FILE_BYTES) throw badKey()
    return checkKey((await file.readFile('utf8')).replace(/\r?\n$/, ''))
  } finally {
    await file.close()
  }
}

/** Returns the key, or throws ShopError `bad_key` when it could not serve as one. */
export function checkKey(key: string): string {
  if (!KEY_SHAPE.test(key)) throw badKey()
  return key
}

/**
 * Judges Authorization headers against one key. Digests are compared, so neither length nor
 * content of the key shows in the time taken, and the key itself is not kept.
 */
export function bearerCheck(key: string): (authorization: string | undefined) => boolean {
  const expected = digest(checkKey(key))
  return (authorization) => {
    const presented = BEARER.exec(authorization ?? '')?.[1] ?? ''
    return timingSafeEqual(digest(presented), expected)
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function badKey(): ShopError {
  return new ShopError('bad_key', 'The shop key is 16 to 256 visible ASCII characters.')
}
