import { isJsonArray, isJsonObject, type Json, type JsonObject } from '@trustgw/protocol'

/** Longer texts are shown by their two ends until asked for, with the count of what is hidden. */
export const LONG_TEXT_CHARS = 320
const LONG_TEXT_LINES = 8
export const HEAD_CHARS = 180
export const TAIL_CHARS = 80

/** One leaf of the arguments; every leaf has exactly one row. */
export interface ArgumentRow {
  /** JSON pointer (RFC 6901); empty for the whole document. */
  readonly pointer: string
  readonly type: 'text' | 'number' | 'yes_no' | 'null' | 'empty_list' | 'empty_object'
  readonly text: string
  /** Characters as a reader counts them: code points. */
  readonly length: number
  readonly long: boolean
}

/** Every leaf of the arguments in document order. */
export function argumentRows(value: Json): readonly ArgumentRow[] {
  const rows: ArgumentRow[] = []
  collect(value, '', rows)
  return rows
}

function collect(value: Json, pointer: string, rows: ArgumentRow[]): void {
  if (isJsonArray(value) && value.length > 0) {
    for (const [index, item] of value.entries()) collect(item, `${pointer}/${index}`, rows)
    return
  }
  if (isJsonObject(value) && Object.keys(value).length > 0) {
    for (const [name, member] of Object.entries(value)) {
      collect(member, `${pointer}/${escapeStep(name)}`, rows)
    }
    return
  }
  rows.push(leaf(value, pointer))
}

function leaf(value: Json, pointer: string): ArgumentRow {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const length = Array.from(text).length
  const long = length > LONG_TEXT_CHARS || text.split('\n').length > LONG_TEXT_LINES
  return { pointer, type: typeOf(value), text, length, long }
}

function typeOf(value: Json): ArgumentRow['type'] {
  if (value === null) return 'null'
  if (typeof value === 'string') return 'text'
  if (typeof value === 'number') return 'number'
  if (typeof value === 'boolean') return 'yes_no'
  return isJsonArray(value) ? 'empty_list' : 'empty_object'
}

function escapeStep(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** The two ends of a long text, cut between code points, and how many lie between. */
export function endsOf(text: string): { head: string; hidden: number; tail: string } {
  const points = Array.from(text)
  const head = Math.min(HEAD_CHARS, points.length)
  const tail = Math.min(TAIL_CHARS, points.length - head)
  return {
    head: points.slice(0, head).join(''),
    hidden: points.length - head - tail,
    tail: tail === 0 ? '' : points.slice(-tail).join(''),
  }
}

/** The value at a JSON pointer, or undefined. Own members and array indices only. */
export function valueAt(document: JsonObject, pointer: string): Json | undefined {
  if (pointer === '') return document
  if (!pointer.startsWith('/')) return undefined
  let value: Json = document
  for (const raw of pointer.slice(1).split('/')) {
    const next = step(value, raw.replaceAll('~1', '/').replaceAll('~0', '~'))
    if (next === undefined) return undefined
    value = next
  }
  return value
}

function step(value: Json, name: string): Json | undefined {
  if (isJsonArray(value)) return /^(?:0|[1-9]\d{0,8})$/.test(name) ? value[Number(name)] : undefined
  if (isJsonObject(value)) return Object.hasOwn(value, name) ? value[name] : undefined
  return undefined
}
