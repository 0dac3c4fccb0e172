import { base64urlEncode, storedKey } from '@trustgw/protocol'
import { BusFault } from '@trustgw/runtime'
import { readNote, writeNote } from '../run/journal-note.ts'
import { type ClearedAction, openClearedAction } from './check-approvals.ts'
import { type ClaimDeps, type HeldClaims, takenBy } from './claim-action.ts'
import { type Refused, refused } from './reasons.ts'

const ATTEMPT_RANDOM_BYTES = 16

/**
 * What an action is refused with that step 5 did not let pass. The journal has the last word: the action
 * itself may be what changed the value, and whoever is told that it changed makes a successor, so
 * "changed" claims the entry for never running, as a cancel does (spec/protocol.md §5). Exactly one of
 * this and a run wins; a run that was first is told as one.
 */
export async function refuseUnmet(
  cleared: ClearedAction,
  problem: Refused,
  context: { readonly deps: ClaimDeps; readonly held: HeldClaims },
): Promise<Refused> {
  const { deps, held } = context
  const { claims } = openClearedAction(cleared)
  const isChanged = problem.reason === 'precondition_changed'
  if (!isChanged && problem.reason !== 'precondition_unreadable') return problem
  // Ours perhaps, and certainly not entered: an entry in the journal is not another's run.
  if (held.get(claims.action_id) !== undefined) return problem
  const { journal, nonces, clock, random, sha256 } = deps
  const key = `${claims.tenant_id}.${storedKey(sha256, claims.action_id)}`
  const attempt = base64urlEncode(random.bytes(ATTEMPT_RANDOM_BYTES))
  const note = writeNote({ kind: 'stale', at: clock.now() })
  try {
    if (isChanged && (await journal.claim(key, { attempt, note })) !== 'taken') return problem
    const entry = await journal.read(key)
    if (entry === undefined) return problem
    const reason = takenBy(readNote(entry.note))
    if (reason !== 'action_claimed') return refused(reason)
    const nonce = await nonces.read(`${claims.tenant_id}.${storedKey(sha256, claims.jti)}`)
    return refused(nonce === undefined ? reason : 'grant_used')
  } catch (error) {
    if (error instanceof BusFault) return refused('store_unreachable')
    throw error
  }
}
