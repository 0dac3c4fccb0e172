import type { IncomingMessage } from 'node:http'
import { type JsonObject, parseJsonObject } from '@trustgw/protocol'
import type { ProblemCode } from './problem.ts'

/** Largest body of a request. */
export const BODY_MAX_BYTES = 1_048_576
/** How much of a body that is too large is thrown away so that its sender reads the answer. */
const DISCARD_MAX_BYTES = 16_777_216
/** How long a body may take. */
export const BODY_TIMEOUT_MS = 20_000

export type BodyOutcome =
  | { readonly ok: true; readonly value: JsonObject }
  | { readonly ok: false; readonly reason: ProblemCode; readonly detail?: string }

const CONTENT_TYPE = /^application\/json(?:\s*;\s*charset\s*=\s*"?utf-8"?)?\s*$/i

/**
 * The body of a request, read within its limits and parsed once, strictly (spec/protocol.md §2).
 * `detail` is the parser's code and the byte offset: `json_syntax at byte 17`. A body that is too
 * large is read on without being kept, so that a client that is still sending gets the answer.
 */
export async function readJsonBody(
  request: IncomingMessage,
  maxBytes: number = BODY_MAX_BYTES,
): Promise<BodyOutcome> {
  if (!CONTENT_TYPE.test(request.headers['content-type'] ?? '')) {
    return { ok: false, reason: 'content_type_refused' }
  }
  if (request.headers['content-encoding'] !== undefined) {
    return {
      ok: false,
      reason: 'content_type_refused',
      detail: 'Content-Encoding is not supported',
    }
  }
  const bytes = await readBytes(request, maxBytes)
  if (typeof bytes === 'string')
    return { ok: false, reason: bytes, detail: `at most ${maxBytes} bytes` }
  const parsed = parseJsonObject(bytes, { maxBytes })
  if (parsed.ok) return parsed
  const at = byteOffset(bytes, parsed.detail)
  const detail = at === undefined ? parsed.reason : `${parsed.reason} at byte ${at}`
  return { ok: false, reason: 'json_refused', detail }
}

function readBytes(
  request: IncomingMessage,
  maxBytes: number,
): Promise<Uint8Array | 'body_too_large' | 'body_timeout'> {
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = []
    let size = 0
    const done = (outcome: Uint8Array | 'body_too_large' | 'body_timeout'): void => {
      clearTimeout(timer)
      request.off('data', take).off('end', end).off('close', broken)
      request.resume()
      resolve(outcome)
    }
    const take = (chunk: Uint8Array): void => {
      size += chunk.length
      if (size <= maxBytes) chunks.push(chunk)
      else chunks.length = 0
      if (size > DISCARD_MAX_BYTES) done('body_too_large')
    }
    const end = (): void => done(size > maxBytes ? 'body_too_large' : Buffer.concat(chunks))
    // A body that broke off is never taken for a whole one, even if what came is JSON.
    const broken = (): void => done(size > maxBytes ? 'body_too_large' : 'body_timeout')
    const timer = setTimeout(broken, BODY_TIMEOUT_MS)
    request.on('data', take).on('end', end).on('close', broken)
  })
}

/** The parser tells characters of the decoded text; clients think in bytes of what they sent. */
function byteOffset(bytes: Uint8Array, detail: string | undefined): number | undefined {
  const [unit, count] = (detail ?? '').split(' ')
  const at = Number(count)
  if (unit === 'byte') return at
  if (unit !== 'char' || !Number.isSafeInteger(at)) return undefined
  return Buffer.byteLength(new TextDecoder('utf-8').decode(bytes).slice(0, at))
}
