import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { base64urlDecode, base64urlEncode } from '@trustgw/protocol'

/** Longest text that is unpacked, in UTF-8 bytes; a policy file may have 2 MiB. */
export const INFLATED_MAX_BYTES: number = 4 * 1024 * 1024

/** Raw DEFLATE (RFC 1951) in base64url, as policy bundles carry their files. */
export function deflateText(text: string): string {
  return base64urlEncode(new Uint8Array(deflateRawSync(Buffer.from(text, 'utf8'), { level: 9 })))
}

/** Undefined for what is no DEFLATE, is longer than {@link INFLATED_MAX_BYTES}, or is not UTF-8. */
export function inflateText(deflated: string): string | undefined {
  const bytes = base64urlDecode(deflated)
  if (bytes === undefined) return undefined
  try {
    const text = inflateRawSync(bytes, { maxOutputLength: INFLATED_MAX_BYTES })
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text)
  } catch {
    return undefined
  }
}
