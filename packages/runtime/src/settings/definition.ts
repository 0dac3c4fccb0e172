import type { SettingDefinition, ValueOfKind } from './kind.ts'

/** Every setting, once. Without a mode, it is production. */
export const SETTINGS = {
  mode: {
    kind: 'choice',
    choices: ['production', 'development'],
    default: 'production',
    env: 'TRUSTGW_MODE',
    usedBy: 'all',
    text: 'Development makes keys on first run and allows conveniences that production refuses.',
  },
  state_dir: {
    kind: 'path',
    default: '.trustgw',
    env: 'TRUSTGW_STATE_DIR',
    usedBy: 'all',
    text: 'Folder of keys, credentials and stored data; relative to the working directory.',
  },
  tenant: {
    kind: 'slug',
    default: 'main',
    env: 'TRUSTGW_TENANT',
    usedBy: 'all',
    text: 'Slug of the first tenant: a-z, 0-9 and -, at most 31 characters.',
  },
  log_level: {
    kind: 'choice',
    choices: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    env: 'TRUSTGW_LOG_LEVEL',
    usedBy: 'all',
    text: 'Least important lines of the diagnostic log. The audit is apart from it.',
  },
  'nats.server_bin': {
    kind: 'text',
    default: '',
    env: 'NATS_SERVER',
    usedBy: 'supervisor',
    text: 'The nats-server to start (2.11 or later). Empty: the one on PATH, or in the cache.',
  },
  'nats.port': {
    kind: 'port',
    default: 4222,
    env: 'TRUSTGW_NATS_PORT',
    usedBy: 'all',
    text: 'Loopback port of the bus.',
  },
  'nats.nodes': {
    kind: 'count',
    default: 1,
    min: 1,
    max: 3,
    env: 'TRUSTGW_NATS_NODES',
    usedBy: 'all',
    text: 'How many nats-servers `trustgw up` starts, 1 or 3; with 3 every message is on three of them. Chosen before the first start. Further ones listen on the ports that follow.',
  },
  'nats.cluster_port': {
    kind: 'port',
    default: 6222,
    env: 'TRUSTGW_NATS_CLUSTER_PORT',
    usedBy: 'supervisor',
    text: 'Loopback port on which the first of three nats-servers hears the others; theirs follow.',
  },
  'nats.websocket_port': {
    kind: 'port',
    default: 9222,
    env: 'TRUSTGW_NATS_WEBSOCKET_PORT',
    usedBy: 'supervisor, host',
    text: 'Loopback port on which the portal listens for live events.',
  },
  'nats.sync_interval': {
    kind: 'sync',
    default: 'always',
    development: '10s',
    env: 'TRUSTGW_NATS_SYNC_INTERVAL',
    usedBy: 'supervisor',
    text: 'When stored messages are forced to disk: `always`, or every so often. Production: `always`, unless `nats.nodes` is 3.',
  },
  'gateway.listen': {
    kind: 'listen',
    default: '127.0.0.1:3060',
    env: 'TRUSTGW_GATEWAY_LISTEN',
    usedBy: 'gateway',
    text: 'Address of MCP and REST.',
  },
  'gateway.instances': {
    kind: 'count',
    default: 1,
    min: 1,
    max: 4,
    env: 'TRUSTGW_GATEWAY_INSTANCES',
    usedBy: 'supervisor, gateway',
    text: 'How many gateways run; further ones listen on the ports that follow `gateway.listen`.',
  },
  'gateway.public_url': {
    kind: 'url',
    default: '',
    env: 'TRUSTGW_GATEWAY_PUBLIC_URL',
    usedBy: 'gateway, supervisor',
    text: 'Address that clients use; https unless loopback. Empty: derived from `gateway.listen`.',
  },
  'gateway.allowed_hosts': {
    kind: 'hosts',
    default: '',
    env: 'TRUSTGW_GATEWAY_ALLOWED_HOSTS',
    usedBy: 'gateway',
    text: 'Values of the Host header that are answered. Empty: those of public and listen address.',
  },
  'gateway.allowed_origins': {
    kind: 'origins',
    default: '',
    env: 'TRUSTGW_GATEWAY_ALLOWED_ORIGINS',
    usedBy: 'gateway',
    text: 'Origins of web pages that may call MCP and REST. Empty: none; other clients send none.',
  },
  'gateway.accept_tool_changes': {
    kind: 'flag',
    default: false,
    developmentOnly: true,
    env: 'TRUSTGW_GATEWAY_ACCEPT_TOOL_CHANGES',
    usedBy: 'gateway',
    text: 'Call a tool whose contract changed without anybody having looked at the change.',
  },
  'gateway.hold': {
    kind: 'duration',
    default: '25s',
    min: 0,
    max: 25_000,
    env: 'TRUSTGW_GATEWAY_HOLD',
    usedBy: 'gateway',
    text: 'How long a call that waits for approval is held before it answers `pending_approval`.',
  },
  'host.listen': {
    kind: 'listen',
    default: '127.0.0.1:8080',
    env: 'TRUSTGW_HOST_LISTEN',
    usedBy: 'host',
    text: 'Address of the portal.',
  },
  'host.origin': {
    kind: 'url',
    default: 'http://localhost:8080',
    env: 'TRUSTGW_HOST_ORIGIN',
    usedBy: 'host, executor, supervisor',
    text: 'Origin of the portal as browsers see it; passkeys are bound to it. https unless localhost.',
  },
  'host.rp_id': {
    kind: 'text',
    default: 'localhost',
    env: 'TRUSTGW_HOST_RP_ID',
    usedBy: 'host, executor',
    text: 'Domain of the passkeys: the host of the origin, or a parent domain of it.',
  },
  'host.approval_origin': {
    kind: 'url',
    default: '',
    env: 'TRUSTGW_HOST_APPROVAL_ORIGIN',
    usedBy: 'host, executor, supervisor',
    text: 'Origin of the page on which approvals are signed, another than `host.origin`; it leads to the same listener. Executors then take no approval signed elsewhere. Empty: the portal itself.',
  },
  'host.approval_rp_id': {
    kind: 'text',
    default: '',
    env: 'TRUSTGW_HOST_APPROVAL_RP_ID',
    usedBy: 'host',
    text: 'Domain of approval passkeys: above the hosts of `host.origin` and `host.approval_origin`. Empty: `host.rp_id`.',
  },
  'telegram.token_file': {
    kind: 'text',
    default: '',
    env: 'TRUSTGW_TELEGRAM_TOKEN_FILE',
    usedBy: 'host',
    text: 'File (mode 600) with the token of the Telegram bot. Empty: no Telegram.',
  },
  'telegram.webhook_secret_file': {
    kind: 'text',
    default: '',
    env: 'TRUSTGW_TELEGRAM_WEBHOOK_SECRET_FILE',
    usedBy: 'host',
    text: 'File (mode 600) with 32 to 256 of `A-Z a-z 0-9 _ -`: Telegram brings updates to `/channels/telegram` of the portal under this secret. Empty: the host asks for them.',
  },
  'telegram.api_url': {
    kind: 'url',
    default: 'https://api.telegram.org',
    env: 'TRUSTGW_TELEGRAM_API_URL',
    usedBy: 'host',
    text: 'Origin of the Bot API: Telegram’s, or a server of your own.',
  },
  'slack.token_file': {
    kind: 'text',
    default: '',
    env: 'TRUSTGW_SLACK_TOKEN_FILE',
    usedBy: 'host',
    text: 'File (mode 600) with the bot token of the Slack app. Empty: no Slack.',
  },
  'slack.signing_secret_file': {
    kind: 'text',
    default: '',
    env: 'TRUSTGW_SLACK_SIGNING_SECRET_FILE',
    usedBy: 'host',
    text: 'File (mode 600) with the signing secret of the Slack app, whose requests come to `/channels/slack` of the portal.',
  },
  'slack.api_url': {
    kind: 'url',
    default: 'https://slack.com',
    env: 'TRUSTGW_SLACK_API_URL',
    usedBy: 'host',
    text: 'Origin of the Web API of Slack.',
  },
  'policy.file': {
    kind: 'path',
    default: 'policy.toml',
    env: 'TRUSTGW_POLICY_FILE',
    usedBy: 'supervisor, policy commands',
    text: 'The platform policy; relative to the state folder.',
  },
  'policy.layers_dir': {
    kind: 'path',
    default: 'policy',
    env: 'TRUSTGW_POLICY_LAYERS_DIR',
    usedBy: 'supervisor, policy commands',
    text: 'Folder of the other layers: `tenant.toml`, `workspaces/NAME.toml`, `agents/NAME.toml`; relative to the state folder.',
  },
  'policy.allow_by_default': {
    kind: 'flag',
    default: false,
    developmentOnly: true,
    env: 'TRUSTGW_POLICY_ALLOW_BY_DEFAULT',
    usedBy: 'gateway, executor, supervisor, policy commands',
    text: 'Permit what no rule decides, instead of denying it.',
  },
  'keys.rotate_every': {
    kind: 'duration',
    default: '30d',
    min: 60_000,
    max: 31_622_400_000,
    env: 'TRUSTGW_KEYS_ROTATE_EVERY',
    usedBy: 'host',
    text: 'How long a grant key signs before the next one takes over, where the operator delegated that.',
  },
  'keys.overlap': {
    kind: 'duration',
    default: '1h',
    min: 60_000,
    max: 604_800_000,
    env: 'TRUSTGW_KEYS_OVERLAP',
    usedBy: 'host, keys rotate',
    text: 'How long a grant key is still believed after the next one took over.',
  },
  'keys.passphrase_file': {
    kind: 'text',
    default: '',
    env: 'TRUSTGW_KEYS_PASSPHRASE_FILE',
    usedBy: 'all',
    text: 'File (mode 600, at least 16 bytes) with the passphrase that seals signing keys at rest. Empty: they are not sealed.',
  },
  'executor.profile': {
    kind: 'slug',
    default: 'connector',
    env: 'TRUSTGW_EXECUTOR_PROFILE',
    usedBy: 'executor, supervisor',
    text: 'Profile of the executor.',
  },
  'executor.instances': {
    kind: 'count',
    default: 1,
    min: 1,
    max: 4,
    env: 'TRUSTGW_EXECUTOR_INSTANCES',
    usedBy: 'supervisor, executor',
    text: 'How many executors of the profile run; they share pins, credentials, nonces and journal.',
  },
  'executor.connectors_dir': {
    kind: 'path',
    default: 'connectors',
    env: 'TRUSTGW_EXECUTOR_CONNECTORS_DIR',
    usedBy: 'executor',
    text: 'Folder of the manifests; relative to the state folder.',
  },
  'executor.result_max_bytes': {
    kind: 'bytes',
    default: 131_072,
    min: 1_024,
    max: 196_608,
    env: 'TRUSTGW_EXECUTOR_RESULT_MAX_BYTES',
    usedBy: 'executor',
    text: 'Longest result of a tool; a longer one is cut and marked.',
  },
  'executor.tool_timeout': {
    kind: 'duration',
    default: '60s',
    min: 1_000,
    max: 900_000,
    env: 'TRUSTGW_EXECUTOR_TOOL_TIMEOUT',
    usedBy: 'executor',
    text: 'How long a tool may run unless its manifest says less.',
  },
  'example.shop_port': {
    kind: 'port',
    default: 3070,
    env: 'TRUSTGW_EXAMPLE_SHOP_PORT',
    usedBy: 'supervisor',
    text: 'Loopback port of the example shop, which development starts beside the system.',
  },
  'log.checkpoint_interval': {
    kind: 'duration',
    default: '1s',
    min: 100,
    max: 3_600_000,
    env: 'TRUSTGW_LOG_CHECKPOINT_INTERVAL',
    usedBy: 'log',
    text: 'At least how often new entries get a signed checkpoint.',
  },
} as const

