import { SUBJECTS } from '@trustgw/protocol'
import { DATA_ACCOUNT, liveSubject, subjectPattern } from './crossings.ts'
import { executorDataAccount } from './topology.ts'

/** A stream of ours, with every setting that we rely on. Durations are nanoseconds, as on the wire. */
export interface StreamSpec {
  readonly account: string
  readonly config: StreamSettings
  readonly consumers: readonly ConsumerSettings[]
}

export interface StreamSettings {
  readonly name: string
  readonly subjects: string[]
  readonly storage: 'file'
  readonly retention: 'limits'
  readonly num_replicas: number
  readonly discard: 'new' | 'old'
  readonly discard_new_per_subject: boolean
  readonly max_msgs_per_subject: number
  readonly max_age: number
  readonly max_bytes: number
  readonly duplicate_window: number
  readonly deny_delete: boolean
  readonly deny_purge: boolean
  readonly allow_rollup_hdrs: boolean
  readonly allow_direct: boolean
  readonly allow_msg_ttl: boolean
  /** What was stored is sent on to this subject, with its sequence in the headers. */
  readonly republish?: { readonly src: string; readonly dest: string }
}

export interface ConsumerSettings {
  readonly durable_name: string
  readonly ack_policy: 'explicit'
  readonly deliver_policy: 'all'
  readonly ack_wait: number
  readonly max_deliver: number
}

const NS_PER_S = 1_000_000_000
/** Grants live 30 s; a nonce must outlive its grant by ten minutes (spec/protocol.md §6). */
const NONCE_MAX_AGE_S = 3_600
const RESULT_MAX_AGE_S = 30 * 24 * 3_600
const DUPLICATE_WINDOW_S = 120
/** A reader that died, or hangs, keeps what it was given from the others for so long. */
const ACK_WAIT_S = 5
const UI_EVENTS_MAX = 2_000
const NO_LIMIT = -1
const DAY_S = 24 * 3_600
const MIB = 1024 * 1024
const RESULTS_MAX_BYTES: number = 512 * MIB
const UI_MAX_BYTES: number = 128 * MIB

/**
 * How much a bucket may hold, and for how long. What has no entry is written by people and operators
 * only. Full means that nothing new is taken in; the audit, which has no limit of its own, keeps the
 * rest of the account's disk, so that a full bucket never stops a service from starting.
 */
const BUCKET_LIMITS: {
  readonly [bucket: string]: { readonly max_bytes: number; readonly max_age: number }
} = {
  // Longer than any approval may wait; a result stays readable as long.
  actions: { max_bytes: 2_048 * MIB, max_age: 14 * DAY_S * NS_PER_S },
  open_actions: { max_bytes: 64 * MIB, max_age: 14 * DAY_S * NS_PER_S },
  // Longer than the longest window of a limit: what is older counts nowhere.
  limits: { max_bytes: 256 * MIB, max_age: 32 * DAY_S * NS_PER_S },
  approvals: { max_bytes: 512 * MIB, max_age: 30 * DAY_S * NS_PER_S },
  sessions: { max_bytes: 64 * MIB, max_age: 2 * DAY_S * NS_PER_S },
  // As long as an approval: what came of it is shown where it was asked.
  channel_messages: { max_bytes: 16 * MIB, max_age: 30 * DAY_S * NS_PER_S },
  policies: { max_bytes: 256 * MIB, max_age: 0 },
  policy_status: { max_bytes: 16 * MIB, max_age: 0 },
  tool_trust: { max_bytes: 96 * MIB, max_age: 0 },
  tool_orders: { max_bytes: 16 * MIB, max_age: 0 },
  // As long as the action itself: without it nothing can be settled.
  unsettled: { max_bytes: 64 * MIB, max_age: 14 * DAY_S * NS_PER_S },
  keys: { max_bytes: 16 * MIB, max_age: 0 },
  key_offers: { max_bytes: 1 * MIB, max_age: 0 },
  key_revocations: { max_bytes: 1 * MIB, max_age: 0 },
  freezes: { max_bytes: 8 * MIB, max_age: 0 },
  pins: { max_bytes: 4 * MIB, max_age: 0 },
  agent_notices: { max_bytes: 8 * MIB, max_age: 0 },
  leases: { max_bytes: 1 * MIB, max_age: DAY_S * NS_PER_S },
}

export const CONTROL_BUCKETS: readonly string[] = [
  'actions',
  'open_actions',
  'limits',
  'approvals',
  'acl',
  'sessions',
  'channel_messages',
  'agents',
  'tools',
  'policies',
  'policy_status',
  'unsettled',
  'tool_trust',
  'tool_orders',
  'keys',
  'key_offers',
  'key_revocations',
  'freezes',
  'pins',
  'agent_notices',
  'leases',
]
/** What readers hear of as it changes. */
export const LIVE_BUCKETS: readonly string[] = [
  'agents',
  'tools',
  'policies',
  'tool_orders',
  'keys',
  'key_offers',
  'key_revocations',
  'freezes',
  'pins',
  'agent_notices',
  'tool_trust',
  'policy_status',
  'unsettled',
]
/** One message a subject, for ever: what was said here cannot be undone or said again. */
const INSERT_ONLY_CONTROL: readonly string[] = [
  'key_revocations',
  'freezes',
  'pins',
  'agent_notices',
]
/** The same for the claims of an executor. */
export const INSERT_ONLY_BUCKETS: readonly string[] = ['grant_nonces', 'journal']

