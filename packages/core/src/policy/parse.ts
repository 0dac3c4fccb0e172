/** `policy.toml` to a policy, or to everything that is wrong with it (spec/policy.md "File"). */
import {
  type ApproversClause,
  EFFECTS,
  type Effect,
  type Ok,
  ok,
  type Tier,
} from '@trustgw/protocol'
import {
  APPROVAL_TTL_MAX_MS,
  APPROVAL_TTL_MIN_MS,
  DEFAULT_RULE_ID,
  GRANT_TTL_MAX_MS,
  GRANT_TTL_MIN_MS,
  POINTERS_MAX,
  POLICY_MAX_CHARS,
  POLICY_MAX_RULES,
  type Policy,
  type PolicyDefaults,
  PRIORITY_MAX,
  QUORUM_MAX,
  REASON_MAX_CHARS,
  type Rule,
} from './ast.ts'
import type { Finding } from './findings.ts'
import { readMatch } from './match-keys.ts'
import { type KeyPath, locate } from './positions.ts'
import {
  type At,
  checkKeys,
  inside,
  Problems,
  parseToml,
  type Raw,
  type RawTable,
  readChoice,
  readDuration,
  readInteger,
  readList,
  readTable,
  readText,
  wrong,
  wrongKey,
} from './raw.ts'

const TOP_KEYS = { known: ['version', 'defaults', 'rules'], later: ['limits'] }
const DEFAULTS_KEYS = { known: ['effect', 'grant_ttl', 'approval_ttl'], later: [] }
const RULE_KEYS = {
  known: ['id', 'priority', 'effect', 'tier', 'reason', 'approvers', 'match'],
  later: [],
}
const APPROVERS_KEYS = { known: ['roles', 'quorum', 'channels'], later: [] }
const CHANNELS = ['portal'] as const
const RULE_ID_MAX_CHARS = 64

/** Used where a rule that asks people does not narrow who: one approver, in the portal. */
const ANY_APPROVER: ApproversClause = { roles: [], quorum: 1, channels: ['portal'] }

export interface ParseOptions {
  /** Named in findings; never opened. */
  readonly file: string
  /** Development mode, which alone may let through what no rule matches. */
  readonly development?: boolean
}

export interface PolicyRefusal {
  readonly ok: false
  readonly reason: 'policy_refused'
  /** At least one; in the order of the file. */
  readonly findings: readonly Finding[]
}

function required(table: RawTable, name: string, at: At): Raw | null {
  return table.get(name) ?? wrongKey(inside(at, name), `"${name}" is missing`)
}

function readId(raw: Raw, at: At): string | null {
  const id = readText(raw, at, RULE_ID_MAX_CHARS)
  if (id === null) return null
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(id)) {
    return wrong(at, 'an id is made of letters, digits, ".", "_" and "-"')
  }
  return id === DEFAULT_RULE_ID ? wrong(at, `"${DEFAULT_RULE_ID}" names what no rule matches`) : id
}

/** The tier that goes with an effect; said aloud where there is a choice. */
function readTier(table: RawTable, effect: Effect, at: At): Tier | null {
  const written = table.get('tier')
  const here = inside(at, 'tier')
  if (effect === 'require_approval') {
    if (written === undefined) return wrongKey(here, '"tier" is missing: 1 (click) or 2 (passkey)')
    if (written === 1n) return 1
    return written === 2n ? 2 : wrong(here, 'require_approval has tier 1 or 2')
  }
  const only = effect === 'require_proof' ? 3 : 0
  if (written !== undefined && written !== BigInt(only)) {
    return wrong(here, only === 3 ? 'require_proof has tier 3' : `${effect} has no tier`)
  }
  return only
}

function readApprovers(raw: Raw, at: At): ApproversClause | null {
  const table = readTable(raw, at)
  if (table === null) return null
  checkKeys(table, APPROVERS_KEYS, at)
  if (table.size === 0) return wrong(at, 'expected roles, quorum or channels')
  const read = <T>(
    name: string,
    fallback: T,
    reader: (value: Raw, here: At) => T | null,
  ): T | null => {
    const written = table.get(name)
    return written === undefined ? fallback : reader(written, inside(at, name))
  }
  const roles = read('roles', ANY_APPROVER.roles, (value, here) =>
    readList(value, here, (item, itemAt) => readText(item, itemAt, RULE_ID_MAX_CHARS)),
  )
  const quorum = read('quorum', ANY_APPROVER.quorum, (value, here) =>
    readInteger(value, here, { min: 1, max: QUORUM_MAX }),
  )
  const channels = read<readonly string[]>('channels', ANY_APPROVER.channels, (value, here) =>
    readList(value, here, readChannel),
  )
  return roles === null || quorum === null || channels === null ? null : { roles, quorum, channels }
}

function readChannel(raw: Raw, at: At): string | null {
  if (raw === 'telegram') return wrong(at, '"telegram" is not supported yet')
  return readChoice(raw, at, CHANNELS)
}

