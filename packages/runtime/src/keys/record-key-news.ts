import type { Actor } from '@trustgw/protocol'
import type { AuditWriter } from '../audit/audit-writer.ts'
import type { Logger } from '../log/logger.ts'
import type { KeyBook, KeyNews } from './key-book.ts'

const DETAIL_MAX_CHARS = 200

export interface KeyNewsRecorder {
  readonly book: Pick<KeyBook, 'onNews'>
  readonly audits: readonly AuditWriter[]
  readonly actor: Actor
  readonly log: Logger
}

/** Puts what a process takes, refuses and hears of keys on record; in the background, it waits for nobody. */
export function recordKeyNews({ book, audits, actor, log }: KeyNewsRecorder): () => void {
  return book.onNews((news) => {
    const { type, payload } = eventOf(news)
    for (const audit of audits) {
      audit
        .append(type, { actor, payload })
        .catch(() => log.warn('key_news_not_recorded', { type }))
    }
  })
}

function eventOf(news: KeyNews): {
  readonly type: 'key_set_taken' | 'key_set_refused' | 'key_revoked'
  readonly payload: { readonly [name: string]: string | number }
} {
  switch (news.kind) {
    case 'set':
      return { type: 'key_set_taken', payload: { epoch: news.epoch, by: news.by } }
    case 'refused':
      return {
        type: 'key_set_refused',
        payload: { reason: news.reason, detail: plain(news.detail) },
      }
    case 'revoked':
      return { type: 'key_revoked', payload: { kid: plain(news.kid), reason: plain(news.reason) } }
  }
}

/** Short and in plain ASCII: it came over the bus. */
function plain(text: string): string {
  return text.replaceAll(/[^ -~]/g, '?').slice(0, DETAIL_MAX_CHARS)
}
