import type { BusLink, ClaimStore } from '@trustgw/runtime'
import { ExecutorFault } from '../executor-fault.ts'

export interface Claims {
  readonly nonces: ClaimStore
  readonly journal: ClaimStore
}

/** Checked at each start: an entry that could vanish would let a grant be used twice. */
export async function openClaims(link: BusLink): Promise<Claims> {
  const nonces = link.claims({ home: 'exd', bucket: 'grant_nonces' })
  const journal = link.claims({ home: 'exd', bucket: 'journal' })
  for (const store of [nonces, journal]) {
    const found = await store.verifyInsertOnly()
    if (!found.ok) throw new ExecutorFault('stream_not_insert_only', [found.setting])
  }
  return { nonces, journal }
}
