/**
 * Which rules a proposal can meet, by tool, operation, source and tenant, so that the cost of a
 * decision follows the rules that could match and not the rules there are. What was found is
 * remembered within a bound, whatever names a caller invents.
 */
import { OPERATIONS, SOURCES } from '@trustgw/protocol'
import type { CompiledRule } from './compiled-rule.ts'
import { NAME_SEPARATOR, type Test } from './conditions.ts'
import { compileGlob, type Glob } from './glob.ts'
import { type Entry, makePlan, type Plan, push } from './plan.ts'
import type { Look } from './slots.ts'

/** Tools remembered, and rules remembered with them, before all is forgotten. */
const MEMO_MAX_TOOLS = 4_096
const MEMO_MAX_RULES = 262_144
const SOURCE_KINDS = SOURCES.length + 1

interface Globbed {
  readonly rule: CompiledRule
  readonly matches: Glob
}

/** The rules of one tool, and their plans by operation and source for each tenant. */
interface ToolEntry {
  readonly rules: readonly CompiledRule[]
  readonly plans: Map<string, (Plan | undefined)[]>
}

const EVERY_TENANT = ''

export class ToolIndex {
  readonly #exact = new Map<string, CompiledRule[]>()
  readonly #firstPart = new Map<string, Globbed[]>()
  readonly #anywhere: Globbed[] = []
  readonly #always: CompiledRule[] = []
  /** Shared by every tool that no rule names. */
  readonly #unnamed: ToolEntry = { rules: this.#always, plans: new Map() }
  readonly #memo = new Map<string, ToolEntry>()
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
    const globs = rule.rule.match.flatMap((line) => (line.kind === 'tool' ? line.globs : []))
    if (globs.length === 0 || globs.includes('**')) this.#always.push(rule)
    else for (const glob of globs) this.#addGlob(rule, glob)
  }

  #addGlob(rule: CompiledRule, text: string): void {
    const star = text.indexOf('*')
    if (star === -1) {
      push(this.#exact, text, rule)
      return
    }
    const globbed = { rule, matches: compileGlob(text, NAME_SEPARATOR) }
    const dot = text.indexOf(NAME_SEPARATOR)
    if (dot !== -1 && dot < star) push(this.#firstPart, text.slice(0, dot), globbed)
    else this.#anywhere.push(globbed)
  }

  /** The rules whose `tool` line holds for an id, in the order of reading. */
  candidates(toolId: string): readonly CompiledRule[] {
    const own = [...(this.#exact.get(toolId) ?? [])]
    const dot = toolId.indexOf(NAME_SEPARATOR)
    const part = dot === -1 ? toolId : toolId.slice(0, dot)
    for (const { rule, matches } of this.#firstPart.get(part) ?? []) {
      if (matches(toolId)) own.push(rule)
    }
    for (const { rule, matches } of this.#anywhere) if (matches(toolId)) own.push(rule)
    if (own.length === 0) return this.#always
    for (const rule of this.#always) own.push(rule)
    own.sort((a, b) => a.rank - b.rank)
    return own.filter((rule, index) => rule !== own[index - 1])
  }

  #entry(toolId: string): ToolEntry {
    const known = this.#memo.get(toolId)
    if (known !== undefined) return known
    const rules = this.candidates(toolId)
    const entry = rules === this.#always ? this.#unnamed : { rules, plans: new Map() }
    this.#remember(entry === this.#unnamed ? 1 : rules.length + 1)
    if (this.#memo.size >= MEMO_MAX_TOOLS) this.#forget()
    this.#memo.set(toolId, entry)
    return entry
  }

  #remember(rules: number): void {
    this.#remembered += rules
    if (this.#remembered > MEMO_MAX_RULES) this.#forget()
  }

  #forget(): void {
    this.#memo.clear()
    this.#unnamed.plans.clear()
    this.#remembered = 0
  }

  /** What to read for a proposal. `look` is asked only about operation, source and tenant. */
  plan(look: Look): Plan {
    const { tool, tenant, source } = look.facts
    const entry = this.#entry(tool.id)
    const key = this.#dependsOnTenant ? tenant : EVERY_TENANT
    let plans = entry.plans.get(key)
    if (plans === undefined) {
      plans = []
      entry.plans.set(key, plans)
    }
    const kind =
      OPERATIONS.indexOf(tool.operation) * SOURCE_KINDS +
      (source === null ? SOURCES.length : SOURCES.indexOf(source))
    const known = plans[kind]
    if (known !== undefined) return known
    const plan = makePlan(entry.rules.flatMap((rule) => entryFor(rule, look) ?? []))
    this.#remember(plan.entries.length + 1)
    plans[kind] = plan
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
  return { rule, tests: unsure.length === 0 ? rule.tests : [...unsure, ...rule.tests] }
}
