import { parseTenantId } from '@trustgw/protocol'
import type { Listen, SettingDefinition, SettingKind, SettingValue } from './kind.ts'

const MS_OF_UNIT: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])
const DURATION = /^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$/
const LISTEN = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})$/
const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::[0-9]{1,5})?$/
const LIST_MAX = 64
const PORT_MAX = 65_535

/** `250ms`, `25s`, `5m`, `2h`, `7d`: one whole number and a unit. Milliseconds, or `undefined`. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = DURATION.exec(text) ?? []
  const ms = MS_OF_UNIT.get(unit ?? '')
  return count === undefined || ms === undefined ? undefined : Number(count) * ms
}

/** `host:port`; port 0 lets the system choose. IPv6 in brackets. */
export function parseListen(text: string): Listen | undefined {
  const [, host, digits] = LISTEN.exec(text) ?? []
  const port = Number(digits)
  if (host === undefined || port > PORT_MAX) return undefined
  return { host: host.replace(/^\[|\]$/g, ''), port }
}

/** Whether a host name or address means this machine only. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  return (
    bare === 'localhost' || bare.endsWith('.localhost') || bare === '::1' || isIpv4Loopback(bare)
  )
}

function isIpv4Loopback(host: string): boolean {
  return /^127(?:\.[0-9]{1,3}){3}$/.test(host)
}

/** An http or https URL without user, query, fragment or path; as browsers write an origin. */
export function parseOrigin(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined
  return url.origin === text.replace(/\/$/, '') ? url.origin : undefined
}

type Reader = (raw: unknown, definition: SettingDefinition) => SettingValue | undefined

function textOf(read: (value: string) => SettingValue | undefined): Reader {
  return (raw) => (typeof raw === 'string' ? read(raw) : undefined)
}

type Range = Pick<SettingDefinition, 'min' | 'max'>

function within(value: number | undefined, definition: Range): number | undefined {
  if (value === undefined || !Number.isSafeInteger(value)) return undefined
  if (value < (definition.min ?? 0)) return undefined
  return value > (definition.max ?? Number.MAX_SAFE_INTEGER) ? undefined : value
}

function listOf(read: (entry: string) => string | undefined): Reader {
  return (raw) => {
    const entries = typeof raw === 'string' ? splitList(raw) : raw
    if (!Array.isArray(entries) || entries.length > LIST_MAX) return undefined
    const values = entries.map((entry: unknown) =>
      typeof entry === 'string' ? read(entry) : undefined,
    )
    const known = values.filter((value) => value !== undefined)
    return known.length === values.length ? known : undefined
  }
}

function splitList(value: string): readonly string[] {
  return value === '' ? [] : value.split(',').map((entry) => entry.trim())
}

const READERS: Readonly<Record<SettingKind, Reader>> = {
  choice: (raw, definition) => definition.choices?.find((choice) => choice === raw),
  text: textOf((value) => (/\p{Cc}/u.test(value) ? undefined : value)),
  path: textOf((value) => (value === '' || /\p{Cc}/u.test(value) ? undefined : value)),
  slug: textOf((value) => (parseTenantId(value).ok ? value : undefined)),
  port: (raw) => (typeof raw === 'number' ? within(raw, { min: 0, max: PORT_MAX }) : undefined),
  listen: textOf(parseListen),
  url: textOf((value) => (value === '' ? '' : parseOrigin(value))),
  origins: listOf(parseOrigin),
  hosts: listOf((entry) => (HOST.test(entry) ? entry : undefined)),
  duration: (raw, definition) =>
    typeof raw === 'string' ? within(parseDuration(raw), definition) : undefined,
  sync: textOf((value) => {
    if (value === 'always') return value
    return (parseDuration(value) ?? 0) > 0 ? value : undefined
  }),
  bytes: (raw, definition) => (typeof raw === 'number' ? within(raw, definition) : undefined),
  count: (raw, definition) => (typeof raw === 'number' ? within(raw, definition) : undefined),
  flag: (raw) => (typeof raw === 'boolean' ? raw : undefined),
}

/** The value of a setting as written in the file, or `undefined` when it is not one of its kind. */
export function readValue(definition: SettingDefinition, raw: unknown): SettingValue | undefined {
  return READERS[definition.kind](raw, definition)
}

/** What the file would hold for the text of an environment variable. */
export function rawOfVariable(definition: SettingDefinition, value: string): unknown {
  const { kind } = definition
  if (kind === 'flag') return value === 'true' || value === '1' ? true : falseOf(value)
  if (kind === 'port' || kind === 'bytes' || kind === 'count')
    return /^[0-9]{1,9}$/.test(value) ? Number(value) : value
  return value
}

function falseOf(value: string): unknown {
  return value === 'false' || value === '0' ? false : value
}

/** How a person writes a value of this kind. */
export function kindInWords(definition: SettingDefinition): string {
  const words: Readonly<Record<SettingKind, string>> = {
    choice: `one of ${(definition.choices ?? []).map((choice) => `\`${choice}\``).join(', ')}`,
    text: 'text',
    path: 'path',
    slug: 'slug: a-z, 0-9 and -, at most 31 characters',
    port: 'port, 0 to 65535',
    listen: '`host:port`',
    url: 'origin, `http(s)://host[:port]`',
    origins: 'list of origins',
    hosts: 'list of `host[:port]`',
    duration: `duration such as \`250ms\`, \`25s\`, \`5m\`${rangeInWords(definition)}`,
    sync: '`always` or a duration',
    bytes: `bytes${rangeInWords(definition)}`,
    count: `number${rangeInWords(definition)}`,
    flag: '`true` or `false`',
  }
  return words[definition.kind]
}

function rangeInWords(definition: SettingDefinition): string {
  const { min, max } = definition
  if (min === undefined || max === undefined) return ''
  const unit = definition.kind === 'duration' ? ' ms' : ''
  return `, ${min} to ${max}${unit}`
}
