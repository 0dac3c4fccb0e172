import { type CheckFinding, checkPolicy, locate } from '@trustgw/core'
import type { Json, JsonObject, ToolContract } from '@trustgw/protocol'
import { type Command, type Context, EXIT_DONE, EXIT_FAILED, UsageFault } from '../../command.ts'
import { visible } from '../../terminal.ts'
import { jsonText } from '../audit-text.ts'
import { findingJson, findingText, refusedFinding, type Shown } from './finding-text.ts'
import {
  DEVELOPMENT_FLAG,
  LAYER_FLAG,
  type LoadedPolicy,
  layerOf,
  RefusedFault,
  readPolicy,
  readSource,
  type Source,
} from './sources.ts'
import { factsOfTool, type KnownTools, knownTools, TOOLS_FLAG } from './tools.ts'
import { exampleText } from './words.ts'

export const POLICY_CHECK: Command = {
  name: 'policy check',
  text: 'find what is wrong or suspicious in policy files',
  usage: 'policy check FILE… [--tools FILE] [--layer LAYER] [--strict] [--development]',
  flags: {
    ...TOOLS_FLAG,
    ...LAYER_FLAG,
    strict: { type: 'boolean', text: 'notes fail as errors and warnings do' },
    ...DEVELOPMENT_FLAG,
  },
  examples: [
    'trustgw policy check policy.toml',
    'trustgw tool list --json > tools.json && trustgw policy check policy.toml --tools tools.json',
    'trustgw policy check --layer tenant acme.toml --json',
  ],
  run: check,
}

/** Findings of one kind shown in a text; JSON has all. */
const SHOWN_MAX = 25
/** Rules named in one finding. */
const NAMED_MAX = 4

interface Checked {
  readonly source: Source
  readonly loaded: LoadedPolicy | null
  readonly findings: readonly Shown[]
}

async function check(context: Context): Promise<number> {
  const { positionals } = context
  if (positionals.length === 0) throw new UsageFault('which files?')
  const layer = layerOf(context)
  const sources: Source[] = []
  for (const file of positionals) sources.push(await readSource(file))
  const known = await knownTools(context)
  const checked = sources.map((source): Checked => {
    const read = readPolicy(context, source, layer)
    if (read instanceof RefusedFault) {
      const findings = read.findings.map((finding) => refusedFinding(source, finding))
      return { source, loaded: null, findings }
    }
    return { source, loaded: read, findings: findingsOf(read, known.tools) }
  })
  const findings = checked.flatMap((one) => one.findings)
  const ok = findings.every(
    ({ severity }) => severity === 'note' && context.flags['strict'] !== true,
  )
  if (context.json) context.terminal.out(jsonText(resultJson(ok, checked, known)))
  else show(context, checked, known)
  return ok ? EXIT_DONE : EXIT_FAILED
}

function resultJson(ok: boolean, checked: readonly Checked[], known: KnownTools): JsonObject {
  return {
    ok,
    files: checked.map(({ source, loaded }) => ({
      file: source.file,
      loads: loaded !== null,
      fingerprint: loaded?.compiled.fingerprint ?? null,
      rules: loaded?.policy.rules.length ?? null,
      limits: loaded?.policy.limits.length ?? null,
    })),
    findings: checked.flatMap(({ findings }) => findings.map(findingJson)),
    tools: { from: known.from, count: known.tools.length, why: known.why },
  }
}

function show(context: Context, checked: readonly Checked[], known: KnownTools): void {
  const { out, style } = context.terminal
  for (const { source, loaded, findings } of checked) {
    for (const finding of shortened(findings)) out(`${findingText(finding, style)}\n`)
    const count = (severity: Shown['severity']): number =>
      findings.filter((one) => one.severity === severity).length
    const parts = (['error', 'warning', 'note'] as const)
      .map((severity) => plural(count(severity), severity))
      .filter((part) => !part.startsWith('no '))
    const size =
      loaded === null
        ? 'does not load'
        : `${plural(loaded.policy.rules.length, 'rule')}, ${plural(loaded.policy.limits.length, 'limit')}`
    const verdict = parts.length === 0 ? style.good('nothing found') : parts.join(', ')
    out(`${style.bold(visible(source.file))}: ${size}: ${verdict}`)
  }
  if (known.from === 'none') {
    out(
      style.dim(
        `Registered tools were not looked at (${visible(known.why ?? '')}): give them with --tools FILE, from "trustgw tool list --json".`,
      ),
    )
  }
}

const plural = (count: number, word: string): string =>
  `${count === 0 ? 'no' : count} ${word}${count === 1 ? '' : 's'}`

/** Many of one kind tell no more than some, and the number. */
function shortened(findings: readonly Shown[]): readonly Shown[] {
  const counts = new Map<string, number>()
  const shown = findings.filter(({ kind }) => {
    const count = (counts.get(kind) ?? 0) + 1
    counts.set(kind, count)
    return count <= SHOWN_MAX
  })
  const more = [...counts].filter(([, count]) => count > SHOWN_MAX)
  return [
    ...shown,
    ...more.map(
      ([kind, count]): Shown => ({
        severity: findings.find((one) => one.kind === kind)?.severity ?? 'note',
        kind,
        message: `${count - SHOWN_MAX} more of these; --json lists all`,
        at: null,
      }),
    ),
  ]
}

type Place = (id: string, ...rest: readonly string[]) => Shown['at']

/** Where a rule or limit stands, or the part of it that `rest` names. */
function placesOf({ source, policy }: LoadedPolicy): Place {
  const find = locate(source.text)
  const paths = new Map<string, readonly (string | number)[]>()
  for (const name of ['rules', 'limits'] as const) {
    for (const [index, { id }] of policy[name].entries()) paths.set(id, [name, index])
  }
  return (id, ...rest) => {
    const path = paths.get(id)
    return path === undefined ? null : { source, ...find([...path, ...rest], 'value') }
  }
}

