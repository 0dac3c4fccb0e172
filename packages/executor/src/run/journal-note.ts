import {
  canonicalize,
  type GrantId,
  grantIdField,
  type Hash,
  hashField,
  msField,
  nameField,
  objectShape,
  oneOfShape,
  parseJson,
  readShape,
  type Shape,
  taggedShape,
} from '@trustgw/protocol'

/**
 * What an entry of the shared journal says beside its attempt. A run's has everything by which another
 * executor of the profile can ask the provider for its end (spec/protocol.md §5), and nothing secret.
 */
export type JournalNote =
  | {
      readonly kind: 'run'
      readonly jti: GrantId
      readonly grant_hash: Hash
      readonly input_hash: Hash
      readonly tool: string
      readonly at: number
    }
  /** Claimed so that it never runs. */
  | { readonly kind: 'cancelled'; readonly at: number }

const noteShape: Shape<JournalNote> = taggedShape('kind', {
  run: objectShape({
    kind: oneOfShape('run'),
    jti: grantIdField,
    grant_hash: hashField,
    input_hash: hashField,
    tool: nameField,
    at: msField,
  }),
  cancelled: objectShape({ kind: oneOfShape('cancelled'), at: msField }),
})

export function writeNote(note: JournalNote): string {
  return canonicalize({ ...note })
}

/** Undefined for what no executor of this version wrote: claimed, and nothing else is known. */
export function readNote(text: string | undefined): JournalNote | undefined {
  if (text === undefined) return undefined
  const parsed = parseJson(text)
  const read = parsed.ok ? readShape(noteShape, parsed.value) : parsed
  return read.ok ? read.value : undefined
}
