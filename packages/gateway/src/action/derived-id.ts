import {
  type ActionId,
  actionId,
  hexDecode,
  ID_RANDOM_BYTES,
  type Sha256,
  type TenantId,
} from '@trustgw/protocol'

/** What an action brings about of itself. */
export type Offspring = 'precondition' | 'successor'

/**
 * The id of an action that another one brings about, the same whoever works it out: so that a process
 * that takes up another's work makes the same action, which a compare-and-swap makes once.
 */
export function derivedId(
  of: { readonly tenant: TenantId; readonly action: ActionId },
  kind: Offspring,
  n: number,
  sha256: Sha256,
): ActionId {
  const digest = sha256(`${kind}\n${of.tenant}\n${of.action}\n${n}`)
  const bytes = hexDecode(digest.slice(0, 2 * ID_RANDOM_BYTES))
  if (bytes === undefined) throw new TypeError('sha256 must give hex digits')
  return actionId(bytes)
}
