/** Agents and their keys as a person sees them, and what an admin's passkey signs to register one. */
import { challengeOf } from '@trustgw/card'
import {
  type AgentLimits,
  type AgentRecord,
  type AgentStatement,
  agentRecordHash,
  base64urlEncode,
  formatApiKey,
  hashText,
  ok,
  type Result,
  refuse,
  type Sha256,
  statementHash,
} from '@trustgw/protocol'

import { type FreezeView, holding } from './freezes.ts'

const AT_TOLERANCE_MS = 60_000
const KEY_ID_ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const KEY_ID_CHARS = 16
const SECRET_BYTES = 32

/** One credential, as the host lists it. */
export interface ListedKey {
  readonly key_id: string
  readonly agent: string
  readonly title: string
  readonly on_behalf_of: string | null
  readonly roles?: readonly string[]
  readonly scopes?: readonly string[]
  readonly skill_level?: string | null
  readonly limits?: AgentLimits
  readonly status: 'active' | 'revoked'
  readonly created_at: number
  readonly is_on_bus: boolean
  /** `operator`, or the admin who registered it. */
  readonly by: string
  /** The executor profiles that vouch for it; null where the operator's word is enough. */
  readonly profiles: readonly string[] | null
}

export type KeyState =
  | 'active'
  /** A freeze covers it. */
  | 'paused'
  | 'revoked'
  | 'expired'
  /** No executor vouches for it yet. */
  | 'waiting'

/** One agent with its keys, the newest first. */
export interface AgentView {
  readonly agent: string
  readonly title: string
  readonly on_behalf_of: string | null
  readonly state: KeyState
  /** What holds the agent as a whole and can be thawed. */
  readonly pauses: readonly FreezeView[]
  readonly keys: readonly (ListedKey & { readonly state: KeyState })[]
}

/** By name; an agent is what its best key is. */
export function agentViews(
  listed: readonly ListedKey[],
  freezes: readonly FreezeView[],
  now: number,
): readonly AgentView[] {
  const names = [...new Set(listed.map(({ agent }) => agent))].toSorted()
  return names.flatMap((agent) => {
    const keys = listed
      .filter((key) => key.agent === agent)
      .toSorted((a, b) => b.created_at - a.created_at)
      .map((key) => ({ ...key, state: stateOf(key, freezes, now) }))
    const [newest] = keys
    if (newest === undefined) return []
    const pauses = holding(freezes, { agent }).filter(
      ({ statement, isFinal }) => !isFinal && statement.scope.kind === 'agent',
    )
    const state = STATES.find((one) => keys.some((key) => key.state === one)) ?? 'revoked'
    const { title, on_behalf_of } = newest
    return [{ agent, title, on_behalf_of, state, pauses, keys }]
  })
}

const STATES: readonly KeyState[] = ['active', 'paused', 'waiting', 'expired', 'revoked']

function stateOf(
  { agent, key_id: key, status, limits, profiles }: ListedKey,
  freezes: readonly FreezeView[],
  now: number,
): KeyState {
  const held = holding(freezes, { agent, key })
  if (status === 'revoked' || held.some(({ isFinal }) => isFinal)) return 'revoked'
  if (now >= (limits?.until ?? Number.POSITIVE_INFINITY)) return 'expired'
  if (held.length > 0) return 'paused'
  return profiles?.length === 0 ? 'waiting' : 'active'
}

/** What an admin wants of a new key. */
export interface AgentDraft {
  readonly agent: string
  readonly title: string
  readonly on_behalf_of: string | null
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  readonly skill_level: string | null
  readonly limits: AgentLimits
}

export type AgentWish = AgentDraft & Pick<AgentRecord, 'key_id'> & { readonly secret_hash: string }

/** A key that this browser made: the host learns its id and the hash of its secret. */
export interface NewKey {
  readonly text: string
  readonly key_id: string
  readonly secret_hash: ReturnType<typeof hashText>
}

export function newKey(
  tenant: string,
  random: (count: number) => Uint8Array,
  sha256: Sha256,
): NewKey {
  const key_id = [...random(KEY_ID_CHARS)].map((byte) => KEY_ID_ALPHABET[byte & 31]).join('')
  const secret = base64urlEncode(random(SECRET_BYTES))
  const text = formatApiKey({ tenant, key_id, secret })
  return { text, key_id, secret_hash: hashText(sha256, secret) }
}

export type AgentRefusal =
  /** Another agent, key, person, limit or admin than on this page. */
  'statement_differs' | 'time_differs'

/** The challenge of exactly this registration; the host gives time and nonce, and nothing else. */
export function signableAgent(
  { draft, key }: { readonly draft: AgentDraft; readonly key: NewKey },
  offered: AgentStatement,
  expected: {
    readonly tenant: AgentStatement['tenant']
    readonly admin: string
    readonly now: number
    readonly sha256: Sha256
  },
): Result<{ readonly challenge: string }, AgentRefusal> {
  const { tenant, admin, now, sha256 } = expected
  const { at, nonce } = offered
  const { key_id, secret_hash } = key
  const record: AgentRecord = {
    v: 1,
    tenant,
    key_id,
    ...draft,
    workspace: 'default',
    secret_hash,
    nkey: null,
    status: 'active',
    created_at: at,
    changed_at: at,
  }
  const record_hash = agentRecordHash(sha256, record)
  const own: AgentStatement = {
    typ: 'trustgw/agent/1',
    tenant,
    key_id,
    record_hash,
    admin,
    at,
    nonce,
  }
  if (statementHash(sha256, own) !== statementHash(sha256, offered)) {
    return refuse('statement_differs')
  }
  if (Math.abs(at - now) > AT_TOLERANCE_MS) return refuse('time_differs')
  return ok({ challenge: challengeOf(own, sha256) })
}

/** What is to be said of a key: since when, by whom, for what, within which limits. */
export function keyWords({
  created_at,
  by,
  profiles,
  limits,
  roles,
  scopes,
  skill_level,
}: ListedKey): readonly string[] {
  const who = by === 'operator' ? 'the operator' : by
  return [
    `Since ${new Date(created_at).toLocaleString()}, by ${who}`,
    ...named('for the tools of', profiles),
    ...limitWords(limits),
    ...named('roles', roles),
    ...named('scopes', scopes),
    ...named('skill level', skill_level === undefined || skill_level === null ? [] : [skill_level]),
  ]
}

function named(what: string, names: readonly string[] | null | undefined): readonly string[] {
  return names === null || names === undefined || names.length === 0
    ? []
    : [`${what} ${names.join(', ')}`]
}

function limitWords(limits: AgentLimits | undefined): readonly string[] {
  if (limits === undefined) return []
  const { until, tools, calls_per_minute } = limits
  return [
    ...(until === null ? [] : [`until ${new Date(until).toLocaleString()}`]),
    ...(tools === null ? [] : [`only ${tools.join(', ')}`]),
    ...(calls_per_minute === null ? [] : [`at most ${calls_per_minute} calls a minute`]),
  ]
}
