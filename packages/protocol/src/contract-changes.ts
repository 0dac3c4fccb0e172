import { contractJson, type ToolContract } from './contract.ts'
import { isJsonArray, isJsonObject, type Json } from './json.ts'

/** One place in which two contracts differ; undefined: it is not there. */
export interface ContractChange {
  /** JSON pointer (RFC 6901). */
  readonly pointer: string
  readonly before: Json | undefined
  readonly after: Json | undefined
}

/** Every leaf in which two contracts differ, in the order of their pointers. */
export function contractChanges(
  before: ToolContract,
  after: ToolContract,
): readonly ContractChange[] {
  const old = new Map<string, Json>()
  const fresh = new Map<string, Json>()
  collect(contractJson(before), '', old)
  collect(contractJson(after), '', fresh)
  return [...new Set([...old.keys(), ...fresh.keys()])].toSorted().flatMap((pointer) => {
    const change = { pointer, before: old.get(pointer), after: fresh.get(pointer) }
    return change.before === change.after ? [] : [change]
  })
}

function collect(value: Json, pointer: string, leaves: Map<string, Json>): void {
  const members = isJsonArray(value)
    ? value.map((item, index): [string, Json] => [`${index}`, item])
    : isJsonObject(value)
      ? Object.entries(value)
      : []
  // An empty list or object is a leaf of its own, as a text: two of them are the same.
  if (members.length === 0) {
    leaves.set(pointer, typeof value === 'object' && value !== null ? JSON.stringify(value) : value)
    return
  }
  for (const [name, member] of members) {
    collect(member, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, leaves)
  }
}
