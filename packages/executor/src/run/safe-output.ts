import {
  canonicalize,
  type Hash,
  hashText,
  isJsonArray,
  isJsonObject,
  type Json,
  type Sha256,
  utf8Length,
} from '@trustgw/protocol'
import { holdsSecret, redactText } from '../connectors/redact.ts'

/** What the proposer may read of a tool's answer: bounded, and without this process's secrets. */
export interface SafeOutput {
  readonly output: Json
  readonly result_hash: Hash
  readonly raw_hash: Hash
}

export interface OutputLimits {
  readonly max_bytes: number
  readonly secrets: readonly string[]
}

/** An answer over the limit is withheld whole: half of a document says something else. */
export function makeSafe(raw: Json, limits: OutputLimits, sha256: Sha256): SafeOutput {
  const rawText = canonicalize(raw)
  const raw_hash = hashText(sha256, rawText)
  const bytes = utf8Length(rawText)
  if (bytes > limits.max_bytes) {
    const output = { withheld: 'result_too_large', bytes }
    return { output, result_hash: hashText(sha256, canonicalize(output)), raw_hash }
  }
  const output = scrub(raw, limits.secrets)
  return { output, result_hash: hashText(sha256, canonicalize(output)), raw_hash }
}

function scrub(value: Json, secrets: readonly string[]): Json {
  if (typeof value === 'string') {
    return holdsSecret(value, secrets) ? redactText(value, secrets) : value
  }
  if (isJsonArray(value)) return value.map((item) => scrub(item, secrets))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      holdsSecret(name, secrets) ? redactText(name, secrets) : name,
      scrub(item, secrets),
    ]),
  )
}