function findingsOf(loaded: LoadedPolicy, tools: readonly ToolContract[]): readonly Shown[] {
  const found = checkPolicy(loaded.compiled, tools.map(factsOfTool))
  if (found.length === 0) return []
  const place = placesOf(loaded)
  const shown = found.map((finding) => shownOf(finding, place, loaded))
  return shown.toSorted((a, b) => (a.at?.line ?? Infinity) - (b.at?.line ?? Infinity))
}

function named(rules: readonly string[]): string {
  const some = rules.slice(0, NAMED_MAX).map((rule) => `"${rule}"`)
  const more = rules.length - some.length
  return `${some.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

// oxlint-disable-next-line complexity -- one straight case for each kind
function shownOf(finding: CheckFinding, place: Place, loaded: LoadedPolicy): Shown {
  switch (finding.kind) {
    case 'shadowed':
      return {
        ...ofRule(finding, place(finding.rule, 'id')),
        severity: 'warning',
        message: `rule "${finding.rule}" can never decide`,
        details: { by: finding.by },
        help: [
          finding.by.length === 0
            ? 'its own lines exclude each other'
            : `looked at before it: ${named(finding.by)}`,
        ],
      }
    case 'conflict':
      return {
        ...ofRule(finding, place(finding.rule, 'id')),
        severity: 'warning',
        message: `rules "${finding.rule}" and "${finding.other}" of one priority both match, with different effect: the stricter stands`,
        details: { other: finding.other, example: finding.example },
        help: finding.example === null ? [] : [`for example: ${exampleText(finding.example)}`],
      }
    case 'uncovered_tool':
      return uncovered(finding.tool, loaded)
    case 'asserted_only':
      return {
        ...ofRule(finding, place(finding.rule, 'id')),
        severity: 'note',
        message: `rule "${finding.rule}" is gated only by what the gateway asserts: ${finding.facts.join(', ')}`,
        details: { facts: finding.facts },
        help: [
          'an executor cannot compute these again: whoever takes over the gateway chooses them',
        ],
      }
    case 'unanchored_regex':
      return {
        ...ofRule(finding, place(finding.rule, 'match', ...patternPath(finding, loaded))),
        severity: 'warning',
        message: `rule "${finding.rule}" permits by a pattern that may stand anywhere in the value`,
        details: { pattern: finding.pattern },
        help: [`pattern: ${finding.pattern}`, 'anchor it with ^ and $'],
      }
    case 'confusable_tool':
      return confusable(finding, place)
    case 'not_checked':
      return {
        ...ofRule(finding, place(finding.rule, 'id')),
        severity: 'warning',
        message: `whether rule "${finding.rule}" is ${ASKED[finding.question]} took more work than one check does`,
        details: { question: finding.question },
      }
  }
}

/** Where in the match the pattern is, when it is not inside `each` or `any`. */
function patternPath(
  { rule, pattern }: { readonly rule: string; readonly pattern: string },
  { policy }: LoadedPolicy,
): readonly string[] {
  const match = policy.rules.find(({ id }) => id === rule)?.match ?? []
  for (const line of match) {
    if (line.kind !== 'args') continue
    const isHere = line.predicates.some((one) => one.kind === 'regex' && one.pattern === pattern)
    if (isHere) return ['args', line.pointer, 'regex']
  }
  return []
}

const ASKED = { shadowed: 'shadowed', conflict: 'in conflict with another' } as const

function ofRule(
  { kind, rule }: { readonly kind: string; readonly rule: string },
  at: Shown['at'],
): Pick<Shown, 'kind' | 'rule' | 'at'> {
  return { kind, rule, at }
}

/** Denied by default is as safe as can be; let through by default is not. */
function uncovered(tool: string, { policy }: LoadedPolicy): Shown {
  const { effect } = policy.defaults
  return {
    severity: effect === 'allow' ? 'warning' : 'note',
    kind: 'uncovered_tool',
    message: `no rule covers the registered tool "${tool}"${OF_DEFAULT[effect]}`,
    at: null,
    details: { tool },
  }
}

const OF_DEFAULT = {
  allow: ': the default lets it through',
  deny: ': the default denies it',
  none: '',
} as const

const SCRIPTS = ['Latin', 'Cyrillic', 'Greek', 'Armenian', 'Hebrew', 'Arabic', 'Han', 'Hangul']

function confusable(
  finding: Extract<CheckFinding, { kind: 'confusable_tool' }>,
  place: Place,
): Shown {
  const { glob, rule } = finding
  const scripts = SCRIPTS.filter((script) => new RegExp(`\\p{Script=${script}}`, 'u').test(glob))
  const escaped = glob.replaceAll(/[^!-~]/gu, (one) => {
    const point = one.codePointAt(0) ?? 0
    return `\\u{${point.toString(16).toUpperCase().padStart(4, '0')}}`
  })
  const details: { readonly [name: string]: Json } = { glob, escaped, scripts }
  return {
    severity: 'warning',
    kind: 'confusable_tool',
    message:
      rule === null
        ? 'a registered tool has an id with characters that look like others'
        : `"${rule}" names a tool with characters that look like others`,
    at: rule === null ? null : place(rule, 'match', 'tool'),
    ...(rule === null ? {} : { rule }),
    details,
    help: [
      `written ${escaped}${scripts.length > 1 ? `, in ${scripts.join(' and ')} letters` : ''}`,
    ],
  }
}
