import { join } from 'node:path'
import type { HostDeps, HostKey } from '@trustgw/host'
import type { TenantId } from '@trustgw/protocol'
import {
  type BusLink,
  FreezeBook,
  type FreezeNews,
  type KeyQuery,
  type RecordStore,
  sha256,
  silentLogger,
  systemClock,
  verifyNoticeSeal,
} from '@trustgw/runtime'

export interface Freezes
  extends Pick<HostDeps, 'freezes' | 'freezeRecords' | 'pins' | 'agents' | 'agentNotices' | 'ui'> {
  readonly book: FreezeBook
  readonly news: FreezeNews[]
}

/** The freezes of a host that runs, as its process would follow them. */
export async function openFreezes(
  link: BusLink,
  folder: string,
  keys: {
    readonly tenant: TenantId
    readonly operator: HostKey
    readonly gatewayAudit: HostKey
    readonly host: HostKey
  },
): Promise<Freezes> {
  const freezeRecords = link.records({ home: 'data', bucket: 'freezes' })
  const news: FreezeNews[] = []
  const ofRole: { readonly [role: string]: HostKey } = {
    operator: keys.operator,
    host: keys.host,
    audit: keys.gatewayAudit,
  }
  const keyFor = ({ role }: KeyQuery) => {
    return (kid: string) => (ofRole[role]?.kid === kid ? ofRole[role].verify : undefined)
  }
  const book = new FreezeBook({
    tenants: [keys.tenant],
    records: freezeRecords,
    dir: join(folder, 'freezes'),
    verify: (notice) => Promise.resolve(verifyNoticeSeal(notice, { keyFor }, systemClock.now())),
    news: (_, one) => news.push(one),
    sha256,
    clock: systemClock,
    log: silentLogger,
  })
  await book.start()
  const records = (bucket: string): RecordStore => link.records({ home: 'data', bucket })
  const lists = {
    pins: records('pins'),
    agents: records('agents'),
    agentNotices: records('agent_notices'),
  }
  return {
    freezes: book,
    freezeRecords,
    ...lists,
    ui: link.publisher({ stream: 'UI' }),
    book,
    news,
  }
}
