import { createServer } from 'node:net'
import type { Settings } from '@trustgw/runtime'
import { type BusNode, busNodes, gatewayListen, instancesUpTo } from '../install/instances.ts'

export interface PortWish {
  readonly name: string
  readonly host: string
  readonly port: number
  /** The variable by which another port is chosen. */
  readonly variable: string
}

/** Every port that is needed and taken, before anything is started. */
export async function takenPorts(
  settings: Settings,
  shopPort: number | undefined,
): Promise<readonly PortWish[]> {
  const { gateway, host, nats } = settings
  const wishes: readonly PortWish[] = [
    ...busNodes(settings).flatMap((node) => busPorts(node, nats.nodes > 1)),
    ...instancesUpTo(gateway.instances).map((instance) => ({
      name: 'MCP and REST',
      ...gatewayListen(settings, instance),
      variable: 'TRUSTGW_GATEWAY_LISTEN',
    })),
    { name: 'the portal', ...host.listen, variable: 'TRUSTGW_HOST_LISTEN' },
    ...(shopPort === undefined
      ? []
      : [
          {
            name: 'the example shop',
            host: '127.0.0.1',
            port: shopPort,
            variable: 'TRUSTGW_EXAMPLE_SHOP_PORT',
          },
        ]),
  ]
  const free = await Promise.all(wishes.map((wish) => isFree(wish.host, wish.port)))
  return wishes.filter((_, index) => free[index] === false)
}

function busPorts(node: BusNode, inCluster: boolean): readonly PortWish[] {
  const host = '127.0.0.1'
  const wishes = [
    { name: 'the bus', host, port: node.client, variable: 'TRUSTGW_NATS_PORT' },
    {
      name: "the portal's live events",
      host,
      port: node.websocket,
      variable: 'TRUSTGW_NATS_WEBSOCKET_PORT',
    },
  ]
  const own = {
    name: 'the cluster of the bus',
    host,
    port: node.cluster,
    variable: 'TRUSTGW_NATS_CLUSTER_PORT',
  }
  return inCluster ? [...wishes, own] : wishes
}

export function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

/** What to say of a port that is taken; 9222 is also where Chrome's debugger listens. */
export function portMessage(wish: PortWish): string {
  const debuggerNote =
    wish.port === 9222 ? ' (9222 is also where a Chrome with remote debugging listens)' : ''
  const example = wish.variable.endsWith('_LISTEN')
    ? `${wish.host}:${wish.port + 1}`
    : String(wish.port + 1)
  return `port ${wish.port}, for ${wish.name}, is in use${debuggerNote}: stop what uses it, or choose another with ${wish.variable}=${example}`
}
