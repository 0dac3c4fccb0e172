/**
 * The same rules in the terms of each peer. Cedar and casbin know no tiers, and Cedar no order, so
 * what they answer is the rule; its effect is looked up. Each gets its requests ready made.
 */
import type { EntityUid, StatefulAuthorizationCall } from '@cedar-policy/cedar-wasm/nodejs'
import type { BenchCall, BenchRule, Shape } from './policy-shapes.ts'

/** Something that decides the calls of one shape. */
export interface PolicyEngine {
  /** Gives anything that depends on the decision of a call, so that none is optimised away. */
  readonly decide: (index: number) => string
  /** Effect, tier and rule of that decision, as every engine must give them. */
  readonly answer: (index: number) => string
}

const STRENGTH = { allow: 0, require_approval: 1, deny: 4 } as const

const strength = ({ effect, tier }: BenchRule): number => STRENGTH[effect] + tier
const inText = (a: BenchRule, b: BenchRule): number => (a.id < b.id ? -1 : 1)

/** In the order in which the first that holds decides: by priority, the strictest first, then id. */
export function inOrder(rules: readonly BenchRule[]): readonly BenchRule[] {
  return rules.toSorted(
    (a, b) => a.priority - b.priority || strength(b) - strength(a) || inText(a, b),
  )
}

export const answerText = (effect: string, tier: number, id: string): string =>
  `${effect} ${tier} ${id}`

/** Whoever decides by naming a rule; `undefined` is the default. */
function byRule(decide: (index: number) => BenchRule | undefined): PolicyEngine {
  return {
    decide: (index) => decide(index)?.id ?? 'default',
    answer: (index) => {
      const rule = decide(index)
      return rule === undefined
        ? answerText('deny', 0, 'default')
        : answerText(rule.effect, rule.tier, rule.id)
    },
  }
}

function globMatches(glob: string | undefined, value: string): boolean {
  if (glob === undefined) return true
  return glob.endsWith('*') ? value.startsWith(glob.slice(0, -1)) : value === glob
}

function argumentsHold(rule: BenchRule, call: BenchCall): boolean {
  return (
    (rule.over === undefined || call.amount > rule.over) &&
    (rule.upTo === undefined || call.amount <= rule.upTo) &&
    (rule.regions === undefined || rule.regions.includes(call.region)) &&
    (rule.note === undefined || call.note.startsWith(rule.note))
  )
}

function holds(rule: BenchRule, call: BenchCall): boolean {
  return (
    globMatches(rule.tool, call.tool) &&
    (rule.operation === undefined || rule.operation === call.operation) &&
    (rule.source === undefined || rule.source === call.source) &&
    globMatches(rule.agent, call.agent) &&
    argumentsHold(rule, call)
  )
}

/** The loop that one would write first: the first rule that holds, no record. */
export function makeNaive({ rules, calls }: Shape): PolicyEngine {
  const ordered = inOrder(rules)
  return byRule((index) => {
    const call = calls[index]
    return call === undefined ? undefined : ordered.find((rule) => holds(rule, call))
  })
}

const quoted = (text: string): string => JSON.stringify(text)

function cedarGlob(name: string, glob: string): string {
  return `context.${name} ${glob.endsWith('*') ? 'like' : '=='} ${quoted(glob)}`
}

function cedarConditions(rule: BenchRule): readonly string[] {
  const { tool, source, agent, over, upTo, regions, note } = rule
  return [
    tool?.endsWith('*') === true ? cedarGlob('tool', tool) : [],
    source === undefined ? [] : `context.source == ${quoted(source)}`,
    agent === undefined ? [] : cedarGlob('agent', agent),
    over === undefined ? [] : `context.amount > ${over}`,
    upTo === undefined ? [] : `context.amount <= ${upTo}`,
    regions === undefined ? [] : `${JSON.stringify(regions)}.contains(context.region)`,
    note === undefined ? [] : cedarGlob('note', `${note}*`),
  ].flat()
}

function cedarText(rule: BenchRule): string {
  const { tool, operation } = rule
  const conditions = cedarConditions(rule)
  const action = operation === undefined ? 'action' : `action == Action::${quoted(operation)}`
  const isExact = tool !== undefined && !tool.endsWith('*')
  const resource = isExact ? `resource == Tool::${quoted(tool)}` : 'resource'
  const when = conditions.length === 0 ? '' : ` when { ${conditions.join(' && ')} }`
  return `permit (principal, ${action}, ${resource})${when};`
}

