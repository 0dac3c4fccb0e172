import { type ActionId, base64urlEncode, type GrantClaims, storedKey } from '@trustgw/protocol'
import { BusFault, type ClaimEntry, FileFault } from '@trustgw/runtime'
import { readNote, writeNote } from '../run/journal-note.ts'
import { type ClearedAction, openClearedAction } from './check-approvals.ts'
import { type ClaimDeps, type HeldClaims, takenBy } from './claim-action.ts'
import { type Refused, refused } from './reasons.ts'

const ATTEMPT_RANDOM_BYTES = 16

/**
 * What an action is refused with that step 5 did not let pass. The journal has the last word: the action
 * itself may be what changed the value, and whoever is told that it changed makes a successor, so
 * "changed" claims the entry for never running, as a cancel does (spec/protocol.md §5). Exactly one of
 * this and a run wins; a run that was first is told as one. What is held here was not entered: it is
 * given up first, so that the claim is not carried through after all.
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
  if (held.get(claims.action_id) !== undefined && !isChanged) return problem
  const key = `${claims.tenant_id}.${storedKey(deps.sha256, claims.action_id)}`
  try {
    if (isChanged && (await forswear(key, claims.action_id, context))) return problem
    const entry = await deps.journal.read(key)
    return entry === undefined ? problem : await whatItSays(entry, claims, deps)
  } catch (error) {
    if (error instanceof BusFault) return refused('store_unreachable')
    if (error instanceof FileFault) return refused('journal_unwritable')
    throw error
  }
}

async function whatItSays(
  entry: ClaimEntry,
  { tenant_id, jti }: GrantClaims,
  { nonces, sha256 }: ClaimDeps,
): Promise<Refused> {
  const reason = takenBy(readNote(entry.note))
  if (reason !== 'action_claimed') return refused(reason)
  const nonce = await nonces.read(`${tenant_id}.${storedKey(sha256, jti)}`)
  return refused(nonce === undefined ? reason : 'grant_used')
}

/** Claims the entry for never running, and gives up what is held of it; false: it is another's. */
async function forswear(
  key: string,
  action: ActionId,
  { deps, held }: { readonly deps: ClaimDeps; readonly held: HeldClaims },
): Promise<boolean> {
  const { journal, wal, clock, random } = deps
  const ours = held.get(action)
  const attempt = ours?.attempt ?? base64urlEncode(random.bytes(ATTEMPT_RANDOM_BYTES))
  const note = writeNote({ kind: 'stale', at: clock.now() })
  const outcome = await journal.claim(key, { attempt, note })
  if (ours !== undefined) await wal.ended(action)
  held.drop(action)
  return outcome !== 'taken'
}
