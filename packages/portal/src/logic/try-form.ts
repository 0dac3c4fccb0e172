/** A proposal as it is typed into the page. */

import type { ToolFacts } from '@trustgw/core'
import { isJsonObject, parseJson } from '@trustgw/protocol'
import type { TriedProposal } from './policy-judge.ts'
import type { RecordedProposal } from './recorded.ts'

export interface TryForm {
  readonly tool: string
  /** JSON text. */
  readonly args: string
  readonly agent: string
  /** Empty: nobody. */
  readonly user: string
  readonly workspace: string
  readonly recorded: RecordedProposal | null
}

export const EMPTY_TRY: TryForm = {
  tool: '',
  args: '{}',
  agent: 'agent',
  user: '',
  workspace: 'default',
  recorded: null,
}

export function formOf(recorded: RecordedProposal): TryForm {
  const { decision } = recorded
  return {
    tool: decision.tool_id,
    args: JSON.stringify(recorded.arguments, null, 2),
    agent: decision.principal.subject,
    user: decision.on_behalf_of ?? '',
    workspace: decision.workspace,
    recorded,
  }
}

export type TryRefusal = 'tool_unknown' | 'args_unreadable' | 'args_no_object'

/** The proposal to decide, or what is wrong with the form. */
export function proposalOf(
  form: TryForm,
  tools: readonly ToolFacts[],
  now: number,
): TriedProposal | TryRefusal {
  const id = form.tool.trim()
  const recorded = form.recorded?.decision.tool_id === id ? form.recorded : null
  const tool = recorded?.tool ?? tools.find((one) => one.id === id)
  if (tool === undefined) return 'tool_unknown'
  const args = parseJson(form.args)
  if (!args.ok) return 'args_unreadable'
  if (!isJsonObject(args.value)) return 'args_no_object'
  const { source, auth_level, at } = recorded ?? { ...TYPED, at: now }
  const [workspace, agent, user] = [form.workspace.trim(), form.agent.trim(), form.user.trim()]
  const who = { workspace, agent, user: user === '' ? null : user, source, auth_level }
  return { tool, args: args.value, ...who, at, recorded }
}

/** What is taken of a proposal that nobody made. */
const TYPED = { source: 'mcp', auth_level: 1 } as const
