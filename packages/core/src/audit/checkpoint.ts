/**
 * Checkpoints of the log as signed notes (spec/protocol.md §7; C2SP tlog-checkpoint and
 * signed-note), with Ed25519 keys.
 */
import {
  base64urlDecode,
  base64urlEncode,
  hexDecode,
  hexEncode,
  ok,
  type Result,
  refuse,
  type Sha256,
  utf8Encode,
} from '@trustgw/protocol'

/** Longest note, in characters. */
const NOTE_MAX_CHARS = 16_384
/** Signature lines of one note: the log's and its witnesses'. */
const NOTE_MAX_SIGNATURES = 16

const ED25519_KEY_TYPE = 0x01
const KEY_ID_BYTES = 4
const SIGNATURE_BYTES = 64
const ROOT_BYTES = 32

/** A tree head: how many entries the log holds and the root over them, as 64 hex digits. */
export interface Checkpoint {
  /** The log's name, a schema-less URL such as `gateway.example/acme`. */
  readonly origin: string
  readonly size: number
  readonly root: string
}

/** A key that signs notes: a name without spaces or plus signs, and the raw 32 bytes. */
export interface NoteKey {
  readonly name: string
  readonly public_key: Uint8Array
}

export interface NoteSigner extends NoteKey {
  /** Ed25519 over the UTF-8 bytes of the note's text. */
  readonly sign: (text: string) => Uint8Array
}

export interface NoteVerifier extends NoteKey {
  readonly verify: (text: string, signature: Uint8Array) => boolean
}

export type CheckpointRefusal = 'checkpoint_format'
export type NoteRefusal =
  | 'note_too_large'
  | 'note_format'
  | 'note_signature_wrong'
  | 'note_signature_missing'

/** Standard base64 with padding (RFC 4648 §4). */
function base64Encode(bytes: Uint8Array): string {
  const text = base64urlEncode(bytes).replaceAll('-', '+').replaceAll('_', '/')
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=')
}

/** Undefined unless the text is exactly what `base64Encode` writes. */
function base64Decode(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined
  const bare = text.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_')
  return base64urlDecode(bare)
}

const isName = (text: string): boolean =>
  text !== '' && text.length <= 256 && /^[^\s+\p{Cc}]+$/u.test(text)

/** The text that is signed. The caller gives a root of 64 hex digits and an exact size. */
export function printCheckpoint(checkpoint: Checkpoint): string {
  const root = hexDecode(checkpoint.root)
  const { origin, size } = checkpoint
  if (root?.length !== ROOT_BYTES || !Number.isSafeInteger(size) || size < 0 || !isName(origin)) {
    throw new TypeError('not a checkpoint')
  }
  return `${origin}\n${size}\n${base64Encode(root)}\n`
}

/** Accepts exactly what {@link printCheckpoint} writes; extension lines are refused. */
export function parseCheckpoint(text: string): Result<Checkpoint, CheckpointRefusal> {
  const [origin = '', size = '', root = '', end, ...more] = text.split('\n')
  if (end !== '' || more.length > 0 || !isName(origin)) return refuse('checkpoint_format')
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    return refuse('checkpoint_format')
  }
  const bytes = base64Decode(root)
  if (bytes?.length !== ROOT_BYTES) return refuse('checkpoint_format')
  return ok({ origin, size: Number(size), root: hexEncode(bytes) })
}

/** What names a key in a signature line: four bytes of SHA-256 over name, type and key. */
export function noteKeyId(sha256: Sha256, key: NoteKey): Uint8Array {
  const name = utf8Encode(`${key.name}\n`)
  const bytes = new Uint8Array(name.length + 1 + key.public_key.length)
  bytes.set(name)
  bytes[name.length] = ED25519_KEY_TYPE
  bytes.set(key.public_key, name.length + 1)
  return (hexDecode(sha256(bytes)) ?? new Uint8Array(0)).slice(0, KEY_ID_BYTES)
}

/** The text with one signature line. `text` ends with a newline and holds no empty line. */
export function signNote(sha256: Sha256, text: string, signer: NoteSigner): string {
  if (!text.endsWith('\n') || text.includes('\n\n') || !isName(signer.name)) {
    throw new TypeError('not a note text and signer')
  }
  const id = noteKeyId(sha256, signer)
  const signature = signer.sign(text)
  if (signature.length !== SIGNATURE_BYTES) throw new TypeError('not an Ed25519 signature')
  const bytes = new Uint8Array(KEY_ID_BYTES + SIGNATURE_BYTES)
  bytes.set(id)
  bytes.set(signature, KEY_ID_BYTES)
  return `${text}\n— ${signer.name} ${base64Encode(bytes)}\n`
}

interface SignatureLine {
  readonly name: string
  readonly id: string
  readonly signature: Uint8Array
}

function parseSignatureLine(line: string): SignatureLine | null {
  const [dash, name = '', base64 = '', ...more] = line.split(' ')
  const bytes = base64Decode(base64)
  if (dash !== '—' || !isName(name) || more.length > 0 || bytes === undefined) return null
  if (bytes.length <= KEY_ID_BYTES) return null
  return {
    name,
    id: hexEncode(bytes.slice(0, KEY_ID_BYTES)),
    signature: bytes.slice(KEY_ID_BYTES),
  }
}

/**
 * The text of a note and the names of the given keys that signed it, at least one. A line of
 * another key is passed over; a line that names a given key and does not verify refuses the note.
 */
export function verifyNote(
  sha256: Sha256,
  note: string,
  verifiers: readonly NoteVerifier[],
): Result<{ readonly text: string; readonly signers: readonly string[] }, NoteRefusal> {
  if (note.length > NOTE_MAX_CHARS) return refuse('note_too_large')
  const split = note.lastIndexOf('\n\n')
  if (split === -1 || !note.endsWith('\n')) return refuse('note_format')
  const text = note.slice(0, split + 1)
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > NOTE_MAX_SIGNATURES) return refuse('note_format')
  const signers = new Set<string>()
  for (const line of lines) {
    const parsed = parseSignatureLine(line)
    if (parsed === null) return refuse('note_format')
    const key = verifiers.find(
      (known) => known.name === parsed.name && hexEncode(noteKeyId(sha256, known)) === parsed.id,
    )
    if (key === undefined) continue
    if (parsed.signature.length !== SIGNATURE_BYTES || !key.verify(text, parsed.signature)) {
      return refuse('note_signature_wrong')
    }
    signers.add(key.name)
  }
  return signers.size === 0 ? refuse('note_signature_missing') : ok({ text, signers: [...signers] })
}
