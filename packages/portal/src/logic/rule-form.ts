/** A rule from a form as the TOML that a person would have written. */
import { type Effect, OPERATIONS, type Operation } from '@trustgw/protocol'

export const AMOUNT_BOUNDS = ['gt', 'gte', 'lt', 'lte'] as const
export type AmountBound = (typeof AMOUNT_BOUNDS)[number]

export interface RuleForm {
  /** Globs over tool ids, separated by spaces or commas. */
  readonly tools: string
  readonly operations: readonly Operation[]
  readonly amountBound: AmountBound
  /** Empty: the amount does not matter. */
  readonly amount: string
  readonly effect: Exclude<Effect, 'require_proof'>
  readonly tier: 1 | 2
  /** Roles of which an approver has one, separated like tools; empty: every approver. */
  readonly roles: string
  readonly reason: string
}

export const EMPTY_RULE: RuleForm = {
  tools: '',
  operations: [],
  amountBound: 'gt',
  amount: '',
  effect: 'require_approval',
  tier: 2,
  roles: '',
  reason: '',
}

const NEW_PRIORITY = 10

/** JSON's escapes are all in TOML; a control that only TOML forbids is written as one. */
const quoted = (text: string): string => JSON.stringify(text).replaceAll('\u007f', '\\u007f')
const listed = (items: readonly string[]): string => `[${items.map(quoted).join(', ')}]`
const words = (text: string): readonly string[] =>
  text.split(/[\s,]+/).filter((word) => word !== '')

export type RuleFormRefusal = 'match_empty' | 'reason_missing'

/** What is missing before the rule can be written. */
export function ruleProblem(form: RuleForm): RuleFormRefusal | undefined {
  const { operations, amount, reason } = form
  const matches = words(form.tools).length + operations.length + words(amount).length > 0
  if (!matches) return 'match_empty'
  return reason.trim() === '' ? 'reason_missing' : undefined
}

/** An id that the text does not have yet, made of what the rule is about. */
export function freshRuleId(form: RuleForm, text: string): string {
  const [tool = ''] = words(form.tools)
  const about = tool.replaceAll(/[^A-Za-z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '')
  const first = [form.operations[0], about.toLowerCase(), ENDS[form.effect]]
    .filter((part) => part !== undefined && part !== '')
    .join('-')
    .slice(0, 56)
  for (let count = 1; ; count++) {
    const id = count === 1 ? first : `${first}-${count}`
    if (!text.includes(`"${id}"`)) return id
  }
}

const ENDS: Readonly<Record<RuleForm['effect'], string>> = {
  allow: 'allow',
  require_approval: 'ask',
  deny: 'deny',
}

function whoApproves(form: RuleForm): readonly string[] {
  if (form.effect !== 'require_approval') return []
  const roles = words(form.roles)
  const named = roles.length === 0 ? '' : `roles = ${listed(roles)}, `
  return [`tier     = ${form.tier}`, `approvers = { ${named}quorum = 1, channels = ["portal"] }`]
}

function matchLines(form: RuleForm): readonly string[] {
  const tools = words(form.tools)
  const operations = OPERATIONS.filter((one) => form.operations.includes(one))
  const amount = form.amount.trim()
  return [
    ...(tools.length === 0 ? [] : [`tool      = ${listed(tools)}`]),
    ...(operations.length === 0 ? [] : [`operation = ${listed(operations)}`]),
    ...(amount === '' ? [] : [`amount    = { ${form.amountBound} = ${quoted(amount)} }`]),
  ]
}

/** The text with the rule at its end, and where the rule begins (1-based line). */
export function withRule(
  text: string,
  form: RuleForm,
): { readonly text: string; readonly line: number } {
  const [tier, approvers] = whoApproves(form)
  const lines = [
    '[[rules]]',
    `id       = ${quoted(freshRuleId(form, text))}`,
    `priority = ${NEW_PRIORITY}`,
    `effect   = ${quoted(form.effect)}`,
    ...(tier === undefined ? [] : [tier]),
    `reason   = ${quoted(form.reason.trim())}`,
    ...(approvers === undefined ? [] : [approvers]),
    '',
    '[rules.match]',
    ...matchLines(form),
    '',
  ]
  const before = text === '' || text.endsWith('\n') ? text : `${text}\n`
  const whole = `${before}\n${lines.join('\n')}`
  return { text: whole, line: before.split('\n').length + 1 }
}