/** Names the settings file; relative to the working directory. Not a setting of the file itself. */
export const SETTINGS_FILE_VARIABLE = 'TRUSTGW_CONFIG'
export const SETTINGS_FILE_MAX_BYTES: number = 64 * 1024

export type SettingKey = keyof typeof SETTINGS

type ValueOf<K extends SettingKey> = (typeof SETTINGS)[K] extends {
  readonly kind: 'choice'
  readonly choices: readonly (infer C)[]
}
  ? C
  : ValueOfKind[(typeof SETTINGS)[K]['kind']]

type SectionOf<K> = K extends `${infer S}.${string}` ? S : never
type TopKey = Exclude<SettingKey, `${string}.${string}`>
type InSection<S extends string> = Extract<SettingKey, `${S}.${string}`>

/** The settings as code reads them: `settings.gateway.listen`. Durations in ms, paths absolute. */
export type Settings = { readonly [K in TopKey]: ValueOf<K> } & {
  readonly [S in SectionOf<SettingKey>]: {
    readonly [K in InSection<S> as K extends `${S}.${infer N}` ? N : never]: ValueOf<K>
  }
}

export function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(SETTINGS, key)
}

export function definitionOf(key: SettingKey): SettingDefinition {
  return SETTINGS[key]
}

export const SETTING_KEYS: readonly SettingKey[] = Object.keys(SETTINGS).filter(isSettingKey)
