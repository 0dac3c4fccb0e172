import { canonicalize, subject, type TenantId, type UiChange, utf8Encode } from '@trustgw/protocol'
import { newNonce } from '../crypto.ts'
import type { HostDeps } from '../deps.ts'

export type PortalNews = (what: UiChange['what']) => void

/** Tells portals that a list is another one; in the background. A page that opens fetches it anyway. */
export function portalNews(
  tenant: TenantId,
  { ui, random, log }: Pick<HostDeps, 'ui' | 'random' | 'log'>,
): PortalNews {
  return (what) => {
    const change: UiChange = { v: 1, what }
    const bytes = utf8Encode(canonicalize({ ...change }))
    const msgId = newNonce(random)
    ui.publishStored(subject('ui_changed', { tenant }), bytes, { msgId }).catch(() => {
      log.warn('portals_not_told', { what })
    })
  }
}
