import type { Actor, TenantId } from '@trustgw/protocol'
import type { AuditWriter } from '../audit/audit-writer.ts'
import type { Clock } from '../clock/clock.ts'
import type { Logger } from '../log/logger.ts'
import { Paced } from '../log/paced.ts'
import type { FreezeNews } from './freeze-book.ts'

const DETAIL_MAX_CHARS = 200

export interface FreezeNewsRecorder {
  readonly auditOf: (tenant: TenantId) => AuditWriter | undefined
  readonly actor: Actor
  readonly clock: Clock
  readonly log: Logger
}

type Told = 'frozen' | 'thawed' | 'freeze_refused'
type Payload = { readonly [name: string]: string | number | boolean }

/**
 * Puts what a process believes and refuses of freezes on record; in the background, it waits for
 * nobody. Of refusals, which others can cause without end, the newest every five seconds.
 */
export function recordFreezeNews({
  auditOf,
  actor,
  clock,
  log,
}: FreezeNewsRecorder): (tenant: TenantId, news: FreezeNews) => void {
  const append = (tenant: TenantId, type: Told, payload: Payload): void => {
    auditOf(tenant)
      ?.append(type, { actor, payload })
      .catch(() => log.warn('freeze_news_not_recorded', { type }))
  }
  const refusals = new Paced<{ readonly tenant: TenantId; readonly payload: Payload }>({
    clock,
    tell: ({ tenant, payload }, count) => append(tenant, 'freeze_refused', { ...payload, count }),
  })
  return (tenant, news) => {
    if (news.kind === 'refused') {
      const { reason, detail } = news
      refusals.add(tenant, { tenant, payload: { reason, detail: plain(detail) } })
      return
    }
    if (news.kind === 'thawed') {
      const { hash, by, vouched } = news
      log.warn('thawed', { tenant, freeze_hash: hash, by, vouched })
      append(tenant, 'thawed', { freeze_hash: hash, by, vouched })
      return
    }
    const { hash, statement, vouched, isFinal } = news.freeze
    const { scope, by, reason_hash } = statement
    const name = scope.kind === 'tenant' ? '' : scope.name
    const told = { freeze_hash: hash, scope: scope.kind, name, by, vouched, final: isFinal }
    log.warn('frozen', { tenant, ...told })
    append(tenant, 'frozen', { ...told, reason_hash })
  }
}

/** Short and in plain ASCII: it came over the bus. */
function plain(text: string): string {
  return text.replaceAll(/[^ -~]/g, '?').slice(0, DETAIL_MAX_CHARS)
}
