import {
  type ActionId,
  base64urlEncode,
  type JsonObject,
  type Sha256,
  storedKey,
  type TenantId,
} from '@trustgw/protocol'
import {
  AuditFault,
  type AuditWriter,
  BusFault,
  type ClaimStore,
  type Clock,
  FileFault,
  type Random,
} from '@trustgw/runtime'
import { type JournalNote, readNote, writeNote } from '../run/journal-note.ts'
import type { ClaimEntry, Wal } from '../run/wal.ts'
import type { BoundActionValue } from './bind-action.ts'
import { type BeatDeps, checkStillBelieved } from './check-beat.ts'
import { checkFreeze, type FreezeDeps } from './check-freeze.ts'
import { openStandingAction, type StandingAction } from './check-precondition.ts'
import { type Admission, type AdmissionReason, refused } from './reasons.ts'
import { makeStage, type StageToken } from './stage.ts'
import { timeProblem } from './verify-grant.ts'

/** It is claimed by this process and recorded as started; its tool may be entered, once. */
export type AdmittedAction = StageToken<'admitted_action'>

export interface AdmittedActionValue extends BoundActionValue {
  readonly claim: ClaimEntry
  readonly canonical_arguments: string
  readonly arguments: JsonObject
}

export interface ClaimDeps extends BeatDeps, FreezeDeps {
  /** `grant_nonces` of the profile. */
  readonly nonces: ClaimStore
  /** `journal`, shared by all executors of the profile. */
  readonly journal: ClaimStore
  readonly wal: Wal
  readonly auditOf: (tenant: TenantId) => AuditWriter | undefined
  readonly clock: Clock
  readonly random: Random
  readonly sha256: Sha256
}

const stage = makeStage<'admitted_action', AdmittedActionValue>('admitted_action')

const entered = new WeakSet<AdmittedAction>()

/** Opens an admitted action for its one run. `TypeError` for a second time. */
export function enterAdmitted(token: AdmittedAction): AdmittedActionValue {
  const value = stage.open(token)
  if (entered.has(token)) throw new TypeError('an admitted action is entered once')
  entered.add(token)
  return value
}

const ATTEMPT_RANDOM_BYTES = 16
/**
 * After its claim a tool is entered within this or not at all: a process that slept meanwhile must not
 * wake up and run what others take as ended (spec/protocol.md §5). No grant lives longer.
 */
export const ENTER_WITHIN_MS = 30_000

/** Claims that may be ours without the tool having been entered; a redelivery continues them. */
export class HeldClaims {
  readonly #held = new Map<ActionId, ClaimEntry>()

  constructor(entries: readonly ClaimEntry[]) {
    for (const entry of entries) this.#held.set(entry.action_id, entry)
  }

  get(action: ActionId): ClaimEntry | undefined {
    return this.#held.get(action)
  }

  put(entry: ClaimEntry): void {
    this.#held.set(entry.action_id, entry)
  }

  drop(action: ActionId): void {
    this.#held.delete(action)
  }
}

/**
 * Step 6 of spec/protocol.md §4: nonce, journal, own synced entry, `started` stored. The own entry
 * is written before the claims and not after, so that a crash between the two leaves no claim
 * whose owner nobody knows. Right before it beat and freezes are checked once more.
 */
