import type { IncomingMessage } from 'node:http'
import { type BodyReading, readFlatObject } from './json.ts'

const MAX_BODY_BYTES = 16 * 1024
const JSON_TYPE = /^application\/json(?:\s*;\s*charset=utf-8)?$/i

export type JsonBody =
  | BodyReading
  | { readonly ok: false; readonly reason: 'content_type_unsupported' | 'body_too_large' }

/**
 * Reads a request's body as one flat JSON object. Refuses any other or an encoded content type,
 * and what exceeds MAX_BODY_BYTES, without keeping it.
 */
export async function readJsonBody(request: IncomingMessage): Promise<JsonBody> {
  const type = request.headers['content-type'] ?? ''
  if (!JSON_TYPE.test(type) || request.headers['content-encoding'] !== undefined) {
    return { ok: false, reason: 'content_type_unsupported' }
  }
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) {
    return { ok: false, reason: 'body_too_large' }
  }
  const chunks: Buffer[] = []
  let size = 0
  // Events, not iteration: leaving an iterator destroys the socket before the refusal is sent.
  const complete = await new Promise<boolean>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= MAX_BODY_BYTES) chunks.push(chunk)
      else resolve(false)
    })
    request.once('end', () => resolve(true))
    request.once('error', reject)
  })
  if (!complete) return { ok: false, reason: 'body_too_large' }
  return readFlatObject(Buffer.concat(chunks))
}
