/** What the gateway says of how a call came about (spec/protocol.md §3): asserted, and signed by nobody. */
import { countField, nameField } from './fields.ts'
import { arrayShape, booleanShape, objectShape, type Shape, stringShape } from './shape.ts'

/** Values whose origins are said. */
export const ORIGINS_MAX = 64
/** A longer pointer is left out. */
export const ORIGIN_POINTER_MAX_CHARS = 256
export const ORIGINS_OF_ONE_MAX = 16
/** The latest calls of a chain. */
export const CHAIN_TOOLS_MAX = 16

/** By pointer, where the values of the arguments came from; what is not there is unknown. */
export type Origins = readonly {
  readonly pointer: string
  /** `agent`, `user`, `first_seen` or `tool_result:<tool>` (spec/policy.md). */
  readonly origins: readonly string[]
}[]

/** The calls that the same agent made for the same person before this one. */
export interface CallChain {
  readonly depth: number
  /** The latest of them, oldest first. */
  readonly tools: readonly string[]
  /** Whether the gateway kept track; else there may have been more. */
  readonly complete: boolean
}

export const originsShape: Shape<Origins> = arrayShape(
  objectShape({
    pointer: stringShape({ max: ORIGIN_POINTER_MAX_CHARS, characters: 'any' }),
    origins: arrayShape(stringShape({ min: 1, max: 256 }), { max: ORIGINS_OF_ONE_MAX }),
  }),
  { max: ORIGINS_MAX },
)

export const callChainShape: Shape<CallChain> = objectShape({
  depth: countField,
  tools: arrayShape(nameField, { max: CHAIN_TOOLS_MAX }),
  complete: booleanShape(),
})