const uid = (type: string, id: string): EntityUid => ({ type, id })

/**
 * Cedar names every policy that holds if all of them permit; the first of these in our order
 * decides. Its own `forbid` has no priority, so it could not say the same.
 */
export async function makeCedar({ rules, calls }: Shape): Promise<PolicyEngine> {
  const { preparsePolicySet, statefulIsAuthorized } = await import(
    '@cedar-policy/cedar-wasm/nodejs'
  )
  const ordered = inOrder(rules)
  const places = new Map(ordered.map(({ id }, place) => [id, place]))
  const staticPolicies = Object.fromEntries(rules.map((rule) => [rule.id, cedarText(rule)]))
  const parsed = preparsePolicySet('bench', { staticPolicies })
  if (parsed.type === 'failure') throw new Error(`cedar: ${parsed.errors[0]?.message ?? ''}`)
  const requests = calls.map(
    ({ tool, operation, agent, ...rest }): StatefulAuthorizationCall => ({
      principal: uid('Agent', agent),
      action: uid('Action', operation),
      resource: uid('Tool', tool),
      context: { tool, agent, ...rest },
      preparsedPolicySetId: 'bench',
      entities: [],
    }),
  )
  return byRule((index) => {
    const request = requests[index]
    if (request === undefined) return undefined
    const answer = statefulIsAuthorized(request)
    if (answer.type === 'failure') throw new Error(`cedar: ${answer.errors[0]?.message ?? ''}`)
    let first = ordered.length
    for (const id of answer.response.diagnostics.reason) {
      first = Math.min(first, places.get(id) ?? first)
    }
    return ordered[first]
  })
}

const CASBIN_MODEL = `
[request_definition]
r = tool, operation, source, agent, amount, region, note
[policy_definition]
p = tool, operation, source, agent, over, upTo, regions, note, id, eft
[policy_effect]
e = priority(p.eft) || deny
[matchers]
m = begins(r.tool, p.tool) && is(r.operation, p.operation) && is(r.source, p.source) && \
begins(r.agent, p.agent) && over(r.amount, p.over) && upTo(r.amount, p.upTo) && \
among(r.region, p.regions) && begins(r.note, p.note)
`

/** Casbin's policies are rows of text; `-` is a line that is left out. */
const LEFT_OUT = '-'

function casbinRow(rule: BenchRule): string[] {
  const { tool, operation, source, agent, over, upTo, regions, note, id, effect } = rule
  return [
    tool ?? LEFT_OUT,
    operation ?? LEFT_OUT,
    source ?? LEFT_OUT,
    agent ?? LEFT_OUT,
    String(over ?? LEFT_OUT),
    String(upTo ?? LEFT_OUT),
    regions?.join('|') ?? LEFT_OUT,
    note === undefined ? LEFT_OUT : `${note}*`,
    id,
    effect === 'deny' ? 'deny' : 'allow',
  ]
}

/** Its effect by priority stops at the first row that holds, in the order of the rows. */
export async function makeCasbin({ rules, calls }: Shape): Promise<PolicyEngine> {
  const { newEnforcer, newModelFromString, StringAdapter } = await import('casbin')
  const rows = inOrder(rules).map((rule) => `p, ${casbinRow(rule).join(', ')}`)
  const enforcer = await newEnforcer(
    newModelFromString(CASBIN_MODEL),
    new StringAdapter(rows.join('\n')),
  )
  const lines = {
    begins: (value: string, glob: string) =>
      glob === LEFT_OUT ||
      (glob.endsWith('*') ? value.startsWith(glob.slice(0, -1)) : value === glob),
    is: (value: string, word: string) => word === LEFT_OUT || value === word,
    over: (value: number, bound: string) => bound === LEFT_OUT || value > Number(bound),
    upTo: (value: number, bound: string) => bound === LEFT_OUT || value <= Number(bound),
    among: (value: string, words: string) => words === LEFT_OUT || words.split('|').includes(value),
  }
  for (const [name, line] of Object.entries(lines)) await enforcer.addFunction(name, line)
  const byId = new Map(rules.map((rule) => [rule.id, rule]))
  const idColumn = 8
  return byRule((index) => {
    const call = calls[index]
    if (call === undefined) return undefined
    const { tool, operation, source, agent, amount, region, note } = call
    const [, row] = enforcer.enforceExSync(tool, operation, source, agent, amount, region, note)
    return byId.get(row[idColumn] ?? '')
  })
}
