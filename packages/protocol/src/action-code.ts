import type { ComputedHashes } from './approval.ts'
import { hashJson, type Sha256 } from './hash.ts'
import type { ActionId } from './ids.ts'
import type { TenantId } from './subjects.ts'

/** No I, L, O and U: what is read aloud or typed stays the same (Crockford's base 32). */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const CODE_CHARS = 8
const BITS_A_CHAR = 5n
const DIGITS_TAKEN = (CODE_CHARS * 5) / 4

/** What the code stands for; the hashes are the ones that the caller computed itself. */
export interface CodedAction extends ComputedHashes {
  readonly action_id: ActionId
  readonly tenant: TenantId
  readonly tool_id: string
}

/**
 * `K7QF-2MXD`: 40 bits over what an action is (spec/protocol.md §3). The same on every card, in every
 * channel and for every approver, so that two screens can be compared. A help for the eye: nothing is
 * decided by it.
 */
export function actionCode(sha256: Sha256, action: CodedAction): string {
  const digest = hashJson(sha256, {
    typ: 'trustgw/action-code/1',
    action_id: action.action_id,
    tenant: action.tenant,
    tool_id: action.tool_id,
    contract_hash: action.contract_hash,
    input_hash: action.input_hash,
    precondition_hash: action.precondition_hash,
  }).slice('sha256:'.length)
  let bits = BigInt(`0x${digest.slice(0, DIGITS_TAKEN)}`)
  let code = ''
  for (let at = 0; at < CODE_CHARS; at += 1) {
    code = ALPHABET.charAt(Number(bits & 31n)) + code
    bits >>= BITS_A_CHAR
  }
  return `${code.slice(0, CODE_CHARS / 2)}-${code.slice(CODE_CHARS / 2)}`
}
