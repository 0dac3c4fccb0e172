import { deflateRawSync, inflateRawSync } from 'node:zlib'
import {
  type BundledPolicy,
  base64urlDecode,
  base64urlEncode,
  POLICY_BUNDLE_TEXT_MAX_BYTES,
  POLICY_TEXT_MAX_BYTES,
  utf8Length,
} from '@trustgw/protocol'

/** Raw DEFLATE (RFC 1951) in base64url, as policy bundles carry their files. */
export function deflateText(text: string): string {
  return base64urlEncode(new Uint8Array(deflateRawSync(Buffer.from(text, 'utf8'), { level: 9 })))
}

/** Undefined for what is no DEFLATE, is longer than `maxBytes` in UTF-8, or is not UTF-8. */
export function inflateText(
  deflated: string,
  maxBytes: number = POLICY_TEXT_MAX_BYTES,
): string | undefined {
  const bytes = base64urlDecode(deflated)
  if (bytes === undefined) return undefined
  try {
    const text = inflateRawSync(bytes, { maxOutputLength: maxBytes })
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text)
  } catch {
    return undefined
  }
}

export interface PolicyText extends Omit<BundledPolicy, 'deflated'> {
  readonly text: string
}

/** All policies of a bundle; undefined where one cannot be unpacked, or all together are too long. */
export function inflatePolicies(
  policies: readonly BundledPolicy[],
): readonly PolicyText[] | undefined {
  const texts: PolicyText[] = []
  let left = POLICY_BUNDLE_TEXT_MAX_BYTES
  for (const { deflated, ...named } of policies) {
    const text = inflateText(deflated, Math.min(POLICY_TEXT_MAX_BYTES, left))
    if (text === undefined) return undefined
    left -= utf8Length(text)
    texts.push({ ...named, text })
  }
  return texts
}
