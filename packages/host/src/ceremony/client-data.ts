import { base64urlDecode, parseJsonObject } from '@trustgw/protocol'

const CLIENT_DATA_MAX_BYTES = 4_096

/**
 * Whether a ceremony ran in the top page of its own origin. The library accepts `crossOrigin: true`
 * without `topOrigin`, and looks at neither when a passkey is made (spec/protocol.md §4 step 4).
 * Type, challenge and origin are NOT checked here.
 */
export function isSameOriginCeremony(clientDataJson: string): boolean {
  const bytes = base64urlDecode(clientDataJson)
  if (bytes === undefined) return false
  const parsed = parseJsonObject(bytes, { maxBytes: CLIENT_DATA_MAX_BYTES })
  if (!parsed.ok) return false
  const { crossOrigin, topOrigin } = parsed.value
  return (crossOrigin === undefined || crossOrigin === false) && topOrigin === undefined
}
