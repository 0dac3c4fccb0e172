import { readFile } from 'node:fs/promises'
import { type Checkpoint, type NoteVerifier, parseCheckpoint, verifyNote } from '@trustgw/core'
import {
  canonicalize,
  objectShape,
  ok,
  parseJson,
  type Result,
  readShape,
  refuse,
  stringShape,
  utf8Decode,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { LINE_MAX_BYTES } from './line-reader.ts'

/** Why a note is no checkpoint of this log. */
export type NoteProblem =
  | 'note_too_large'
  | 'note_format'
  | 'note_signature_wrong'
  | 'note_signature_missing'
  | 'checkpoint_format'
  | 'checkpoint_origin'

const NOTE_MAX_CHARS = 16_384

const historyLineShape = objectShape({
  note: stringShape({ max: NOTE_MAX_CHARS, characters: 'any' }),
})

/** A checkpoint whose note one of the log's keys signed. The tree itself is NOT looked at. */
export function readCheckpoint(
  note: string,
  origin: string,
  verifiers: readonly NoteVerifier[],
): Result<Checkpoint, NoteProblem> {
  const verified = verifyNote(sha256, note, verifiers)
  if (!verified.ok) return verified
  const checkpoint = parseCheckpoint(verified.value.text)
  if (!checkpoint.ok) return checkpoint
  return checkpoint.value.origin === origin ? checkpoint : refuse('checkpoint_origin')
}

export function printHistoryLine(note: string): string {
  return canonicalize({ note })
}

/** The note of a line of `checkpoints.ndjson`; accepts exactly what {@link printHistoryLine} writes. */
export function parseHistoryLine(line: Uint8Array): Result<string, 'history_format'> {
  const text = utf8Decode(line)
  const parsed = text.ok ? parseJson(text.value, { maxBytes: LINE_MAX_BYTES }) : undefined
  if (!text.ok || parsed?.ok !== true) return refuse('history_format')
  const read = readShape(historyLineShape, parsed.value)
  if (!read.ok || canonicalize(parsed.value) !== text.value) return refuse('history_format')
  return ok(read.value.note)
}

/** The text of a small file; undefined when there is none. */
export async function readNoteFile(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
