import { base64urlEncode, type Hash, hexDecode, passkeyFingerprint } from '@trustgw/protocol'
import { type Random, sha256 } from '@trustgw/runtime'

/** 256 random bits, base64url: nonces, ceremony and session ids, secrets. */
export function newNonce(random: Random): string {
  return base64urlEncode(random.bytes(32))
}

/** The 32 bytes of a hash, base64url: the WebAuthn challenge of a statement. */
export function hashAsChallenge(hash: Hash): string {
  const bytes = hexDecode(hash.slice('sha256:'.length))
  if (bytes === undefined) throw new TypeError('not a hash')
  return base64urlEncode(bytes)
}

/** How people compare a passkey. */
export function credentialFingerprint(coseKey: Uint8Array): string {
  return passkeyFingerprint(sha256, coseKey)
}