function readRule(raw: Raw, at: At): Rule | null {
  const table = readTable(raw, at)
  if (table === null) return null
  checkKeys(table, RULE_KEYS, at)
  const get = <T>(name: string, reader: (value: Raw, here: At) => T | null): T | null => {
    const written = required(table, name, at)
    return written === null ? null : reader(written, inside(at, name))
  }
  const id = get('id', readId)
  const priority = get('priority', (value, here) =>
    readInteger(value, here, { min: 0, max: PRIORITY_MAX }),
  )
  const effect = get('effect', (value, here) => readChoice(value, here, EFFECTS))
  const match = get('match', readMatch)
  const reason = table.has('reason')
    ? get('reason', (value, here) => readText(value, here, REASON_MAX_CHARS))
    : `Rule ${id ?? ''}`
  if (effect === null) return null
  const tier = readTier(table, effect, at)
  const approvers = readRuleApprovers(table, effect, at)
  if (id === null || priority === null || match === null || reason === null) return null
  if (tier === null || approvers === 'wrong') return null
  return { id, priority, effect, tier, reason, approvers, match }
}

function readRuleApprovers(
  table: RawTable,
  effect: Effect,
  at: At,
): ApproversClause | null | 'wrong' {
  const written = table.get('approvers')
  const here = inside(at, 'approvers')
  if (effect === 'allow' || effect === 'deny') {
    if (written === undefined) return null
    wrong(here, `${effect} asks no approvers`)
    return 'wrong'
  }
  return written === undefined ? ANY_APPROVER : (readApprovers(written, here) ?? 'wrong')
}

function readRules(raw: Raw | undefined, at: At): readonly Rule[] {
  if (raw === undefined) return []
  if (typeof raw !== 'object' || !('items' in raw)) {
    wrong(at, 'expected [[rules]] tables')
    return []
  }
  if (raw.items.length > POLICY_MAX_RULES) {
    wrong(at, `more than ${POLICY_MAX_RULES} rules`)
    return []
  }
  const ids = new Set<string>()
  const pointers = new Set<string>()
  const rules: Rule[] = []
  for (const [index, item] of raw.items.entries()) {
    const rule = readRule(item, inside(at, index))
    if (rule === null) continue
    if (ids.has(rule.id))
      wrong(inside(inside(at, index), 'id'), `a second rule with id "${rule.id}"`)
    ids.add(rule.id)
    rules.push(rule)
    for (const line of rule.match) if (line.kind === 'args') pointers.add(line.pointer)
  }
  if (pointers.size > POINTERS_MAX)
    wrong(at, `more than ${POINTERS_MAX} different argument pointers`)
  return rules
}

function readDefaults(raw: Raw | undefined, at: At, development: boolean): PolicyDefaults | null {
  const table = raw === undefined ? new Map<string, Raw>() : readTable(raw, at)
  if (table === null) return null
  checkKeys(table, DEFAULTS_KEYS, at)
  const effect = readChoice(table.get('effect') ?? 'deny', inside(at, 'effect'), ['deny', 'allow'])
  if (effect === 'allow' && !development) {
    wrong(inside(at, 'effect'), '"allow" is refused outside development', 'deny')
  }
  const grant_ttl_ms = readDuration(table.get('grant_ttl') ?? '30s', inside(at, 'grant_ttl'), {
    min: GRANT_TTL_MIN_MS,
    max: GRANT_TTL_MAX_MS,
  })
  const approval_ttl_ms = readDuration(
    table.get('approval_ttl') ?? '15m',
    inside(at, 'approval_ttl'),
    { min: APPROVAL_TTL_MIN_MS, max: APPROVAL_TTL_MAX_MS },
  )
  if (effect === null || grant_ttl_ms === null || approval_ttl_ms === null) return null
  return { effect, grant_ttl_ms, approval_ttl_ms }
}

function display(path: KeyPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else
      text += `${text === '' ? '' : '.'}${/^[A-Za-z0-9_-]+$/.test(step) ? step : JSON.stringify(step)}`
  }
  return text
}

function refusal(text: string, file: string, problems: Problems): PolicyRefusal {
  const find = locate(text)
  const findings = problems.list.map(({ path, part, message, nearest }): Finding => {
    const finding = { file, ...find(path, part), key: display(path), message }
    return nearest === undefined ? finding : { ...finding, nearest }
  })
  findings.sort((a, b) => a.line - b.line || a.column - b.column)
  return { ok: false, reason: 'policy_refused', findings }
}

const whole = (file: string, message: string): PolicyRefusal => ({
  ok: false,
  reason: 'policy_refused',
  findings: [{ file, line: 1, column: 1, key: '', message }],
})

/**
 * Reads a policy file. Anything not understood refuses the whole file, with a finding for each
 * thing that is wrong (at most FINDINGS_MAX). NOT checked here: rules that can never fire and
 * overlapping rules of equal priority, which are findings of `policy check`, not refusals.
 */
export function parsePolicy(text: string, options: ParseOptions): Ok<Policy> | PolicyRefusal {
  const { file, development = false } = options
  if (text.length > POLICY_MAX_CHARS) return whole(file, `more than ${POLICY_MAX_CHARS} characters`)
  const table = parseToml(text)
  if (!table.ok) {
    if (!('line' in table)) return whole(file, 'not TOML')
    const { line, column, detail } = table
    return { ...whole(file, ''), findings: [{ file, line, column, key: '', message: detail }] }
  }
  const problems = new Problems()
  const at: At = { problems, path: [] }
  checkKeys(table.value, TOP_KEYS, at)
  const version = required(table.value, 'version', at)
  if (version !== null && version !== 1n) wrong(inside(at, 'version'), 'expected version = 1')
  const defaults = readDefaults(table.value.get('defaults'), inside(at, 'defaults'), development)
  const rules = readRules(table.value.get('rules'), inside(at, 'rules'))
  if (defaults === null || problems.list.length > 0) return refusal(text, file, problems)
  return ok({ version: 1, defaults, rules })
}
