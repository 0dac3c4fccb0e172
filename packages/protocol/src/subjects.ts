import { type ActionId, parseActionId } from './ids.ts'
import { Fault, ok, type Result, refuse } from './result.ts'

declare const tokenBrand: unique symbol

type Token<K extends string> = string & { readonly [tokenBrand]: K }

/** Slug of a tenant: one subject token, so that permissions wall tenants off. */
export type TenantId = Token<'tenant'>
/** Slug of an executor profile. */
export type Profile = Token<'profile'>
/** Who writes audit events: `gateway`, `host`, `exec-<profile>`, ... */
export type Component = Token<'component'>
/** Tells the processes of one component apart: with it, it names a chain of audit events. */
export type Instance = Token<'instance'>
/** Type of an audit event: snake_case. */
export type EventType = Token<'event'>

const SLUG = /^[a-z0-9][a-z0-9-]{0,30}$/
const COMPONENT = /^[a-z0-9][a-z0-9-]{0,40}$/
const EVENT_TYPE = /^[a-z][a-z0-9_]{0,63}$/

function isTenantId(text: string): text is TenantId {
  return SLUG.test(text)
}

function isProfile(text: string): text is Profile {
  return SLUG.test(text)
}

function isComponent(text: string): text is Component {
  return COMPONENT.test(text)
}

function isInstance(text: string): text is Instance {
  return SLUG.test(text)
}

function isEventType(text: string): text is EventType {
  return EVENT_TYPE.test(text)
}

export function parseTenantId(text: string): Result<TenantId, 'tenant_id'> {
  return isTenantId(text) ? ok(text) : refuse('tenant_id')
}

export function parseProfile(text: string): Result<Profile, 'profile'> {
  return isProfile(text) ? ok(text) : refuse('profile')
}

export function parseComponent(text: string): Result<Component, 'component'> {
  return isComponent(text) ? ok(text) : refuse('component')
}

export function parseInstance(text: string): Result<Instance, 'instance'> {
  return isInstance(text) ? ok(text) : refuse('instance')
}

export function parseEventType(text: string): Result<EventType, 'event_type'> {
  return isEventType(text) ? ok(text) : refuse('event_type')
}

/** The component name under which an executor profile writes audit events. */
export function executorComponent(profile: Profile): Component {
  const text = `exec-${profile}`
  if (!isComponent(text)) throw new Fault('subject_token', 'not a profile')
  return text
}

/** Every subject of our own (spec/protocol.md §6); `{name}` is one token. */
export const SUBJECTS = {
  action_propose: 'trust.v1.{tenant}.action.propose',
  action_get: 'trust.v1.{tenant}.action.get',
  action_cancel: 'trust.v1.{tenant}.action.cancel',
  tools_list: 'trust.v1.{tenant}.tools.list',
  exec_invoke: 'exec.v1.{tenant}.{profile}.invoke',
  exec_cancel: 'exec.v1.{tenant}.{profile}.cancel',
  exec_reconcile: 'exec.v1.{tenant}.{profile}.reconcile',
  exec_result: 'exec.v1.{tenant}.{profile}.{action}.result',
  approval_request: 'approval.v1.{tenant}.request',
  approval_decision: 'approval.v1.{tenant}.decision',
  approval_outcome: 'approval.v1.{tenant}.outcome',
  audit: 'audit.v1.{tenant}.{component}.{instance}.{event}',
  ui_events: 'ui.v1.{tenant}.events',
  ui_changed: 'ui.v1.{tenant}.changed',
  registry_changed: 'registry.v1.{tenant}.changed',
  beat: 'beat.v1.{component}',
  /** What an executor publishes; its account's imports stamp the profile in (§6). */
  exec_result_local: 'execout.v1.{tenant}.{action}.result',
  audit_local: 'auditout.v1.{tenant}.{instance}.{event}',
  tools_local: 'toolsout.v1.{tenant}',
} as const

export type SubjectKind = keyof typeof SUBJECTS

interface TokenTypes {
  readonly tenant: TenantId
  readonly profile: Profile
  readonly action: ActionId
  readonly component: Component
  readonly instance: Instance
  readonly event: EventType
}

type TokenName = keyof TokenTypes
type NamesIn<T extends string> = T extends `${string}{${infer N extends TokenName}}${infer Rest}`
  ? N | NamesIn<Rest>
  : never

/** The tokens that a kind of subject takes. */
export type SubjectTokens<K extends SubjectKind> = {
  readonly [N in NamesIn<(typeof SUBJECTS)[K]>]: TokenTypes[N]
}

const TOKEN = /\{([a-z]+)\}/g

const TOKEN_CHECKS: { readonly [N in TokenName]: (text: string) => boolean } = {
  tenant: isTenantId,
  profile: isProfile,
  action: (text) => parseActionId(text).ok,
  component: isComponent,
  instance: isInstance,
  event: isEventType,
}

/**
 * The literal subject. Tokens are branded, and checked once more here, since a wildcard or a dot
 * in one would move the message to another subject: fault `subject_token`.
 */
export function subject<K extends SubjectKind>(kind: K, tokens: SubjectTokens<K>): string {
  return fill(kind, tokens, undefined)
}

/** The subject to subscribe to: each token that is not given is `*`. */
export function subjectPattern<K extends SubjectKind>(
  kind: K,
  tokens: Partial<SubjectTokens<K>> = {},
): string {
  return fill(kind, tokens, '*')
}

/**
 * The tokens of a literal subject of this kind. Refuses another subject, another number of
 * tokens, wildcards, and tokens that are not of their kind. That the sender may speak for the
 * tenant is NOT checked here.
 */
export function parseSubject<K extends SubjectKind>(
  kind: K,
  text: string,
): Result<SubjectTokens<K>, 'subject'> {
  const template = SUBJECTS[kind].split('.')
  const parts = text.split('.')
  if (parts.length !== template.length) return refuse('subject')
  const tokens: Record<string, string> = {}
  for (const [i, expected] of template.entries()) {
    const part = parts[i] ?? ''
    if (expected.startsWith('{')) tokens[expected.slice(1, -1)] = part
    else if (part !== expected) return refuse('subject')
  }
  Object.freeze(tokens)
  return isTokensOf(kind, tokens) ? ok(tokens) : refuse('subject')
}

function isTokensOf<K extends SubjectKind>(
  kind: K,
  tokens: Readonly<Record<string, string>>,
): tokens is SubjectTokens<K> & Readonly<Record<string, string>> {
  for (const [, name = ''] of SUBJECTS[kind].matchAll(TOKEN)) {
    if (!isToken(name, tokens[name] ?? '')) return false
  }
  return true
}

function isToken(name: string, value: string): boolean {
  return isTokenName(name) && TOKEN_CHECKS[name](value)
}

function isTokenName(name: string): name is TokenName {
  return Object.hasOwn(TOKEN_CHECKS, name)
}

function fill(kind: SubjectKind, tokens: object, absent: string | undefined): string {
  const given = new Map<string, unknown>(Object.entries(tokens))
  return SUBJECTS[kind].replaceAll(TOKEN, (_, name: string) => {
    const value = given.get(name)
    if (value === undefined && absent !== undefined) return absent
    if (typeof value === 'string' && isToken(name, value)) return value
    throw new Fault('subject_token', `not a ${name} token`)
  })
}
