import {
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  type StreamInfo,
} from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { busAccountJwt } from './bus-config.ts'
import type { BusKeys } from './bus-keys.ts'
import { DATA_ACCOUNT } from './crossings.ts'
import { NatsError } from './nats-error.ts'
import { busStreams, type ConsumerSettings, type StreamSpec, settingsProblems } from './streams.ts'
import { agentsAccount, executorDataAccount, peopleAccount } from './topology.ts'

const PUSH_TIMEOUT_MS = 5_000
const STREAM_NOT_FOUND = 10_059
const CONSUMER_NOT_FOUND = 10_014

/** Connections of the provisioning users: one for each account that holds streams. */
export interface ProvisionConnections {
  readonly data: NatsConnection
  /** By executor profile. */
  readonly executors: Readonly<Record<string, NatsConnection>>
  /** On how many servers every stream lies. Default 1. */
  readonly replicas?: number
}

/**
 * Makes every stream and consumer that is missing, and checks those that are there. Never changes
 * one: a difference is a `NatsError` `stream_mismatch` that names the settings, for a person to
 * judge. Safe to call at each start.
 */
export async function provisionStreams(connections: ProvisionConnections): Promise<void> {
  const profiles = Object.keys(connections.executors)
  const specs = busStreams(profiles, connections.replicas)
  const homes: readonly (readonly [string, NatsConnection])[] = [
    [DATA_ACCOUNT, connections.data],
    ...Object.entries(connections.executors).map(
      ([profile, nc]) => [executorDataAccount(profile), nc] as const,
    ),
  ]
  for (const [account, nc] of homes) {
    const manager = await jetstreamManager(nc, { checkAPI: false })
    const own = specs.filter((spec) => spec.account === account)
    for (const spec of own) await provisionStream(manager, spec)
  }
}

/** Makes a tenant's accounts known to a running server; nobody else is touched. */
export async function pushTenant(
  system: NatsConnection,
  keys: BusKeys,
  tenant: string,
  issuedAt: number,
): Promise<void> {
  for (const name of [agentsAccount(tenant), peopleAccount(tenant)]) {
    await pushAccount(system, busAccountJwt(keys, name, issuedAt))
  }
}

/**
 * Gives a running server one account's token. `issuedAt` must be later than the last one's, in
 * whole seconds. Answers in flight from services that the account exports are lost: their callers
 * retry. `NatsError` `account_refused`.
 */
export async function pushAccount(system: NatsConnection, jwt: string): Promise<void> {
  const answer = await system.request('$SYS.REQ.CLAIMS.UPDATE', jwt, { timeout: PUSH_TIMEOUT_MS })
  const told: unknown = answer.json()
  if (isRecord(told) && isRecord(told['data']) && told['data']['code'] === 200) return
  const error = isRecord(told) && isRecord(told['error']) ? told['error']['description'] : undefined
  throw new NatsError(
    'account_refused',
    `the server did not take the account: ${typeof error === 'string' ? error : 'no reason'}`,
  )
}

async function provisionStream(manager: JetStreamManager, spec: StreamSpec): Promise<void> {
  const { name } = spec.config
  const info = await existing(() => manager.streams.info(name), STREAM_NOT_FOUND)
  const config: StreamInfo['config'] = (info ?? (await manager.streams.add(spec.config))).config
  refuseProblems(
    `stream ${name} of ${spec.account}`,
    settingsProblems({ ...config }, { ...spec.config }),
  )
  for (const consumer of spec.consumers) await provisionConsumer(manager, name, consumer)
}

async function provisionConsumer(
  manager: JetStreamManager,
  stream: string,
  wanted: ConsumerSettings,
): Promise<void> {
  const durable = wanted.durable_name
  const info = await existing(() => manager.consumers.info(stream, durable), CONSUMER_NOT_FOUND)
  const { config } = info ?? (await manager.consumers.add(stream, wanted))
  refuseProblems(`consumer ${durable} of ${stream}`, settingsProblems({ ...config }, { ...wanted }))
}

function refuseProblems(what: string, problems: readonly string[]): void {
  if (problems.length === 0) return
  throw new NatsError('stream_mismatch', `${what} is not as it must be: ${problems.join('; ')}`)
}

async function existing<T>(read: () => Promise<T>, notFound: number): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === notFound) return undefined
    throw error
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
