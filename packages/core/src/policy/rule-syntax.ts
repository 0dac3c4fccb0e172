/** Rules, limits and defaults: what stands in the tables of a policy file, member by member. */
import {
  EFFECTS,
  type Effect,
  type Json,
  type Money,
  pointerProblem,
  type Tier,
  UNDO_MAX_MS,
} from '@trustgw/protocol'
import { ANY_APPROVER, approversSyntax } from './approvers-syntax.ts'
import {
  APPROVAL_TTL_MAX_MS,
  DEFAULT_RULE_ID,
  GRANT_TTL_MAX_MS,
  LIMIT_COUNT_MAX,
  type Limit,
  type LimitKey,
  type PolicyDefaults,
  PRIORITY_MAX,
  REASON_MAX_CHARS,
  type Rule,
  type RuleApprovers,
  type Verdict,
  WINDOW_MAX_MS,
} from './ast.ts'
import { matchSyntax } from './match-syntax.ts'
import {
  type At,
  checkKeys,
  complete,
  inside,
  type Raw,
  type RawTable,
  readTable,
  wrong,
  wrongKey,
} from './raw.ts'
import { choice, described, integer, list, need, optional, type Syntax, text } from './syntax.ts'
import { duration, money } from './value-syntax.ts'

const RULE_ID_MAX_CHARS = 64

const id: Syntax<string> = text((written) => {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(written)) {
    return 'an id is made of letters, digits, ".", "_" and "-"'
  }
  return written === DEFAULT_RULE_ID ? `"${DEFAULT_RULE_ID}" names what no rule matches` : null
}, RULE_ID_MAX_CHARS)

const priority = described(integer({ min: 0, max: PRIORITY_MAX }), 'Lower is looked at first')
const effect = choice<Effect>(EFFECTS)
const tier: Syntax<number> = integer({ min: 1, max: 3 })
const reason = text(undefined, REASON_MAX_CHARS)
const undo = described(
  duration(UNDO_MAX_MS),
  'How long it waits, once it may run, for somebody to stop it',
)
const grantTtl = duration(GRANT_TTL_MAX_MS)
const approvalTtl = duration(APPROVAL_TTL_MAX_MS)
const window = duration(WINDOW_MAX_MS)
const maxCount = integer({ min: 0, max: LIMIT_COUNT_MAX })
const onExceed = choice<'require_approval' | 'deny'>(['require_approval', 'deny'])

const limitKey: Syntax<LimitKey> = {
  read: (raw, at) => {
    const plain = (['tenant', 'workspace', 'agent', 'user', 'tool'] as const).find(
      (name) => name === raw,
    )
    if (plain !== undefined) return plain
    if (typeof raw === 'string' && raw.startsWith('args:/')) {
      const pointer = raw.slice('args:'.length)
      const problem = pointerProblem(pointer)
      return problem === null ? `args:${pointer}` : wrong(at, problem)
    }
    return wrong(at, 'expected tenant, workspace, agent, user, tool or args:/pointer')
  },
  write: (value) => value,
  schema: { type: 'string', pattern: '^(tenant|workspace|agent|user|tool|args:/.*)$' },
}
const limitKeys = list(limitKey)

interface Member {
  readonly name: string
  readonly schema: Syntax<unknown>['schema']
  readonly isRequired?: boolean
}

const RULE_MEMBERS: readonly Member[] = [
  { name: 'id', schema: id.schema, isRequired: true },
  { name: 'priority', schema: priority.schema, isRequired: true },
  { name: 'effect', schema: effect.schema, isRequired: true },
  { name: 'tier', schema: tier.schema },
  { name: 'reason', schema: reason.schema },
  { name: 'approvers', schema: approversSyntax.schema },
  { name: 'undo', schema: undo.schema },
  { name: 'match', schema: matchSyntax.schema, isRequired: true },
]
const LIMIT_MEMBERS: readonly Member[] = [
  { name: 'id', schema: id.schema, isRequired: true },
  { name: 'match', schema: matchSyntax.schema, isRequired: true },
  { name: 'key', schema: limitKeys.schema, isRequired: true },
  { name: 'window', schema: window.schema, isRequired: true },
  { name: 'max_count', schema: maxCount.schema },
  { name: 'max_amount', schema: money.schema },
  { name: 'on_exceed', schema: onExceed.schema, isRequired: true },
  { name: 'tier', schema: tier.schema },
  { name: 'reason', schema: reason.schema },
  { name: 'approvers', schema: approversSyntax.schema },
]
const DEFAULTS_MEMBERS: readonly Member[] = [
  { name: 'effect', schema: { enum: ['deny', 'allow'] } },
  { name: 'grant_ttl', schema: grantTtl.schema },
  { name: 'approval_ttl', schema: approvalTtl.schema },
]

