import {
  checkFreezeSeal,
  type FreezeKeys,
  type FreezePlane,
  type FreezeStatement,
  type JwsVerifier,
  ok,
  type Result,
  refuse,
  type ThawStatement,
  type UnverifiedNotice,
} from '@trustgw/protocol'
import type { PublicKeys } from '../crypto/public-keys.ts'

/**
 * The keys of each plane as they were when the statement was made: a freeze outlives the key that said
 * it. Nothing is believed of a key's future.
 */
export function freezeKeysAt(
  keys: Pick<PublicKeys, 'keyFor'>,
  { at }: FreezeStatement | ThawStatement,
  now: number,
): FreezeKeys {
  const time = Math.min(at, now)
  const lookups: { readonly [P in FreezePlane]: (kid: string) => JwsVerifier | undefined } = {
    operator: keys.keyFor({ role: 'operator' }),
    host: keys.keyFor({ role: 'host', component: 'host', at: time }),
    gateway: keys.keyFor({ role: 'audit', component: 'gateway', at: time }),
  }
  return (plane, kid) => lookups[plane](kid)
}

/**
 * Who vouches for a notice, for a plane that has no pins (gateway, host, log): any plane's seal freezes;
 * the operator's thaws or revokes, and the host's word that an admin's passkey did. NOT checked: that passkey;
 * executors do, and what they believe is what counts.
 */
export function verifyNoticeSeal(
  unverified: UnverifiedNotice,
  keys: Pick<PublicKeys, 'keyFor'>,
  now: number,
): Result<string> {
  const { statement, assertion } = unverified.notice
  const sealed = checkFreezeSeal(unverified, freezeKeysAt(keys, statement, now))
  if (!sealed.ok || sealed.value === 'operator') return sealed
  const isForPerson = sealed.value === 'host' && assertion !== null
  if (statement.typ === 'trustgw/thaw/1') {
    return isForPerson ? ok('host') : refuse('thaw_not_allowed')
  }
  return isForPerson && statement.final === true ? ok(`host for ${statement.by}`) : sealed
}
