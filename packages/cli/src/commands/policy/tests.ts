import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import {
  type Expected,
  locate,
  type PolicyTest,
  parsePolicyTests,
  runPolicyTests,
  type TestOutcome,
} from '@trustgw/core'
import type { JsonObject } from '@trustgw/protocol'
import {
  type Command,
  type Context,
  EXIT_DONE,
  EXIT_FAILED,
  flagText,
  InputFault,
  UsageFault,
} from '../../command.ts'
import { type Style, visible } from '../../terminal.ts'
import { jsonText } from '../audit-text.ts'
import {
  DEVELOPMENT_FLAG,
  LOWER_LAYER_FLAGS,
  type LoadedLayers,
  loadLayers,
  RefusedFault,
  readSource,
  type Source,
} from './sources.ts'
import { ruleText, verdictText } from './words.ts'

export const POLICY_TEST: Command = {
  name: 'policy test',
  text: 'run the [[tests]] beside policies',
  usage:
    'policy test DIR|FILE… [--filter TEXT] [--policy FILE] [--tenant FILE] [--workspace FILE] [--agent FILE]',
  flags: {
    filter: { type: 'string', value: 'TEXT', text: 'only tests whose name has this text' },
    policy: {
      type: 'string',
      value: 'FILE',
      text: 'test this policy, not the one beside the tests',
    },
    ...LOWER_LAYER_FLAGS,
    ...DEVELOPMENT_FLAG,
  },
  examples: [
    'trustgw policy test policies',
    'trustgw policy test payments.toml --filter refund',
    'trustgw policy test payments.tests.toml --policy payments.new.toml --json',
  ],
  run: runTests,
}

/** `payments.tests.toml` tests `payments.toml`; a lone `tests.toml` tests `policy.toml`. */
const TEST_FILE = /^(?:(?<name>.+)\.)?tests?\.toml$/
const FOLDERS_MAX_DEPTH = 8
const FILES_MAX = 1_000

interface Case {
  readonly file: string
  readonly line: number
  readonly outcome: TestOutcome
}

interface Tested {
  readonly policy: string
  readonly cases: readonly Case[]
  /** Rules and limits that no test determines. */
  readonly undetermined: readonly string[]
}

async function runTests(context: Context): Promise<number> {
  const files = await testFiles(context.positionals)
  const byPolicy = new Map<string, string[]>()
  for (const file of files) {
    const policy = flagText(context, 'policy') ?? policyOf(file)
    byPolicy.set(policy, [...(byPolicy.get(policy) ?? []), file])
  }
  const tested: Tested[] = []
  for (const [policy, own] of byPolicy) tested.push(await testPolicy(context, policy, own))
  const cases = tested.flatMap((one) => one.cases)
  if (cases.length === 0) throw new InputFault('no_tests', 'no test has such a name')
  const failed = cases.filter(({ outcome }) => !outcome.ok)
  if (context.json) context.terminal.out(jsonText(resultJson(tested)))
  else show(context, tested)
  return failed.length === 0 ? EXIT_DONE : EXIT_FAILED
}

/** The files of tests that the operands name: folders have theirs, policies the one beside. */
async function testFiles(operands: readonly string[]): Promise<readonly string[]> {
  if (operands.length === 0) throw new UsageFault('which folder or file?')
  const found: string[] = []
  for (const operand of operands) {
    if (!(await isFolder(operand))) found.push(...(await testsOf(operand)))
    else {
      const inside = await testsBelow(operand, 0)
      if (inside.length === 0) {
        throw new InputFault('no_tests', `${operand} holds no file named NAME.tests.toml`)
      }
      found.push(...inside)
    }
  }
  if (found.length > FILES_MAX) throw new InputFault('too_many', `more than ${FILES_MAX} files`)
  return [...new Set(found)]
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

async function testsBelow(folder: string, depth: number): Promise<readonly string[]> {
  if (depth > FOLDERS_MAX_DEPTH) return []
  const entries = await readdir(folder, { withFileTypes: true })
  const found: string[] = []
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const { name } = entry
    if (name.startsWith('.') || name === 'node_modules') continue
    if (entry.isDirectory()) found.push(...(await testsBelow(join(folder, name), depth + 1)))
    else if (TEST_FILE.test(name)) found.push(join(folder, name))
  }
  return found
}

async function testsOf(file: string): Promise<readonly string[]> {
  if (TEST_FILE.test(basename(file))) return [file]
  const stem = basename(file).replace(/\.toml$/, '')
  const names = [`${stem}.tests.toml`, `${stem}.test.toml`]
  if (stem === 'policy') names.push('tests.toml', 'test.toml')
  const beside = await readdir(dirname(file)).catch((): readonly string[] => [])
  const found = names.filter((name) => beside.includes(name))
  if (found.length === 0) throw new InputFault('no_tests', `there is no ${names[0]} beside ${file}`)
  return found.map((name) => join(dirname(file), name))
}

