import {
  type ArgumentChange,
  type ExplainedLimit,
  type ExplainedLine,
  type ExplainedRule,
  type Explanation,
  explain,
  type PolicyFacts,
  safeExplain,
} from '@trustgw/core'
import { approversJson, asObject, type Json, type JsonObject } from '@trustgw/protocol'
import {
  type Command,
  type Context,
  EXIT_DONE,
  flagText,
  InputFault,
  requiredFlag,
  UsageFault,
} from '../../command.ts'
import { type Style, visible } from '../../terminal.ts'
import { jsonText } from '../audit-text.ts'
import { contractsOf, factsOfPast, pastOf } from './past.ts'
import { readProposal } from './proposal-file.ts'
import { recordedAction } from './recorded.ts'
import {
  DEVELOPMENT_FLAG,
  LOWER_LAYER_FLAGS,
  type LoadedLayers,
  loadLayers,
  operands,
} from './sources.ts'
import { TOOLS_FLAG, toolsOfFile } from './tools.ts'
import { lineText, mark, paintedVerdict, ruleText, valueText, verdictText } from './words.ts'

export const POLICY_EXPLAIN: Command = {
  name: 'policy explain',
  text: 'say why a proposal is decided as it is, and what would be allowed',
  usage:
    'policy explain FILE --proposal FILE | --action ID [--tools FILE] [--safe] [--tenant FILE] [--workspace FILE] [--agent FILE]',
  flags: {
    proposal: {
      type: 'string',
      value: 'FILE',
      text: 'a proposal as JSON, or an action as it is stored',
    },
    action: { type: 'string', value: 'ID', text: 'an action of the running installation' },
    ...TOOLS_FLAG,
    safe: { type: 'boolean', text: 'only what the agent would be told' },
    ...LOWER_LAYER_FLAGS,
    ...DEVELOPMENT_FLAG,
  },
  examples: [
    'trustgw policy explain policy.toml --proposal refund.json',
    'trustgw policy explain policy.toml --action act_…',
    `echo '{"tool":"shop.refund","args":{"amount":"250.00","currency":"EUR"}}' | trustgw policy explain policy.toml --proposal - --tools tools.json`,
  ],
  run: explainProposal,
}

async function explainProposal(context: Context): Promise<number> {
  const [file = ''] = operands(context, ['FILE'])
  const action = flagText(context, 'action')
  const proposal = action === undefined ? requiredFlag(context, 'proposal') : undefined
  if (flagText(context, 'proposal') !== proposal) {
    throw new UsageFault('--action or --proposal, not both')
  }
  const loaded = await loadLayers(context, file)
  const facts = await factsToExplain(context, loaded, { action, proposal })
  const explanation = explainKnown(loaded, facts)
  const safe = safeExplain(explanation)
  const { out, style } = context.terminal
  const isSafe = context.flags['safe'] === true
  if (context.json) out(jsonText(isSafe ? { safe } : explanationJson(explanation, safe)))
  else if (isSafe) out(visible(safe))
  else for (const line of explanationLines(explanation, facts.tool.id, style)) out(line)
  return EXIT_DONE
}

/** Of the action that is named, else of the proposal in a file. */
async function factsToExplain(
  context: Context,
  { layers }: LoadedLayers,
  {
    action,
    proposal = '',
  }: { readonly action: string | undefined; readonly proposal: string | undefined },
): Promise<PolicyFacts> {
  const toolsFile = flagText(context, 'tools')
  const given = toolsFile === undefined ? null : await toolsOfFile(toolsFile)
  if (action === undefined) return readProposal(proposal, layers, given ?? [])
  const { record, tools } = await recordedAction(context, action)
  return factsOfPast(pastOf(record, contractsOf(given ?? tools), layers))
}

/** A stored action of a tool whose contract is not at hand lacks what its decision did not look at. */
function explainKnown({ layers }: LoadedLayers, facts: PolicyFacts): Explanation {
  try {
    return explain(layers, facts)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'fact_not_recorded') {
      throw new InputFault(
        error.code,
        `${error.message}: give the contract of ${facts.tool.id} with --tools FILE`,
      )
    }
    throw error
  }
}

const lineJson = ({ line, fact, value, truth }: ExplainedLine): JsonObject => ({
  line,
  fact,
  value,
  truth,
})

const ruleJson = ({ lines, ...rule }: ExplainedRule): JsonObject => ({
  ...rule,
  lines: lines.map(lineJson),
})

const limitJson = ({ lines, ...limit }: ExplainedLimit): JsonObject => ({
  ...limit,
  lines: lines.map(lineJson),
})

/** Without `from` where the argument is to be added. */
const changeJson = ({ pointer, from, to }: ArgumentChange): JsonObject => ({
  pointer,
  ...(from === undefined ? {} : { from }),
  to,
})

