const NAMES = /"(?:[^"\\]|\\.)*"\s*:/g

export type BodyReading =
  | { readonly ok: true; readonly value: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly reason: 'json_malformed' | 'json_not_flat' | 'json_duplicate' }

/** True for a JSON object (not null, not an array). */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Reads bytes as one JSON object of strings, numbers, booleans and nulls: UTF-8 without
 * replacement, no nesting, no name twice.
 */
export function readFlatObject(bytes: Buffer): BodyReading {
  let source: string
  let value: unknown
  try {
    source = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(source)
  } catch {
    return { ok: false, reason: 'json_malformed' }
  }
  if (!isRecord(value)) return { ok: false, reason: 'json_not_flat' }
  const nested = Object.values(value).some((item) => typeof item === 'object' && item !== null)
  if (nested) return { ok: false, reason: 'json_not_flat' }
  // In a flat object a string before a colon is a name, so counting them finds a repeated one,
  // which JSON.parse would drop silently.
  const names = source.match(NAMES)?.length ?? 0
  if (names !== Object.keys(value).length) return { ok: false, reason: 'json_duplicate' }
  return { ok: true, value: Object.freeze({ ...value }) }
}
