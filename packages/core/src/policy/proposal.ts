/** A proposal written by hand, to ask a policy about: the facts of a `[[tests]]` table, as JSON. */
import {
  isJsonArray,
  isJsonObject,
  type Json,
  type JsonObject,
  type Ok,
  ok,
} from '@trustgw/protocol'
import type { PolicyFacts, ToolFacts } from './facts.ts'
import type { KeyPath } from './positions.ts'
import { type At, checkKeys, inside, Problems, type Raw, type RawTable, wrong } from './raw.ts'
import { FACT_KEYS, readFacts } from './test-tables.ts'

/** What is wrong in a proposal, and where. */
export interface ProposalProblem {
  /** JSON Pointer to the member. */
  readonly pointer: string
  readonly message: string
  readonly nearest?: string
}

export interface ProposalRefusal {
  readonly ok: false
  readonly reason: 'proposal_refused'
  /** At least one. */
  readonly problems: readonly ProposalProblem[]
}

/** What a contract says, so that a proposal that is decided under one need not. */
const OF_CONTRACT = ['operation', 'category', 'tags', 'bundle', 'amount']

function toRaw(value: Json): Raw {
  if (value === null) return { odd: 'null' }
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof value !== 'object') return value
  if (isJsonArray(value)) return { items: value.map(toRaw) }
  return rawTable(value)
}

const rawTable = (value: JsonObject): RawTable =>
  new Map(Object.entries(value).map(([name, member]) => [name, toRaw(member)]))

const escaped = (step: string | number): string =>
  String(step).replaceAll('~', '~0').replaceAll('/', '~1')

const pointerOf = (path: KeyPath): string => path.map((step) => `/${escaped(step)}`).join('')

/** A member that is null is not available, as one that is left out. */
function known(value: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(value).filter(([name, member]) => name === 'args' || member !== null),
  )
}

function argumentsOf(value: JsonObject, at: At): Json {
  const args = value['args']
  if (args === undefined) return {}
  if (!isJsonObject(args)) wrong(inside(at, 'args'), 'expected an object')
  return args
}

/**
 * Reads a proposal: the members of a `[[tests]]` table without `name` and `expect`. `tools` are
 * registered ones: where the proposal's is among them, its contract says what it is, and the
 * proposal may not.
 */
export function parseProposal(
  value: Json,
  tools: readonly ToolFacts[] = [],
): Ok<PolicyFacts> | ProposalRefusal {
  const problems = new Problems()
  const at: At = { problems, path: [] }
  if (!isJsonObject(value)) wrong(at, 'expected an object')
  const members = isJsonObject(value) ? known(value) : {}
  checkKeys(rawTable(members), { known: FACT_KEYS }, at)
  const contract = tools.find(({ id }) => id === members['tool'])
  for (const name of OF_CONTRACT) {
    if (contract !== undefined && Object.hasOwn(members, name))
      wrong(inside(at, name), 'the contract of the registered tool says this')
  }
  if (members['tool'] === undefined) wrong(inside(at, 'tool'), 'a proposal names its tool')
  const { args: _, ...written } = members
  const facts = readFacts(rawTable(written), at)
  const args = argumentsOf(members, at)
  if (problems.list.length === 0) return ok({ ...facts, args, tool: contract ?? facts.tool })
  const named = problems.list.map(({ path, message, nearest }): ProposalProblem => {
    const problem = { pointer: pointerOf(path), message }
    return nearest === undefined ? problem : { ...problem, nearest }
  })
  return { ok: false, reason: 'proposal_refused', problems: named }
}
