/** A new key of an agent as it stands in the fields of its form. */
import type { AgentDraft, AgentView } from './agents.ts'

/** The text of each field. */
export interface AgentFields {
  readonly agent: string
  readonly title: string
  readonly person: string
  readonly until: string
  readonly tools: string
  readonly calls: string
  readonly roles: string
  readonly scopes: string
  readonly skill: string
}

const NAME = /^[!-~]{1,128}$/
const EMPTY: AgentFields = {
  agent: '',
  title: '',
  person: '',
  until: '',
  tools: '',
  calls: '',
  roles: '',
  scopes: '',
  skill: '',
}

/** Empty, or as the newest key of an agent has it; an end is set anew. */
export function firstFields(agent: AgentView | undefined): AgentFields {
  const newest = agent?.keys[0]
  if (agent === undefined || newest === undefined) return EMPTY
  const { limits, roles = [], scopes = [], skill_level } = newest
  return {
    ...EMPTY,
    agent: agent.agent,
    title: agent.title,
    person: agent.on_behalf_of ?? '',
    tools: joined(limits?.tools),
    calls: limits?.calls_per_minute?.toString() ?? '',
    roles: joined(roles),
    scopes: joined(scopes),
    skill: skill_level ?? '',
  }
}

/** Undefined while something in it cannot be meant. */
export function draftOf(fields: AgentFields): AgentDraft | undefined {
  const agent = fields.agent.trim()
  const until = fields.until === '' ? null : new Date(fields.until).getTime()
  const calls = fields.calls === '' ? null : Number(fields.calls)
  if (!NAME.test(agent) || Number.isNaN(until)) return undefined
  if (calls !== null && !(Number.isInteger(calls) && calls > 0)) return undefined
  const tools = listOf(fields.tools)
  return {
    agent,
    title: lineOf(fields.title) || agent,
    on_behalf_of: fields.person || null,
    roles: listOf(fields.roles),
    scopes: listOf(fields.scopes),
    skill_level: lineOf(fields.skill) || null,
    limits: { until, tools: tools.length === 0 ? null : tools, calls_per_minute: calls },
  }
}

const joined = (names: readonly string[] | null | undefined): string => (names ?? []).join(', ')
const lineOf = (text: string): string => text.replaceAll(/\s+/g, ' ').trim()

function listOf(text: string): readonly string[] {
  return [...new Set(text.split(/[\s,]+/).filter((part) => part !== ''))].toSorted()
}
