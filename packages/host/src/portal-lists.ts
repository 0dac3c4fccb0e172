/** Portals hear of each list that changed, whoever changed it; none of them asks again by the clock. */
import { watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { RecordStore } from '@trustgw/runtime'
import type { HostDeps } from './deps.ts'
import type { PortalNews } from './freezes/tell-portals.ts'

/** A file is written in several steps; its news is told once. */
const SETTLE_MS = 100

/** Watches the buckets from which lists of the portal are made. */
export function watchLists(
  deps: Pick<
    HostDeps,
    'agents' | 'tools' | 'toolTrust' | 'toolOrders' | 'policies' | 'policyStatus' | 'unsettled'
  >,
  tell: PortalNews,
): { stop(): Promise<void> } {
  const lists: readonly (readonly [RecordStore, readonly Parameters<PortalNews>[0][]])[] = [
    [deps.agents, ['agents']],
    // Executors say there what they serve, whom they vouch for and which policy they pinned.
    [deps.tools, ['agents', 'policy']],
    [deps.toolTrust, ['tools']],
    [deps.toolOrders, ['tools']],
    [deps.policies, ['policy']],
    [deps.policyStatus, ['policy']],
    [deps.unsettled, ['outcomes']],
  ]
  const watches = lists.map(([bucket, names]) =>
    bucket.watch(() => {
      for (const name of names) tell(name)
    }),
  )
  return {
    stop: async () => {
      await Promise.all(watches.map((one) => one.stop()))
    },
  }
}

/** Watches the file in which the supervisor says what runs; the returned function ends that. */
export function watchInstallation(
  file: string,
  tell: PortalNews,
  { clock, log }: Pick<HostDeps, 'clock' | 'log'>,
): () => void {
  let cancel: (() => void) | undefined
  try {
    // The folder: the file is replaced by another one each time.
    const watcher = watch(dirname(file), { persistent: false }, (_, name) => {
      if (name !== basename(file)) return
      cancel?.()
      cancel = clock.setTimer(SETTLE_MS, () => tell('installation'))
    })
    watcher.on('error', () => log.warn('installation_not_watched'))
    return () => {
      cancel?.()
      watcher.close()
    }
  } catch {
    log.warn('installation_not_watched')
    return () => undefined
  }
}
