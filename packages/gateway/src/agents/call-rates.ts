import type { TenantId } from '@trustgw/protocol'
import type { Clock } from '@trustgw/runtime'

const MINUTE_MS = 60_000

/** Counts the calls of each credential that has a limit of its own, at this gateway, by uptime. */
export class CallRates {
  readonly #clock: Pick<Clock, 'uptime'>
  readonly #calls = new Map<string, number[]>()

  constructor(clock: Pick<Clock, 'uptime'>) {
    this.#clock = clock
  }

  /** Takes one call of a minute; false: `limit` of them were made in the last one. */
  take(tenant: TenantId, keyId: string, limit: number | null): boolean {
    if (limit === null) return true
    const now = this.#clock.uptime()
    const key = `${tenant}.${keyId}`
    const recent = (this.#calls.get(key) ?? []).filter((at) => at > now - MINUTE_MS)
    if (recent.length < limit) recent.push(now)
    else return false
    this.#calls.set(key, recent)
    return true
  }
}
