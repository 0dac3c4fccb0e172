import { hexEncode, utf8Encode } from './bytes.ts'
import type { Sha256 } from './hash.ts'
import { Fault } from './result.ts'
import type { TenantId } from './subjects.ts'

declare const storedKeyBrand: unique symbol

/** A key inside a bucket and tenant: parts joined by `_`, letters, digits and `-` inside them. */
export type StoredKey = string & { readonly [storedKeyBrand]: true }

/** Longest encoded part; above, the part is replaced by its SHA-256. */
export const STORED_KEY_PART_MAX_BYTES = 128

const PLAIN = /^[A-Za-z0-9]+$/
const STORED_KEY = /^[A-Za-z0-9-]+(?:_[A-Za-z0-9-]+)*$/
const BUCKET = /^[a-z][a-z0-9_]{0,31}$/
/** No encoded part starts so, since `-` is followed by two lower-case hex digits there. */
const HASHED_MARK = '-s'

function isStoredKey(text: string): text is StoredKey {
  return STORED_KEY.test(text)
}

/**
 * Key of the given parts (spec/protocol.md §2): UTF-8 bytes outside `[A-Za-z0-9]` become `-` and
 * two hex digits, parts are joined by `_`. Different lists of parts give different keys; a part
 * whose encoding is over 128 bytes becomes `-s` and the SHA-256 of the part.
 *
 * Faults: `stored_key_empty` (no part, or an empty one), `text_not_well_formed`.
 */
export function storedKey(sha256: Sha256, ...parts: readonly string[]): StoredKey {
  const key = parts.map((part) => encodePart(sha256, part)).join('_')
  if (!isStoredKey(key)) throw new Fault('stored_key_empty', 'a stored key needs a part')
  return key
}

function encodePart(sha256: Sha256, part: string): string {
  if (part === '') throw new Fault('stored_key_empty', 'a part of a stored key is never empty')
  const encoded = PLAIN.test(part) ? part : escape(part)
  return encoded.length > STORED_KEY_PART_MAX_BYTES ? HASHED_MARK + sha256(part) : encoded
}

function escape(part: string): string {
  let text = ''
  for (const byte of utf8Encode(part)) {
    const character = String.fromCharCode(byte)
    text += byte < 0x80 && PLAIN.test(character) ? character : `-${hexEncode(Uint8Array.of(byte))}`
  }
  return text
}

/** Subject of a key of a bucket. Fault `bucket_name` when the bucket is not a plain name. */
export function kvSubject(bucket: string, tenant: TenantId, key: StoredKey): string {
  if (!BUCKET.test(bucket)) throw new Fault('bucket_name', 'not the name of a bucket')
  return `$KV.${bucket}.${tenant}.${key}`
}