const BASE = {
  storage: 'file',
  retention: 'limits',
  num_replicas: 1,
  discard: 'new',
  discard_new_per_subject: false,
  max_msgs_per_subject: NO_LIMIT,
  max_age: 0,
  max_bytes: NO_LIMIT,
  duplicate_window: DUPLICATE_WINDOW_S * NS_PER_S,
  deny_delete: true,
  deny_purge: false,
  allow_rollup_hdrs: false,
  allow_direct: true,
  allow_msg_ttl: false,
} as const

/** Every stream of an installation with these executor profiles, on so many servers. */
export function busStreams(profiles: readonly string[], replicas = 1): readonly StreamSpec[] {
  return streamsOf(profiles).map((spec) => ({
    ...spec,
    config: { ...spec.config, num_replicas: replicas },
  }))
}

function streamsOf(profiles: readonly string[]): readonly StreamSpec[] {
  return [
    {
      account: DATA_ACCOUNT,
      config: {
        ...BASE,
        name: 'AUDIT',
        subjects: ['audit.v1.>'],
        deny_purge: true,
      },
      consumers: [durable('log')],
    },
    {
      account: DATA_ACCOUNT,
      config: {
        ...BASE,
        name: 'RESULTS',
        subjects: [subjectPattern(SUBJECTS.exec_result)],
        deny_purge: true,
        max_age: RESULT_MAX_AGE_S * NS_PER_S,
        max_bytes: RESULTS_MAX_BYTES,
      },
      consumers: [durable('gateway')],
    },
    {
      account: DATA_ACCOUNT,
      config: {
        ...BASE,
        name: 'UI',
        subjects: ['ui.v1.>'],
        discard: 'old',
        max_msgs_per_subject: UI_EVENTS_MAX,
        max_bytes: UI_MAX_BYTES,
        republish: { src: 'ui.v1.>', dest: liveSubject('ui.v1.>') },
      },
      consumers: [],
    },
    ...CONTROL_BUCKETS.map((bucket) => controlBucket(bucket)),
    ...profiles.flatMap((profile) => executorStreams(executorDataAccount(profile))),
  ]
}

function executorStreams(account: string): readonly StreamSpec[] {
  return [
    insertOnly(account, 'grant_nonces', NONCE_MAX_AGE_S * NS_PER_S),
    insertOnly(account, 'journal', 0),
    bucketStream(account, 'executions'),
  ]
}

function controlBucket(bucket: string): StreamSpec {
  const plain = INSERT_ONLY_CONTROL.includes(bucket)
    ? insertOnly(DATA_ACCOUNT, bucket, 0)
    : bucketStream(DATA_ACCOUNT, bucket)
  const spec = { ...plain, config: { ...plain.config, ...BUCKET_LIMITS[bucket] } }
  if (!LIVE_BUCKETS.includes(bucket)) return spec
  const src = `$KV.${bucket}.>`
  return { ...spec, config: { ...spec.config, republish: { src, dest: liveSubject(src) } } }
}

function bucketStream(account: string, bucket: string): StreamSpec {
  const config: StreamSettings = {
    ...BASE,
    name: `KV_${bucket}`,
    subjects: [`$KV.${bucket}.>`],
    max_msgs_per_subject: 1,
  }
  return { account, config, consumers: [] }
}

function insertOnly(account: string, bucket: string, maxAge: number): StreamSpec {
  const spec = bucketStream(account, bucket)
  const config: StreamSettings = {
    ...spec.config,
    discard_new_per_subject: true,
    deny_purge: true,
    max_age: maxAge,
  }
  return { ...spec, config }
}

function durable(name: string): ConsumerSettings {
  return {
    durable_name: name,
    ack_policy: 'explicit',
    deliver_policy: 'all',
    ack_wait: ACK_WAIT_S * NS_PER_S,
    max_deliver: NO_LIMIT,
  }
}

/**
 * Which settings of a stream, as the server reports it, are not ours: `name: have, want`. What the
 * server leaves out has its zero value.
 */
export function settingsProblems(
  actual: Readonly<Record<string, unknown>>,
  wanted: Readonly<Record<string, unknown>>,
): readonly string[] {
  return Object.entries(wanted).flatMap(([name, want]) => {
    const have = actual[name] ?? zeroOf(want)
    const same = JSON.stringify(have) === JSON.stringify(want)
    return same ? [] : [`${name}: ${JSON.stringify(have)}, not ${JSON.stringify(want)}`]
  })
}

/**
 * Why a stream is not the insert-only one that `bucket` must be; empty when it is. A reader
 * checks this at each start, since only the provisioning identity could have changed it
 * (spec/protocol.md §6).
 */
export function insertOnlyProblems(
  bucket: string,
  actual: Readonly<Record<string, unknown>>,
): readonly string[] {
  if (![...INSERT_ONLY_BUCKETS, ...INSERT_ONLY_CONTROL].includes(bucket)) {
    return ['not a bucket of ours']
  }
  const spec = busStreams(['any']).find((item) => item.config.name === `KV_${bucket}`)
  if (spec === undefined) return ['not a bucket of ours']
  // Whether it is told as it happens, or lies on several servers, takes nothing away from what is stored.
  const { republish: _told, num_replicas: _replicas, ...relied } = spec.config
  return settingsProblems(actual, relied)
}

function zeroOf(want: unknown): unknown {
  if (typeof want === 'boolean') return false
  return typeof want === 'number' ? 0 : undefined
}
