import type { Recorded } from './check-record.ts'
import type { Finding } from './findings.ts'
import type { Stop } from './freezing.ts'
import type { SideEffect } from './shop.ts'

/** What was past its last look at freezes when one was believed: its claim, its event and its call. */
const UNDER_WAY_MS = 20_000

/** What an executor told that it believes stops it, until it is thawed, over all its deaths. */
export function checkFreezes(
  record: readonly Recorded[],
  of: { readonly ledger: readonly SideEffect[]; readonly stops: readonly Stop[] },
): readonly Finding[] {
  return record.flatMap(({ event, at }) => {
    const stop = of.stops.find(({ hash }) => hash === event.payload['freeze_hash'])
    if (event.type !== 'frozen' || stop === undefined) return []
    const by = event.writer.slice(event.writer.indexOf('/') + 1)
    return of.ledger.flatMap((effect) => {
      const isStopped = stop.tool === undefined || stop.tool === `shop.${effect.tool}`
      const isThen = effect.at > at + UNDER_WAY_MS && effect.at < stop.thawedAt
      if (effect.by !== by || !isStopped || !isThen) return []
      const detail = `${effect.tool} by ${by} at ${effect.at.toFixed(3)}, frozen since ${at.toFixed(3)}`
      return [{ invariant: 'nothing frozen starts', detail } as const]
    })
  })
}
