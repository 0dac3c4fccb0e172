import { reviewEarlier } from '@trustgw/card'
import type { Ports } from '../ports/ports.ts'
import { sha256 } from '../ports/sha256.ts'
import type { EarlierView, Store } from './portal-state.ts'

/** Asks what was approved of an action's tool before, and hashes each of it again. */
export async function loadEarlier(
  { ports, store }: { readonly ports: Ports; readonly store: Store },
  id: string,
): Promise<void> {
  const answer = await ports.api.earlier(id)
  const request = store.get().feed.requests.get(id)
  if (request === undefined) return
  const view: EarlierView = answer.ok
    ? {
        kind: 'known',
        ...reviewEarlier(answer.value.earlier, request, sha256),
        leftOut: answer.value.left_out,
      }
    : { kind: 'unknown' }
  store.update({ earlier: new Map(store.get().earlier).set(id, view) })
}