function tableSchema(members: readonly Member[]): Syntax<unknown>['schema'] {
  return {
    type: 'object',
    properties: Object.fromEntries(members.map(({ name, schema }) => [name, schema])),
    required: members.filter(({ isRequired }) => isRequired === true).map(({ name }) => name),
    additionalProperties: false,
  }
}

const keysOf = (members: readonly Member[]): { readonly known: readonly string[] } => ({
  known: members.map(({ name }) => name),
})

/** The tier that goes with an effect; said aloud where there is a choice. */
function readTier(table: RawTable, stands: Effect, at: At): Tier | null {
  const written = table.get('tier')
  const here = inside(at, 'tier')
  if (stands === 'require_approval') {
    if (written === undefined) return wrongKey(here, '"tier" is missing: 1 (click) or 2 (passkey)')
    if (written === 1n) return 1
    return written === 2n ? 2 : wrong(here, 'require_approval has tier 1 or 2')
  }
  const only = stands === 'require_proof' ? 3 : 0
  if (written !== undefined && written !== BigInt(only)) {
    return wrong(here, only === 3 ? 'require_proof has tier 3' : `${stands} has no tier`)
  }
  return only
}

interface Standing extends Verdict {
  readonly approvers: RuleApprovers | null
}

/** Whom an effect asks: nobody, unless people decide. */
function readAsked(
  table: RawTable,
  stands: Effect,
  at: At,
): { readonly approvers: RuleApprovers | null } | null {
  const written = table.get('approvers')
  const here = inside(at, 'approvers')
  if (stands !== 'require_approval' && stands !== 'require_proof') {
    return written === undefined ? { approvers: null } : wrong(here, `${stands} asks no approvers`)
  }
  return complete({
    approvers: written === undefined ? ANY_APPROVER : approversSyntax.read(written, here),
  })
}

/** Effect, tier and who decides, where people do. */
function readStanding(table: RawTable, stands: Effect | null, at: At): Standing | null {
  if (stands === null) return null
  const parts = complete({
    tier: readTier(table, stands, at),
    asked: readAsked(table, stands, at),
  })
  return parts === null ? null : { effect: stands, tier: parts.tier, ...parts.asked }
}

function readRule(raw: Raw, at: At): Rule | null {
  const table = readTable(raw, at)
  if (table === null) return null
  checkKeys(table, keysOf(RULE_MEMBERS), at)
  const why = optional(table, ['reason', reason], null, at)
  const parts = complete({
    id: need(table, 'id', id, at),
    priority: need(table, 'priority', priority, at),
    standing: readStanding(table, need(table, 'effect', effect, at), at),
    match: need(table, 'match', matchSyntax, at),
  })
  if (parts === null) return null
  const { standing, ...rest } = parts
  const undo_ms = optional(table, ['undo', undo], 0, at)
  if (undo_ms > 0 && standing.effect === 'deny')
    wrong(inside(at, 'undo'), 'deny has nothing to undo')
  return { ...rest, ...standing, reason: why ?? `Rule ${rest.id}`, undo_ms }
}

/** What is written of a verdict beside the effect; defaults are not written. */
function standingForm({
  effect: stands,
  tier: itsTier,
  approvers,
}: Standing): Record<string, Json> {
  const form: Record<string, Json> = {}
  if (stands === 'require_approval') form['tier'] = itsTier
  if (approvers === null) return form
  form['approvers'] = approversSyntax.write(approvers)
  return form
}

export const ruleSyntax: Syntax<Rule> = {
  read: readRule,
  write: (rule) => ({
    id: rule.id,
    priority: rule.priority,
    effect: rule.effect,
    reason: rule.reason,
    ...standingForm(rule),
    ...(rule.undo_ms === 0 ? {} : { undo: undo.write(rule.undo_ms) }),
    match: matchSyntax.write(rule.match),
  }),
  schema: tableSchema(RULE_MEMBERS),
}

