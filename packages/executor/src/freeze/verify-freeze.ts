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
 * pinned here; the seals of host and gateway thaw nothing. A seal that is there and does not hold
 * refuses the notice, whatever else vouches for it.
 */
export async function verifyFreeze(
  unverified: UnverifiedNotice,
  deps: FreezeTrust,
  now: number,
): Promise<Result<string>> {
  const { statement, seal, assertion } = unverified.notice
  if (seal !== null) {
    const sealed = checkFreezeSeal(unverified, freezeKeysAt(deps.trust, statement, now))
    const mayAlone =
      statement.typ === 'trustgw/freeze/1' || (sealed.ok && sealed.value === 'operator')
    if (!sealed.ok || mayAlone) return sealed
  }
  if (assertion === null) return refuse('thaw_not_allowed')
  const { tenant, by: person } = statement
  const demand =
    statement.typ === 'trustgw/thaw/1'
      ? { tenant, person, role: POLICY_ADMIN_ROLE }
      : { tenant, person }
  const checked = await checkPasskey(statement, assertion, demand, deps)
  return checked.ok ? ok(`person ${person}`) : refuse('freeze_passkey', checked.detail)
}
