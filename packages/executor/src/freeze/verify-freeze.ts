import {
  checkFreezeSeal,
  ok,
  POLICY_ADMIN_ROLE,
  type Result,
  refuse,
  type UnverifiedNotice,
} from '@trustgw/protocol'
import { freezeKeysAt, type PublicKeys } from '@trustgw/runtime'
import { checkPasskey, type PasskeyTrust } from '../pins/check-passkey.ts'

export interface FreezeTrust extends PasskeyTrust {
  readonly trust: PublicKeys
}

/**
 * Who vouches for a freeze or thaw (spec/protocol.md §4 "Freeze and thaw"). A freeze: any one plane's
 * seal, or the passkey of a person pinned here. A thaw: the operator's seal, or the passkey of an admin
 * pinned here; the seals of host and gateway thaw nothing. What is final needs what a thaw needs: of less
 * it is a freeze like any other. A seal that is there and does not hold refuses the notice, whatever else
 * vouches for it.
 */
export async function verifyFreeze(
  unverified: UnverifiedNotice,
  deps: FreezeTrust,
  now: number,
): Promise<Result<string>> {
  const { statement, seal } = unverified.notice
  const isFreeze = statement.typ === 'trustgw/freeze/1'
  const isFinal = isFreeze && statement.final === true
  let sealed: Result<string> | undefined
  if (seal !== null) {
    sealed = checkFreezeSeal(unverified, freezeKeysAt(deps.trust, statement, now))
    if (!sealed.ok || sealed.value === 'operator' || (isFreeze && !isFinal)) return sealed
  }
  const byPasskey = await byPerson(unverified, deps, isFreeze && !isFinal ? 'anyone' : 'admin')
  return byPasskey.ok || !isFinal ? byPasskey : (sealed ?? byPasskey)
}

async function byPerson(
  { notice: { statement, assertion } }: UnverifiedNotice,
  deps: FreezeTrust,
  who: 'anyone' | 'admin',
): Promise<Result<string>> {
  if (assertion === null) return refuse('thaw_not_allowed')
  const { tenant, by: person } = statement
  const role = who === 'admin' ? { role: POLICY_ADMIN_ROLE } : {}
  const checked = await checkPasskey(statement, assertion, { tenant, person, ...role }, deps)
  return checked.ok ? ok(`person ${person}`) : refuse('freeze_passkey', checked.detail)
}