function explanationJson(explanation: Explanation, safe: string): JsonObject {
  const { decision, rules, limits, change } = explanation
  return {
    decision: {
      effect: decision.effect,
      tier: decision.tier,
      rule_id: decision.rule_id,
      reason: decision.reason,
      obligations: {
        ...decision.obligations,
        approvers: approversJson(decision.obligations.approvers),
        channels: [...decision.obligations.channels],
      },
      policy_fingerprint: decision.policy_fingerprint,
      facts: decision.facts.map((fact) => ({ ...fact })),
      unknown: [...decision.unknown],
    },
    rules: rules.map(ruleJson),
    limits: limits.map(limitJson),
    change: change === null ? null : change.map(changeJson),
    safe,
  }
}

/** As a decision names it. */
const named = ({ layer, id }: ExplainedRule | ExplainedLimit): string =>
  layer === 'platform' ? id : `${layer}:${id}`

function explanationLines(explanation: Explanation, tool: string, style: Style): readonly string[] {
  const { decision, rules, limits } = explanation
  const width = Math.max(0, ...[...rules, ...limits].map((one) => named(one).length))
  const lineWidth = Math.max(
    0,
    ...[...rules, ...limits].flatMap(({ lines }) => lines.map(({ line }) => lineText(line).length)),
  )
  const shown: Columns = { width, lineWidth: Math.min(lineWidth, LINE_MAX_CHARS), style }
  return [
    `${style.bold(visible(tool))}: ${paintedVerdict(decision, style)} by ${ruleText(decision.rule_id)}`,
    `  ${visible(decision.reason)}`,
    ...approversLines(explanation, style),
    '',
    ...(rules.length === 0 ? [style.dim('No rule is over this tool.')] : []),
    ...rules.flatMap((rule) => ruleLines(named(rule), rule, shown)),
    ...limits.flatMap((limit) => limitLines(named(limit), limit, shown)),
    '',
    changeText(explanation, style),
  ]
}

function approversLines({ decision }: Explanation, style: Style): readonly string[] {
  if (decision.effect === 'allow' || decision.effect === 'deny') return []
  const { approvers, channels } = decision.obligations
  const asked = approvers.map(({ roles, quorum }) =>
    roles.length === 0 ? `${quorum} of any approver` : `${quorum} of role ${roles.join(' or ')}`,
  )
  const minutes = decision.obligations.approval_ttl_ms / 60_000
  const text = `approvers: ${asked.join(' and ')}, through ${channels.join(' or ')}, within ${minutes} min`
  return [`  ${style.dim(visible(text))}`]
}

interface Columns {
  readonly width: number
  readonly lineWidth: number
  readonly style: Style
}

/** Longer lines of a match push their values to the right by themselves. */
const LINE_MAX_CHARS = 64

function ruleLines(name: string, rule: ExplainedRule, columns: Columns): readonly string[] {
  const { style, width } = columns
  const says = `priority ${String(rule.priority).padEnd(4)}  ${verdictText(rule)}`
  const stands = rule.stands ? `  ${style.bold('← stands')}` : ''
  return [
    `${mark(rule.truth, style)} ${style.bold(visible(name.padEnd(width)))}  ${says}${stands}`,
    ...rule.lines.map((line) => matchLine(line, columns)),
  ]
}

function limitLines(name: string, limit: ExplainedLimit, columns: Columns): readonly string[] {
  const { style, width } = columns
  const { max_count, max_amount, counter } = limit
  const most = [max_count === null ? [] : [`${max_count} times`], max_amount ?? []].flat()
  const state = limit.is_exceeded ? style.bold('← exceeded') : style.good('within')
  const held = counter === null ? 'not known' : valueText(counter)
  return [
    `${mark(limit.truth, style)} ${style.bold(visible(name.padEnd(width)))}  limit of ${most.join(' and ')}: ${verdictText(limit)}  ${state}`,
    ...limit.lines.map((line) => matchLine(line, columns)),
    `    ${style.dim(`counted before: ${held}`)}`,
  ]
}

function matchLine({ line, fact, value, truth }: ExplainedLine, columns: Columns): string {
  const { style, lineWidth } = columns
  const shown = value === null ? 'not available' : (clockText(fact, value) ?? valueText(value))
  return `    ${mark(truth, style)} ${lineText(line).padEnd(lineWidth)}  ${style.dim(`is ${shown}`)}`
}

const two = (part: number): string => String(part).padStart(2, '0')

/** `thu 22:30`, of a local time; null for other facts. */
function clockText(fact: string, value: Json): string | null {
  const { day, minute } = asObject(value) ?? {}
  if (!fact.startsWith('time:') || typeof day !== 'string' || typeof minute !== 'number')
    return null
  return `${day} ${two(Math.floor(minute / 60))}:${two(minute % 60)}`
}

function changeText({ decision, change }: Explanation, style: Style): string {
  if (decision.effect === 'allow') return style.good('Nothing has to change: it is allowed.')
  if (change === null) {
    return 'No change that was tried of one or two arguments would be allowed.'
  }
  const parts = change.map(
    ({ pointer, from, to }) =>
      `${visible(pointer)} were ${valueText(to)} (${from === undefined ? 'is not there' : `is ${valueText(from)}`})`,
  )
  return `It would be allowed if ${parts.join(' and ')}.`
}