interface Maxima {
  readonly max_count: number | null
  readonly max_amount: Money | null
}

function readMaxima(table: RawTable, at: At): Maxima | null {
  const count = optional(table, ['max_count', maxCount], null, at)
  const amount = optional(table, ['max_amount', money], null, at)
  if (!table.has('max_count') && !table.has('max_amount')) {
    return wrongKey(at, 'expected max_count or max_amount')
  }
  return { max_count: count, max_amount: amount }
}

function readLimit(raw: Raw, at: At): Limit | null {
  const table = readTable(raw, at)
  if (table === null) return null
  checkKeys(table, keysOf(LIMIT_MEMBERS), at)
  const why = optional(table, ['reason', reason], null, at)
  const parts = complete({
    id: need(table, 'id', id, at),
    match: need(table, 'match', matchSyntax, at),
    key: need(table, 'key', limitKeys, at),
    window_ms: need(table, 'window', window, at),
    standing: readStanding(table, need(table, 'on_exceed', onExceed, at), at),
    maxima: readMaxima(table, at),
  })
  if (parts === null) return null
  const { standing, maxima, ...rest } = parts
  return { ...rest, ...standing, ...maxima, reason: why ?? `Limit ${rest.id} is reached` }
}

export const limitSyntax: Syntax<Limit> = {
  read: readLimit,
  write: (limit) => ({
    id: limit.id,
    match: matchSyntax.write(limit.match),
    key: limitKeys.write(limit.key),
    window: window.write(limit.window_ms),
    ...(limit.max_count === null ? {} : { max_count: limit.max_count }),
    ...(limit.max_amount === null ? {} : { max_amount: money.write(limit.max_amount) }),
    on_exceed: limit.effect,
    reason: limit.reason,
    ...standingForm(limit),
  }),
  schema: tableSchema(LIMIT_MEMBERS),
}

/** Which file is read: only the platform's has a default, and only in development may it allow. */
export interface DefaultsOptions {
  readonly isPlatform: boolean
  readonly development: boolean
}

/** What a layer does not say of lifetimes shortens none. */
const PLATFORM_TTL = { grant: '30s', approval: '15m' }
const LAYER_TTL = { grant: '30s', approval: '7d' }

function readDefaultEffect(raw: Raw, at: At, development: boolean): 'deny' | 'allow' | null {
  const read = choice(['deny', 'allow'] as const).read(raw, at)
  return read === 'allow' && !development
    ? wrong(at, '"allow" is refused outside development', 'deny')
    : read
}

export function readDefaults(
  raw: Raw | undefined,
  at: At,
  { isPlatform, development }: DefaultsOptions,
): PolicyDefaults | null {
  const table = raw === undefined ? new Map<string, Raw>() : readTable(raw, at)
  if (table === null) return null
  checkKeys(table, keysOf(DEFAULTS_MEMBERS), at)
  const fallback = isPlatform ? PLATFORM_TTL : LAYER_TTL
  const here = inside(at, 'effect')
  const written = table.get('effect')
  if (!isPlatform && written !== undefined) wrong(here, 'only the platform layer has a default')
  const stands = isPlatform ? readDefaultEffect(written ?? 'deny', here, development) : 'none'
  const ttl = (name: string, syntax: Syntax<number>, value: string): number | null =>
    syntax.read(table.get(name) ?? value, inside(at, name))
  return complete({
    effect: stands,
    grant_ttl_ms: ttl('grant_ttl', grantTtl, fallback.grant),
    approval_ttl_ms: ttl('approval_ttl', approvalTtl, fallback.approval),
  })
}

export function writeDefaults(defaults: PolicyDefaults): Json {
  return {
    ...(defaults.effect === 'none' ? {} : { effect: defaults.effect }),
    grant_ttl: grantTtl.write(defaults.grant_ttl_ms),
    approval_ttl: approvalTtl.write(defaults.approval_ttl_ms),
  }
}

export const defaultsSchema: Syntax<unknown>['schema'] = tableSchema(DEFAULTS_MEMBERS)
