import { executorComponent, type Profile, type Sha256, type TenantId } from '@trustgw/protocol'
import {
  type AuditWriter,
  type BusLink,
  type Clock,
  type Disk,
  FileFault,
  FreezeBook,
  type Logger,
  recordFreezeNews,
} from '@trustgw/runtime'
import { ExecutorFault } from '../executor-fault.ts'
import { type FreezeTrust, verifyFreeze } from './verify-freeze.ts'

export interface OwnFreezesDeps extends FreezeTrust {
  readonly tenants: readonly TenantId[]
  readonly profile: Profile
  readonly link: BusLink
  /** What this executor believed; no other process has it. */
  readonly dir: string
  readonly disk: Disk
  /** Where the operator puts freezes for an executor that is cut off. */
  readonly inbox?: string
  readonly auditOf: (tenant: TenantId) => AuditWriter | undefined
  readonly sha256: Sha256
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Takes up the freezes that this executor verified by itself and follows the bus. `ExecutorFault` where
 * the bucket is not insert-only, since a freeze could vanish there, and for an own file that is damaged.
 */
export async function startFreezes(deps: OwnFreezesDeps): Promise<FreezeBook> {
  const { link, profile, clock, logger: log, auditOf } = deps
  const bucket = { home: 'data', bucket: 'freezes' } as const
  const found = await link.claims(bucket).verifyInsertOnly()
  if (!found.ok) throw new ExecutorFault('stream_not_insert_only', [found.setting])
  const actor = { kind: 'system', id: executorComponent(profile) } as const
  const book = new FreezeBook({
    ...deps,
    records: link.records(bucket),
    verify: (notice) => verifyFreeze(notice, deps, clock.now()),
    news: recordFreezeNews({ auditOf, actor, clock, log }),
    log,
  })
  try {
    await book.start()
  } catch (error) {
    if (!(error instanceof FileFault)) throw error
    const help =
      'the freezes that this executor kept cannot be read; put the file back from a backup'
    throw new ExecutorFault('freezes_refused', [error.message, help])
  }
  return book
}
