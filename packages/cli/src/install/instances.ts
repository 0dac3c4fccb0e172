import { join } from 'node:path'
import type { Listen, Settings } from '@trustgw/runtime'

/** The first of several is called as if it were alone. */
export function instanceName(name: string, instance: number): string {
  return instance === 1 ? name : `${name}-${instance}`
}

/** 1, 2, … */
export function instancesUpTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}

/** Where this gateway listens: further ones on the ports that follow. */
export function gatewayListen({ gateway }: Settings, instance: number): Listen {
  const { host, port } = gateway.listen
  return { host, port: port === 0 ? 0 : port + instance - 1 }
}

/** One nats-server of the installation. */
export interface BusNode {
  readonly name: string
  readonly dir: string
  readonly client: number
  readonly websocket: number
  readonly cluster: number
}

export function busNodes(settings: Settings): readonly BusNode[] {
  const { nats, state_dir } = settings
  return instancesUpTo(nats.nodes).map((node) => ({
    name: instanceName('nats-server', node),
    dir: join(state_dir, instanceName('bus', node)),
    client: nats.port + node - 1,
    websocket: nats.websocket_port + node - 1,
    cluster: nats.cluster_port + node - 1,
  }))
}

/** How every process reaches the bus. */
export function busAccess(settings: Settings): {
  readonly servers: readonly string[]
  readonly replicated: boolean
} {
  return {
    servers: busNodes(settings).map(({ client }) => `nats://127.0.0.1:${client}`),
    replicated: settings.nats.nodes > 1,
  }
}
