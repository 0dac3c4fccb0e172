/**
 * Which rules a proposal can meet, by tool, operation, source and tenant, so that the cost of a
 * decision follows the rules that could match and not the rules there are. What was found is
 * remembered within a bound, whatever names a caller invents.
 */
import type { Operation, Source } from '@trustgw/protocol'
import { ofKind } from './ast.ts'
import type { CompiledRule } from './compiled-rule.ts'
import { NAME_SEPARATOR, type Test } from './conditions.ts'
import { compileGlob, type Glob } from './glob.ts'
import { Memo } from './memo.ts'
import { type Entry, type Filled, makeEntry, makePlan, type Plan, push } from './plan.ts'
import { type Look, once } from './slots.ts'

/** Tools remembered, and rules remembered in groups and plans, before all of them are forgotten. */
const MEMO_MAX_TOOLS = 4_096
const MEMO_MAX_RULES = 262_144
const NO_RULES: readonly CompiledRule[] = []
const NO_GLOBS: readonly Globbed[] = []

interface Globbed {
  readonly rule: CompiledRule
  readonly matches: Glob
}

type Plans = Map<Operation, Map<Source | null, Plan>>
const noPlans = (): Map<Source | null, Plan> => new Map()

/**
 * The tools that meet the same rules, found by a walk from rule to rule: a name never seen before
 * needs neither a list nor a plan of its own when others met the same.
 */
class ToolGroup {
  readonly before: ToolGroup | null
  readonly rule: CompiledRule | null
  #next: Map<CompiledRule, ToolGroup> | undefined
  #plans: Map<string | null, Plans> | undefined

  constructor(before: ToolGroup | null, rule: CompiledRule | null) {
    this.before = before
    this.rule = rule
  }

  /** With one more rule; `made` is called when there was no such group yet. */
  with(rule: CompiledRule, made: () => void): ToolGroup {
    this.#next ??= new Map()
    return once(this.#next, rule, () => {
      made()
      return new ToolGroup(this, rule)
    })
  }

  /** Of one tenant; of every one (null) unless a rule asks for it. */
  plansOf(tenant: string | null): Plans {
    this.#plans ??= new Map()
    return once(this.#plans, tenant, () => new Map())
  }
}

/** The rules of the walk and those that are always met, in the order of reading. */
function rulesOf(group: ToolGroup, always: readonly CompiledRule[]): readonly CompiledRule[] {
  const all = new Set(always)
  for (let at: ToolGroup | null = group; at !== null; at = at.before) {
    if (at.rule !== null) all.add(at.rule)
  }
  return [...all].sort((a, b) => a.rank - b.rank)
}

const nothing = (): void => undefined

export class ToolIndex {
  readonly #exact = new Map<string, Filled<CompiledRule>>()
  readonly #firstPart = new Map<string, Filled<Globbed>>()
  readonly #anywhere: Globbed[] = []
  readonly #always: CompiledRule[] = []
  #groups = new ToolGroup(null, null)
  readonly #memo = new Memo(MEMO_MAX_TOOLS, (toolId) =>
    this.#find(toolId, this.#groups, this.#countGroup),
  )
  readonly #dependsOnTenant: boolean
  #remembered = 0

  /** `rules` in the order of reading. */
  constructor(rules: readonly CompiledRule[]) {
    this.#dependsOnTenant = rules.some(({ rule }) =>
      rule.match.some(({ kind }) => kind === 'tenant'),
    )
    for (const rule of rules) this.#add(rule)
  }

  #add(rule: CompiledRule): void {
    const globs = ofKind(rule.rule.match, 'tool').flatMap((line) => line.globs)
    if (globs.length === 0 || globs.includes('**')) this.#always.push(rule)
    else for (const glob of globs) this.#addGlob(rule, glob)
  }

  #addGlob(rule: CompiledRule, text: string): void {
    const star = text.indexOf('*')
    const dot = text.slice(0, star).indexOf(NAME_SEPARATOR)
    const globbed = { rule, matches: compileGlob(text, NAME_SEPARATOR) }
    if (star === -1) push(this.#exact, text, rule)
    else if (dot === -1) this.#anywhere.push(globbed)
    else push(this.#firstPart, text.slice(0, dot), globbed)
  }

  /** The rules whose `tool` line holds for an id, in the order of reading. */
  candidates(toolId: string): readonly CompiledRule[] {
    return rulesOf(this.#find(toolId, new ToolGroup(null, null), nothing), this.#always)
  }

  #find(toolId: string, none: ToolGroup, made: () => void): ToolGroup {
    let group = none
    for (const rule of this.#exact.get(toolId) ?? NO_RULES) group = group.with(rule, made)
    const part = toolId.slice(0, toolId.indexOf(NAME_SEPARATOR))
    for (const { rule, matches } of this.#firstPart.get(part) ?? NO_GLOBS) {
      if (matches(toolId)) group = group.with(rule, made)
    }
    for (const { rule, matches } of this.#anywhere) {
      if (matches(toolId)) group = group.with(rule, made)
    }
    return group
  }

  readonly #countGroup = (): void => {
    this.#remembered += 1
  }

  #forgetIfMany(): void {
    if (this.#remembered <= MEMO_MAX_RULES) return
    this.#memo.clear()
    this.#groups = new ToolGroup(null, null)
    this.#remembered = 0
  }

  /** What to read for a proposal. `look` is asked only about operation, source and tenant. */
  plan(look: Look): Plan {
    const { tool, tenant, source } = look.facts
    const group = this.#memo.get(tool.id)
    const plans = group.plansOf(this.#dependsOnTenant ? tenant : null)
    const bySource = once(plans, tool.operation, noPlans)
    const known = bySource.get(source)
    if (known !== undefined) return known
    const rules = rulesOf(group, this.#always)
    const plan = makePlan(rules.flatMap((rule) => entryFor(rule, look) ?? []))
    bySource.set(source, plan)
    this.#remembered += plan.entries.length + 1
    this.#forgetIfMany()
    return plan
  }
}

/** The rule without the lines that hold already; null when one is known false. */
function entryFor(rule: CompiledRule, look: Look): Entry | null {
  const unsure: Test[] = []
  for (const test of rule.indexed) {
    const truth = test.judge(look)
    if (truth === false) return null
    if (truth === 'unknown') unsure.push(test)
  }
  return makeEntry(rule, unsure.length === 0 ? rule.tests : [...unsure, ...rule.tests])
}
