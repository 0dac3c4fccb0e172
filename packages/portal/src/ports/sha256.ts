import { sha256 as digest } from '@noble/hashes/sha2.js'
import { hexEncode, utf8Encode } from '@trustgw/protocol'

/** Synchronous SHA-256, since WebCrypto's is not: what is shown and what is hashed never part. */
export function sha256(data: string | Uint8Array): string {
  return hexEncode(digest(typeof data === 'string' ? utf8Encode(data) : data))
}
