import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type ActionId, type GrantedAction, storedKey } from '@trustgw/protocol'
import {
  type AuditFields,
  type AuditStored,
  type AuditWriter,
  type ClaimStore,
  nodeRandom,
  type ClaimEntry as StoredClaim,
  sha256,
} from '@trustgw/runtime'
import { clearAction } from '../../src/admit/admission.ts'
import { type ClearedAction, openClearedAction } from '../../src/admit/check-approvals.ts'
import { checkPrecondition, type StandingAction } from '../../src/admit/check-precondition.ts'
import { type ClaimDeps, HeldClaims } from '../../src/admit/claim-action.ts'
import { type ClaimEntry, Wal, type WalRemains } from '../../src/run/wal.ts'
import { tempDir } from './connectors.ts'
import { bytesOf, NOW, TENANT, World } from './world.ts'

/** What is claimed with: real stores in memory, a real file, and an audit that keeps what it is told. */
export class ClaimBench {
  readonly world = new World()
  readonly held: HeldClaims = new HeldClaims([])
  readonly told: (AuditFields & { readonly type: string })[] = []
  readonly wal: Wal
  readonly #path: string

  private constructor(wal: Wal, path: string) {
    this.wal = wal
    this.#path = path
  }

  static async with(use: (bench: ClaimBench) => Promise<void>): Promise<void> {
    const dir = await tempDir()
    const path = join(dir.path, 'wal.ndjson')
    const { wal } = await Wal.open(path, NOW)
    try {
      await use(new ClaimBench(wal, path))
    } finally {
      await wal.close()
      await dir.remove()
    }
  }

  get nonces(): ClaimStore {
    return this.world.executor.claims({ home: 'exd', bucket: 'grant_nonces' })
  }

  get journal(): ClaimStore {
    return this.world.executor.claims({ home: 'exd', bucket: 'journal' })
  }

  deps(change: Partial<ClaimDeps> = {}): ClaimDeps {
    const { clock } = this.world
    return {
      ...this.world.beliefs(),
      nonces: this.nonces,
      journal: this.journal,
      wal: this.wal,
      auditOf: (tenant) => (tenant === TENANT ? this.auditThat() : undefined),
      clock,
      random: nodeRandom,
      sha256,
      ...change,
    }
  }

  /** An audit that does this before it keeps an event. */
  auditThat(before: () => void = () => undefined): AuditWriter {
    return {
      append: async (type, fields) => {
        before()
        this.told.push({ type, ...fields })
        return await Promise.resolve({} as AuditStored)
      },
    }
  }

  /** The same file, on which some of it fails. */
  walThat(fails: {
    readonly claiming?: () => never
    readonly held?: () => never
    readonly ended?: () => never
  }): Wal {
    const { wal } = this
    return Object.assign(Object.create(Wal.prototype), {
      claiming: (entry: ClaimEntry) => (fails.claiming ?? (() => wal.claiming(entry)))(),
      held: (action: ActionId) => (fails.held ?? (() => wal.held(action)))(),
      ended: (action: ActionId) => (fails.ended ?? (() => wal.ended(action)))(),
    })
  }

  async cleared(action?: GrantedAction): Promise<ClearedAction> {
    const bytes = bytesOf(action ?? (await this.world.granted()))
    const outcome = await clearAction(bytes, this.world.admission())
    assert.ok(outcome.ok, outcome.ok ? '' : outcome.reason)
    return outcome.value.token
  }

  async standing(action?: GrantedAction): Promise<StandingAction> {
    const outcome = await checkPrecondition(await this.cleared(action), this.world.reading())
    assert.ok(outcome.ok)
    return outcome.value
  }

  /** What another start of the process would find in the file. */
  async remains(): Promise<WalRemains> {
    const { wal, remains } = await Wal.open(this.#path, NOW)
    await wal.close()
    return remains
  }
}

export const keyOf = (part: string): string => `${TENANT}.${storedKey(sha256, part)}`

export function entryFor(token: ClearedAction, change: Partial<ClaimEntry> = {}): ClaimEntry {
  const { claims, grant_hash } = openClearedAction(token)
  const { action_id, jti, input_hash, tool_name: tool, idempotency_key } = claims
  const who = { action_id, tenant: TENANT, jti, grant_hash, input_hash, tool, idempotency_key }
  return { kind: 'claiming', ...who, attempt: 'attempt-of-an-earlier-time', at: NOW, ...change }
}

export function idOf(token: ClearedAction): ActionId {
  return openClearedAction(token).claims.action_id
}

/** A store that fails before or instead of answering. */
export function failing(
  store: ClaimStore,
  on: { readonly claim?: () => void; readonly read?: () => StoredClaim | undefined },
): ClaimStore {
  return {
    claim: async (key, claim) => {
      on.claim?.()
      return await store.claim(key, claim)
    },
    read: async (key) => (on.read === undefined ? await store.read(key) : on.read()),
    verifyInsertOnly: () => store.verifyInsertOnly(),
  }
}

export function fault(error: Error): () => never {
  return () => {
    throw error
  }
}
