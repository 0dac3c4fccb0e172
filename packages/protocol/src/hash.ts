import { canonicalize } from './canonical.ts'
import type { Json } from './json.ts'
import { Fault, ok, type Result, refuse } from './result.ts'

declare const hashBrand: unique symbol

/** `sha256:` and 64 lower-case hex digits (spec/protocol.md §2). */
export type Hash = string & { readonly [hashBrand]: true }

/** SHA-256 as 64 lower-case hex digits; a string is hashed as its UTF-8 bytes. */
export interface Sha256 {
  (data: string | Uint8Array): string
}

const HASH = /^sha256:[0-9a-f]{64}$/

function isHash(text: string): text is Hash {
  return HASH.test(text)
}

export type HashRefusal = 'hash_format'

/** Accepts exactly the written form; does not check what was hashed. */
export function parseHash(text: string): Result<Hash, HashRefusal> {
  return isHash(text) ? ok(text) : refuse('hash_format')
}

/** Hash of a text's UTF-8 bytes, or of bytes. */
export function hashText(sha256: Sha256, data: string | Uint8Array): Hash {
  const text = `sha256:${sha256(data)}`
  if (!isHash(text)) throw new Fault('sha256_contract', 'sha256 must give 64 lower-case hex digits')
  return text
}

/** Hash of the canonical form: `input_hash`, `contract_hash` (spec/protocol.md §2). */
export function hashJson(sha256: Sha256, value: Json): Hash {
  return hashText(sha256, canonicalize(value))
}