function policyOf(file: string): string {
  const name = TEST_FILE.exec(basename(file))?.groups?.['name'] ?? 'policy'
  return join(dirname(file), `${name}.toml`)
}

async function testPolicy(
  context: Context,
  policy: string,
  files: readonly string[],
): Promise<Tested> {
  const loaded = await loadLayers(context, policy)
  const filter = flagText(context, 'filter')
  const cases: Case[] = []
  for (const file of files) cases.push(...casesOf(await readSource(file), loaded, filter))
  return {
    policy: loaded.policies[0]?.source.file ?? policy,
    cases,
    undetermined: filter === undefined ? undeterminedBy(cases, loaded) : [],
  }
}

function casesOf(
  source: Source,
  { layers }: LoadedLayers,
  filter: string | undefined,
): readonly Case[] {
  const parsed = parsePolicyTests(source.text, { file: source.file })
  if (!parsed.ok) throw new RefusedFault(source, parsed.findings)
  const find = locate(source.text)
  const tests = parsed.value
    .map((test, index) => ({ test, line: find(['tests', index], 'key').line }))
    .filter(({ test }) => filter === undefined || test.name.includes(filter))
  const outcomes = runPolicyTests(
    layers,
    tests.map(({ test }): PolicyTest => test),
  )
  return outcomes.map((outcome, index) => ({
    file: source.file,
    line: tests[index]?.line ?? 1,
    outcome,
  }))
}

function undeterminedBy(cases: readonly Case[], { policies }: LoadedLayers): readonly string[] {
  const determined = new Set(cases.map(({ outcome }) => outcome.decision.rule_id))
  const ids = policies.flatMap(({ layer, policy }) =>
    [...policy.rules, ...policy.limits].map(({ id }) =>
      layer === 'platform' ? id : `${layer}:${id}`,
    ),
  )
  return ids.filter((id) => !determined.has(id))
}

const expectedJson = ({ effect, tier, rule, unknown }: Expected): JsonObject => ({
  effect,
  tier,
  rule,
  unknown: unknown === null ? null : [...unknown],
})

function caseJson({ file, line, outcome: { name, ok, expected, decision } }: Case): JsonObject {
  const { effect, tier, rule_id, unknown, reason } = decision
  return {
    file,
    line,
    name,
    ok,
    expected: expectedJson(expected),
    got: { effect, tier, rule: rule_id, unknown: [...unknown], reason },
  }
}

function resultJson(tested: readonly Tested[]): JsonObject {
  const cases = tested.flatMap((one) => one.cases)
  const failed = cases.filter(({ outcome }) => !outcome.ok).length
  return {
    ok: failed === 0,
    passed: cases.length - failed,
    failed,
    policies: tested.map(({ policy, cases: own, undetermined }) => ({
      file: policy,
      tests: own.map(caseJson),
      undetermined: [...undetermined],
    })),
  }
}

function show(context: Context, tested: readonly Tested[]): void {
  const { out, style } = context.terminal
  for (const { policy, cases, undetermined } of tested) {
    const failed = cases.filter(({ outcome }) => !outcome.ok)
    for (const one of failed) out(`${failureText(one, style)}\n`)
    if (undetermined.length > 0) {
      out(
        `${style.accent('note')}: rules that decide no test: ${undetermined.map(ruleText).join(', ')}\n`,
      )
    }
    const passed = cases.length - failed.length
    const count =
      failed.length === 0
        ? style.good(`${passed} passed`)
        : `${passed} passed, ${style.bad(`${failed.length} failed`)}`
    out(`${style.bold(visible(policy))}: ${count}`)
  }
}

function failureText({ file, line, outcome }: Case, style: Style): string {
  const { name, expected, decision } = outcome
  const got = {
    effect: decision.effect,
    tier: decision.tier,
    rule: decision.rule_id,
    unknown: decision.unknown,
  }
  return [
    `${style.bad('✗')} ${style.bold(visible(name))}`,
    `  ${style.dim('-->')} ${visible(file)}:${line}`,
    `  expected ${wantedText(expected)}`,
    `  got      ${wantedText(got)}`,
    `  ${style.dim('reason')}   ${visible(decision.reason)}`,
  ].join('\n')
}

function wantedText({ effect, tier, rule, unknown }: Expected): string {
  const verdict =
    tier === 0 || tier === 1 || tier === 2 || tier === 3 ? verdictText({ effect, tier }) : effect
  const by = rule === null ? '' : ` by ${ruleText(rule)}`
  if (unknown === null) return `${verdict}${by}`
  const names = unknown.length === 0 ? 'nothing unknown' : `unknown: ${unknown.join(', ')}`
  return `${verdict}${by}; ${visible(names)}`
}
