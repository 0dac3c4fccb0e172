/** `policy.toml` to a policy, or to everything that is wrong with it (spec/policy.md "File"). */
import { type Ok, ok } from '@trustgw/protocol'
import {
  type LayerName,
  LIMITS_MAX,
  type Limit,
  POINTERS_MAX,
  POLICY_MAX_CHARS,
  POLICY_MAX_RULES,
  type Policy,
  PROVENANCE_POINTERS_MAX,
  type Rule,
  ZONES_MAX,
} from './ast.ts'
import type { Finding } from './findings.ts'
import { type KeyPath, locate, type Position } from './positions.ts'
import {
  type At,
  checkKeys,
  inside,
  NAME_SHOWN_CHARS,
  Problems,
  parseToml,
  type Raw,
  type RawTable,
  wrong,
} from './raw.ts'
import { limitSyntax, readDefaults, ruleSyntax } from './rule-syntax.ts'
import { required, type Syntax } from './syntax.ts'

const TOP_KEYS = { known: ['version', 'defaults', 'rules', 'limits'] }

export interface ParseOptions {
  /** Named in findings; never opened. */
  readonly file: string
  /** Development mode, which alone may let through what no rule matches. */
  readonly development?: boolean
  /** Only the platform's policy has a default. `platform` unless said otherwise. */
  readonly layer?: LayerName
}

export interface PolicyRefusal {
  readonly ok: false
  readonly reason: 'policy_refused'
  /** At least one; in the order of the file. */
  readonly findings: readonly Finding[]
}

function readItems<T extends { readonly id: string }>(
  raw: Raw | undefined,
  at: At,
  { syntax, max }: { readonly syntax: Syntax<T>; readonly max: number },
): readonly T[] {
  if (raw === undefined) return []
  const name = String(at.path[0])
  if (typeof raw !== 'object' || !('items' in raw)) {
    wrong(at, `expected [[${name}]] tables`)
    return []
  }
  if (raw.items.length > max) {
    wrong(at, `more than ${max} ${name}`)
    return []
  }
  return raw.items.flatMap((item, index) => {
    const read = syntax.read(item, inside(at, index))
    return read === null ? [] : [read]
  })
}

interface Body {
  readonly rules: readonly Rule[]
  readonly limits: readonly Limit[]
}

/** Ids name a rule or a limit in a decision, so no two are alike. */
function checkIds(table: RawTable, at: At): void {
  const ids = new Set<string>()
  for (const name of ['rules', 'limits'] as const) {
    const raw = table.get(name)
    if (typeof raw !== 'object' || !('items' in raw)) continue
    for (const [index, item] of raw.items.entries()) {
      const id = item instanceof Map ? item.get('id') : undefined
      if (typeof id !== 'string') continue
      const here = inside(inside(inside(at, name), index), 'id')
      if (ids.has(id)) wrong(here, `a second ${name.slice(0, -1)} with id "${id.slice(0, 64)}"`)
      ids.add(id)
    }
  }
}

/** Each may become a fact of a decision, and a decision holds only so many. */
function checkFacts({ rules, limits }: Body, at: At): void {
  const pointers = new Set<string>()
  const origins = new Set<string>()
  const zones = new Set<string>()
  for (const line of [...rules, ...limits].flatMap(({ match }) => match)) {
    if (line.kind === 'args') pointers.add(line.pointer)
    else if (line.kind === 'provenance') origins.add(line.pointer)
    else if (line.kind === 'time') zones.add(line.window.tz)
  }
  for (const key of limits.flatMap((limit) => limit.key)) {
    if (key.startsWith('args:')) pointers.add(key.slice('args:'.length))
  }
  const most = (count: number, max: number, what: string): void => {
    if (count > max) wrong(inside(at, 'rules'), `more than ${max} different ${what}`)
  }
  most(pointers.size, POINTERS_MAX, 'argument pointers')
  most(origins.size, PROVENANCE_POINTERS_MAX, 'pointers under provenance')
  most(zones.size, ZONES_MAX, 'time zones')
}

function display(path: KeyPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') {
      text += `[${step}]`
      continue
    }
    const name = step.slice(0, NAME_SHOWN_CHARS)
    text += `${text === '' ? '' : '.'}${/^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)}`
  }
  return text
}

export function refusal(text: string, file: string, problems: Problems): PolicyRefusal {
  const find = locate(text)
  const findings = problems.list.map(({ path, part, message, nearest }): Finding => {
    const finding = { file, ...find(path, part), key: display(path), message }
    return nearest === undefined ? finding : { ...finding, nearest }
  })
  findings.sort((a, b) => a.line - b.line || a.column - b.column)
  return { ok: false, reason: 'policy_refused', findings }
}

const whole = (
  file: string,
  message: string,
  { line, column }: Position = { line: 1, column: 1 },
): PolicyRefusal => ({
  ok: false,
  reason: 'policy_refused',
  findings: [{ file, line, column, key: '', message }],
})

/** The table that a file is; nothing in it is judged yet. */
export function readToml(text: string, file: string): Ok<RawTable> | PolicyRefusal {
  if (text.length > POLICY_MAX_CHARS) return whole(file, `more than ${POLICY_MAX_CHARS} characters`)
  const table = parseToml(text)
  return table.ok ? table : whole(file, table.detail, table)
}

/**
 * Reads a policy file. Anything not understood refuses the whole file, with a finding for each
 * thing that is wrong (at most FINDINGS_MAX). NOT checked here: rules that can never fire and
 * overlapping rules of equal priority, which are findings of `policy check`, not refusals.
 */
export function parsePolicy(text: string, options: ParseOptions): Ok<Policy> | PolicyRefusal {
  const { file, development = false } = options
  const table = readToml(text, file)
  if (!table.ok) return table
  const problems = new Problems()
  const at: At = { problems, path: [] }
  checkKeys(table.value, TOP_KEYS, at)
  const version = required(table.value, 'version', at)
  if (version !== null && version !== 1n) wrong(inside(at, 'version'), 'expected version = 1')
  const defaults = readDefaults(table.value.get('defaults'), inside(at, 'defaults'), {
    isPlatform: (options.layer ?? 'platform') === 'platform',
    development,
  })
  const items = <T extends Rule | Limit>(name: string, syntax: Syntax<T>, max: number) =>
    readItems(table.value.get(name), inside(at, name), { syntax, max })
  const body: Body = {
    rules: items('rules', ruleSyntax, POLICY_MAX_RULES),
    limits: items('limits', limitSyntax, LIMITS_MAX),
  }
  checkIds(table.value, at)
  checkFacts(body, at)
  if (defaults === null || problems.list.length > 0) return refusal(text, file, problems)
  return ok({ version: 1, defaults, ...body })
}
