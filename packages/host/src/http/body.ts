import { parseJsonObject, readShape, type Shape } from '@trustgw/protocol'
import { type Refused, refused } from './problem.ts'

export const BODY_MAX_BYTES: number = 256 * 1024
/** `application/json`, with no parameter but the charset that JSON has anyway. */
const JSON_TYPE = /^application\/json(?:\s*;\s*charset=utf-8)?$/i

export type Body<T> = { readonly ok: true; readonly value: T } | Refused

/** Reads a body up to the limit, parses it strictly and once, and reads it as the given shape. */
export async function readBody<T>(
  request: Request,
  shape: Shape<T>,
  maxBytes: number = BODY_MAX_BYTES,
): Promise<Body<T>> {
  if (!isJsonType(request.headers.get('content-type'))) return refused('content_type_refused')
  const bytes = await collect(request, maxBytes)
  if (bytes === undefined) return refused('body_too_large')
  const parsed = parseJsonObject(bytes, { maxBytes })
  if (!parsed.ok) return refused('json_refused', parsed.reason)
  const read = readShape(shape, parsed.value)
  return read.ok ? read : refused('body_invalid', read.detail)
}

export function isJsonType(header: string | null): boolean {
  return header !== null && JSON_TYPE.test(header)
}

/** The whole body, or undefined where it is over the limit. */
export async function collect(request: Request, maxBytes: number): Promise<Uint8Array | undefined> {
  const declared = Number(request.headers.get('content-length') ?? '0')
  if (!(declared <= maxBytes)) return undefined
  const parts: Uint8Array[] = []
  let total = 0
  const reader = request.body?.getReader()
  if (reader === undefined) return new Uint8Array()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return Buffer.concat(parts)
    total += value.length
    if (total > maxBytes) {
      await reader.cancel()
      return undefined
    }
    parts.push(value)
  }
}
