import type { Connector } from '@trustgw/executor'
import type { PolicyFeed } from '@trustgw/gateway'
import type { BusLink } from '@trustgw/runtime'
import type { Body, Kind, Party } from './body.ts'
import type { Shop } from './shop.ts'

/** Parts of a world that are broken on purpose, to see that its checks notice. */
export interface Sabotage {
  /** What processes of a kind see of the bus. */
  readonly link?: (kind: Kind, link: BusLink) => BusLink
  /** By what gateways decide. */
  readonly policy?: (feed: PolicyFeed) => PolicyFeed
  /** What executors make of the shop. */
  readonly connector?: (connector: Connector) => Connector
  /** What runs in the executors' place; `honest` starts the real one. */
  readonly executor?: (
    body: Body,
    shop: Shop,
    honest: (body: Body) => Promise<Party>,
  ) => Promise<Party>
  /** What executors take for the shop's credential. */
  readonly secret?: string
}
