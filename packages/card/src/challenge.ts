import {
  base64urlEncode,
  hexDecode,
  type Sha256,
  type SignedStatement,
  statementHash,
} from '@trustgw/protocol'

/** base64url of the SHA-256 of a statement's canonical form: what a passkey signs. */
export function challengeOf(statement: SignedStatement, sha256: Sha256): string {
  const digest = hexDecode(statementHash(sha256, statement).slice('sha256:'.length))
  return base64urlEncode(digest ?? new Uint8Array())
}