export async function claimAction(
  standing: StandingAction,
  deps: ClaimDeps,
  held: HeldClaims,
): Promise<Admission<AdmittedAction>> {
  const value = openStandingAction(standing)
  const { claims } = value
  const audit = deps.auditOf(claims.tenant_id)
  if (audit === undefined) return refused('audit_unreachable')
  const stopped = (await checkStillBelieved(value.kid, deps)) ?? (await checkFreeze(value, deps))
  if (stopped !== undefined) return stopped
  const attempt =
    held.get(claims.action_id)?.attempt ?? base64urlEncode(deps.random.bytes(ATTEMPT_RANDOM_BYTES))
  const claim = entryOf(value, attempt, deps.clock.now())
  // Claimed too late, it is not entered: after the grant and its grace the gateway reads the journal.
  const problem = (await takeClaims(claim, deps)) ?? timeProblem(claims, deps.clock.now())
  if (problem !== undefined) return await letGo(problem, claim, { deps, held })
  try {
    await audit.append('started', {
      actor: { kind: 'agent', id: value.action.decision.principal.subject },
      action_id: claims.action_id,
      payload: {
        jti: claims.jti,
        grant_hash: value.grant_hash,
        tool_id: claims.tool_name,
        contract_hash: claims.contract_hash,
        input_hash: claims.input_hash,
        precondition_hash: claims.precondition_hash,
        decision_hash: claims.decision_hash,
        clearance: claims.clearance,
      },
    })
  } catch (error) {
    if (!(error instanceof AuditFault) && !(error instanceof BusFault)) throw error
    return await letGo('audit_unreachable', claim, { deps, held })
  }
  if (deps.clock.now() - claim.at > ENTER_WITHIN_MS)
    return await letGo('grant_expired', claim, { deps, held })
  held.drop(claims.action_id)
  const canonical_arguments = value.action.arguments
  return { ok: true, value: stage.mint({ ...value, claim, canonical_arguments }) }
}

function entryOf(value: BoundActionValue, attempt: string, at: number): ClaimEntry {
  const { claims, grant_hash } = value
  return {
    kind: 'claiming',
    action_id: claims.action_id,
    tenant: claims.tenant_id,
    jti: claims.jti,
    attempt,
    grant_hash,
    input_hash: claims.input_hash,
    tool: claims.tool_name,
    idempotency_key: claims.idempotency_key,
    at,
  }
}

async function takeClaims(
  claim: ClaimEntry,
  deps: ClaimDeps,
): Promise<AdmissionReason | undefined> {
  const { tenant, jti, action_id, attempt } = claim
  try {
    await deps.wal.claiming(claim)
    const nonceKey = `${tenant}.${storedKey(deps.sha256, jti)}`
    const nonce = await deps.nonces.claim(nonceKey, { attempt, note: action_id })
    if (nonce === 'taken') return 'grant_used'
    const journalKey = `${tenant}.${storedKey(deps.sha256, action_id)}`
    const journal = await deps.journal.claim(journalKey, { attempt, note: noteOf(claim) })
    if (journal !== 'taken') return undefined
    return takenBy(readNote((await deps.journal.read(journalKey))?.note))
  } catch (error) {
    if (error instanceof BusFault) return 'store_unreachable'
    if (error instanceof FileFault) return 'journal_unwritable'
    throw error
  }
}

/** What an entry that is there already says to whoever comes after it. */
export function takenBy(note: JournalNote | undefined): AdmissionReason {
  if (note?.kind === 'cancelled') return 'action_cancelled'
  return note?.kind === 'stale' ? 'precondition_changed' : 'action_claimed'
}

function noteOf({ jti, grant_hash, input_hash, tool, at }: ClaimEntry): string {
  return writeNote({ kind: 'run', jti, grant_hash, input_hash, tool, at })
}

/** Refusals after which the claim is certainly another's. */
const NOT_OURS: readonly AdmissionReason[] = [
  'grant_used',
  'action_claimed',
  'action_cancelled',
  'precondition_changed',
]

/** Not admitted after something was perhaps claimed: says so on disk, so that it can come again. */
async function letGo(
  reason: AdmissionReason,
  claim: ClaimEntry,
  context: { readonly deps: ClaimDeps; readonly held: HeldClaims },
): Promise<Admission<AdmittedAction>> {
  const { deps, held } = context
  // A used nonce says nothing about an earlier attempt of ours at the same action.
  const earlier = reason === 'grant_used' && held.get(claim.action_id) !== undefined
  const ours = earlier || !NOT_OURS.includes(reason)
  if (ours) held.put(claim)
  else held.drop(claim.action_id)
  try {
    await (ours ? deps.wal.held(claim.action_id) : deps.wal.ended(claim.action_id))
  } catch (error) {
    if (!(error instanceof FileFault)) throw error
    return refused('journal_unwritable')
  }
  return refused(reason)
}
