import { isLiteralSubject } from '../bus/subject.ts'
import { RECORD_KEY_MAX_BYTES } from './record-store.ts'

const TENANT_AND_KEY_TOKENS = 2

/** The subject of `<tenant>.<key>` in a bucket; `TypeError` on anything else (a caller's mistake). */
export function bucketSubject(bucket: string, key: string): string {
  const tokens = key.split('.')
  if (tokens.length !== TENANT_AND_KEY_TOKENS || !isLiteralSubject(key)) {
    throw new TypeError('a stored key is <tenant>.<key>')
  }
  if (Buffer.byteLength(key) > RECORD_KEY_MAX_BYTES) throw new TypeError('stored key too long')
  return `$KV.${bucket}.${key}`
}

/** The filter for `prefix` (`<tenant>`), or for the whole bucket. */
export function bucketFilter(bucket: string, prefix: string | undefined): string {
  if (prefix === undefined) return `$KV.${bucket}.>`
  if (!isLiteralSubject(prefix)) throw new TypeError('a prefix is whole tokens')
  return `$KV.${bucket}.${prefix}.>`
}

/** The key of a subject of the bucket; `undefined` for another subject. */
export function keyOfSubject(bucket: string, subject: string): string | undefined {
  const start = `$KV.${bucket}.`
  return subject.startsWith(start) ? subject.slice(start.length) : undefined
}
