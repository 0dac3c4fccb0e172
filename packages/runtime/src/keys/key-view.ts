import { base64urlDecode, type KeyEntry, type VerifiedKeySet } from '@trustgw/protocol'
import { keyFingerprint } from '../crypto/key-files.ts'
import type { KeyBook } from './key-book.ts'

export type KeyStanding = 'active' | 'not_yet' | 'ended' | 'revoked'

/** A listed key, in words for people; times in milliseconds. */
export interface KeyView {
  readonly kid: string
  readonly role: KeyEntry['role']
  readonly component: string
  readonly status: KeyStanding
  readonly since: number
  /** When it ended or ends, or was revoked; null: nobody said when. */
  readonly until: number | null
  readonly fingerprint: string
}

/** The newest key set that a process verified. */
export interface KeySetView {
  readonly epoch: number
  /** Who signed it: the operator’s root, or the rotation key that it delegated to. */
  readonly signed_by: VerifiedKeySet['by']
  readonly keys: readonly KeyView[]
}

/** Every key that is believed, will be or was, by what this process knows now. */
export function viewKeySet(
  book: Pick<KeyBook, 'newest' | 'revokedSince'>,
  now: number,
): KeySetView {
  const { set, by } = book.newest
  return {
    epoch: set.epoch,
    signed_by: by,
    keys: set.keys.map((entry) => viewOf(entry, book, now)),
  }
}

function viewOf(entry: KeyEntry, book: Pick<KeyBook, 'revokedSince'>, now: number): KeyView {
  const { kid, role, component, not_before, not_after, public_key } = entry
  const revoked = entry.status === 'revoked' ? entry.since : book.revokedSince(kid)
  return {
    kid,
    role,
    component,
    status: revoked === undefined ? standingOf(entry, now) : 'revoked',
    since: not_before,
    until: revoked ?? not_after,
    fingerprint: keyFingerprint(base64urlDecode(public_key) ?? new Uint8Array()),
  }
}

function standingOf({ not_before, not_after }: KeyEntry, now: number): KeyStanding {
  if (now < not_before) return 'not_yet'
  return not_after !== null && now >= not_after ? 'ended' : 'active'
}
