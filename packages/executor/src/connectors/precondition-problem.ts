import {
  isJsonArray,
  isJsonObject,
  type Json,
  type JsonObject,
  type PreconditionRule,
  pointerParts,
  type ToolContract,
} from '@trustgw/protocol'

export type PreconditionProblem =
  | 'precondition_tool_missing'
  | 'precondition_not_a_read'
  | 'precondition_nested'
  /** The tool never has such an argument, or the read never takes it or lacks one that it needs. */
  | 'precondition_arguments'
  /** The read never gives such a value. */
  | 'precondition_select'

/** Contracts of one connector without those whose precondition can never be read. */
export function withReadablePreconditions(
  contracts: readonly ToolContract[],
  of: {
    /** The schema of what a run of the tool gives. */
    readonly output: (read: ToolContract) => Json
    readonly onRefused: (contract: ToolContract, problem: PreconditionProblem) => void
  },
): readonly ToolContract[] {
  return contracts.filter((contract) => {
    const { precondition } = contract
    const problem =
      precondition === null
        ? undefined
        : preconditionProblem(contract.input_schema, precondition, {
            read: contracts.find(({ id }) => id === precondition.tool),
            output: of.output,
          })
    if (problem !== undefined) of.onRefused(contract, problem)
    return problem === undefined
  })
}

function preconditionProblem(
  input: JsonObject,
  rule: PreconditionRule,
  of: { readonly read: ToolContract | undefined; readonly output: (read: ToolContract) => Json },
): PreconditionProblem | undefined {
  const { read, output } = of
  if (read === undefined) return 'precondition_tool_missing'
  if (read.operation !== 'read') return 'precondition_not_a_read'
  if (read.precondition !== null) return 'precondition_nested'
  const names = Object.keys(rule.arguments)
  const required = read.input_schema['required'] ?? []
  const isComplete =
    isJsonArray(required) &&
    required.every((name) => typeof name === 'string' && names.includes(name))
  const areTaken = names.every((name) => isPossible(read.input_schema, [name]))
  const areThere = Object.values(rule.arguments).every(
    (value) =>
      typeof value !== 'object' || value === null || isPossible(input, pointerParts(value.pointer)),
  )
  if (!isComplete || !areTaken || !areThere) return 'precondition_arguments'
  const isGiven = rule.select.every((pointer) => isPossible(output(read), pointerParts(pointer)))
  return isGiven ? undefined : 'precondition_select'
}

/** Words of a schema that are not looked into: behind them everything counts as possible. */
const BRANCHES: readonly string[] = [
  '$ref',
  '$dynamicRef',
  'allOf',
  'anyOf',
  'oneOf',
  'if',
  'patternProperties',
]

/** False only where no value of the schema has anything there. */
function isPossible(schema: Json | undefined, [step, ...rest]: readonly string[]): boolean {
  if (schema === false) return false
  if (schema === undefined || !isJsonObject(schema) || step === undefined) return true
  if (BRANCHES.some((word) => Object.hasOwn(schema, word))) return true
  const type = schema['type']
  const types = type === undefined || isJsonArray(type) ? type : [type]
  const can = (kind: string): boolean => types === undefined || types.includes(kind)
  return (
    (can('object') && isPossibleMember(schema, step, rest)) ||
    (can('array') && /^(?:0|[1-9][0-9]*)$/.test(step) && isPossible(schema['items'], rest))
  )
}

function isPossibleMember(schema: JsonObject, step: string, rest: readonly string[]): boolean {
  const properties = schema['properties'] ?? {}
  return isJsonObject(properties) && Object.hasOwn(properties, step)
    ? isPossible(properties[step], rest)
    : isPossible(schema['additionalProperties'], rest)
}
