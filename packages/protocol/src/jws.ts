import { base64urlDecode, base64urlEncode, utf8Decode, utf8Encode } from './bytes.ts'
import { canonicalize } from './canonical.ts'
import { type JsonObject, parseJsonObject } from './json.ts'
import { Fault, ok, type Result, refuse } from './result.ts'

/** The only algorithm; there is no other mode (spec/protocol.md §4). */
export const JWS_ALGORITHM = 'EdDSA'
export const JWS_HEADER_MAX_BYTES = 512
export const ED25519_SIGNATURE_BYTES = 64

const HEADER_MEMBERS = 3
/** Nothing that could mean a path, a query or a pattern to whoever looks the key up. */
const KID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/
const TYP = /^[A-Za-z0-9][A-Za-z0-9.+/-]{0,63}$/
const DOT = '.'

export type JwsRefusal =
  | 'jws_too_large'
  | 'jws_format'
  | 'jws_header_member'
  | 'jws_alg'
  | 'jws_typ'
  | 'jws_kid_unknown'
  | 'jws_signature'
  | 'jws_payload'

export interface JwsContent {
  readonly typ: string
  readonly kid: string
  readonly payload: JsonObject
}

/** Ed25519 over the ASCII signing input. */
export interface JwsSigner {
  (input: string): Uint8Array
}

/** True when the signature is the key's over the ASCII signing input. */
export interface JwsVerifier {
  (input: string, signature: Uint8Array): boolean
}

export interface JwsExpectation {
  readonly typ: string
  /** Longest token, in bytes. */
  readonly maxBytes: number
  /** Verifier of a key that may sign this `typ`; undefined when there is none. */
  readonly keyFor: (kid: string) => JwsVerifier | undefined
}

export interface VerifiedJws {
  readonly kid: string
  readonly payload: JsonObject
}

/**
 * Compact JWS (RFC 7515, RFC 8037) with the header `alg`, `kid`, `typ` and the payload in
 * canonical form. Faults: `jws_content` (a `kid` or `typ` that no verifier would take),
 * `jws_signer` (the function did not give 64 bytes).
 */
export function signJws(content: JwsContent, sign: JwsSigner): string {
  const { typ, kid, payload } = content
  if (!KID.test(kid) || !TYP.test(typ)) throw new Fault('jws_content', 'kid or typ not allowed')
  const header = encodeJson({ alg: JWS_ALGORITHM, kid, typ })
  const input = header + DOT + encodeJson(payload)
  const signature = sign(input)
  if (signature.length !== ED25519_SIGNATURE_BYTES) {
    throw new Fault('jws_signer', 'an Ed25519 signature has 64 bytes')
  }
  return input + DOT + base64urlEncode(signature)
}

function encodeJson(value: JsonObject): string {
  return base64urlEncode(utf8Encode(canonicalize(value)))
}

/**
 * Verifies, and only then gives the payload: there is no way to read a token unverified. Checks
 * in order, cheap ones first: size, before bytes become a text; three parts of canonical base64url; header (strict JSON with
 * exactly `alg`, `typ`, `kid`); `alg`; `typ`; a known `kid`; signature; payload (a strict JSON
 * object). Claims (times, issuer, audience) are NOT checked here.
 */
export function verifyJws(
  token: string | Uint8Array,
  expected: JwsExpectation,
): Result<VerifiedJws, JwsRefusal> {
  const parts = split(token, expected.maxBytes)
  if (!parts.ok) return parts
  const kid = readHeader(parts.value.header, expected.typ)
  if (!kid.ok) return kid
  const verify = expected.keyFor(kid.value)
  if (verify === undefined) return refuse('jws_kid_unknown')
  if (!verify(parts.value.input, parts.value.signature)) return refuse('jws_signature')
  const payload = parseJsonObject(parts.value.payload, { maxBytes: expected.maxBytes })
  if (!payload.ok) return refuse('jws_payload', payload.reason)
  return ok({ kid: kid.value, payload: payload.value })
}

interface Parts {
  readonly input: string
  readonly header: Uint8Array
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

function split(
  token: string | Uint8Array,
  maxBytes: number,
): Result<Parts, 'jws_too_large' | 'jws_format'> {
  // A token that passes is ASCII, so its length in units is its length in bytes.
  if (token.length > maxBytes) return refuse('jws_too_large')
  const text = typeof token === 'string' ? ok(token) : utf8Decode(token)
  if (!text.ok) return refuse('jws_format')
  const [head, body, tail, ...rest] = text.value.split(DOT, 4)
  if (head === undefined || body === undefined || tail === undefined || rest.length > 0) {
    return refuse('jws_format')
  }
  if (head.length > JWS_HEADER_MAX_BYTES) return refuse('jws_too_large')
  // A part of the text that came: joining its parts anew costs as much as reading them.
  const input = text.value.slice(0, head.length + DOT.length + body.length)
  return decode(input, { head, body, tail })
}

function decode(
  input: string,
  { head, body, tail }: { readonly head: string; readonly body: string; readonly tail: string },
): Result<Parts, 'jws_format'> {
  const header = base64urlDecode(head)
  const payload = base64urlDecode(body)
  const signature = base64urlDecode(tail)
  if (header === undefined || payload === undefined || signature === undefined) {
    return refuse('jws_format')
  }
  if (signature.length !== ED25519_SIGNATURE_BYTES) return refuse('jws_format')
  return ok({ input, header, payload, signature })
}

type HeaderRefusal = 'jws_format' | 'jws_header_member' | 'jws_alg' | 'jws_typ' | 'jws_kid_unknown'

/** The `kid` of a header that has exactly the three members, the algorithm and the type. */
function readHeader(bytes: Uint8Array, typ: string): Result<string, HeaderRefusal> {
  const header = parseJsonObject(bytes, { maxBytes: JWS_HEADER_MAX_BYTES, maxDepth: 8 })
  if (!header.ok) return refuse('jws_format', header.reason)
  const { alg, kid, typ: named, ...others } = header.value
  if (alg !== JWS_ALGORITHM) return refuse('jws_alg')
  if (Object.keys(others).length > 0) return refuse('jws_header_member')
  if (Object.keys(header.value).length !== HEADER_MEMBERS) return refuse('jws_header_member')
  if (named !== typ) return refuse('jws_typ')
  if (typeof kid !== 'string' || !KID.test(kid)) return refuse('jws_kid_unknown')
  return ok(kid)
}
