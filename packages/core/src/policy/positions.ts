/**
 * Where a key or value stands in a TOML text. The parser gives positions for syntax errors only, so
 * this walks a text that already parsed, and only when there is something to say about it.
 */
import { parse } from 'smol-toml'

/** Parts of one dotted key that are told apart; nothing in the language is nested deeper. */
const KEY_MAX_PARTS = 24

export type KeyPath = readonly (string | number)[]

export interface Position {
  readonly line: number
  readonly column: number
}

interface Walk {
  readonly text: string
  at: number
  /** Offset of the first mention of each path as a key or header. */
  readonly keys: Map<string, number>
  /** Offset of each path's value, but for tables written with a header. */
  readonly values: Map<string, number>
  /** How many tables each `[[array]]` has so far. */
  readonly tables: Map<string, number>
}

const pathKey = (path: KeyPath): string => JSON.stringify(path)

function skip(walk: Walk, pattern: RegExp): void {
  const sticky = new RegExp(pattern.source, 'y')
  sticky.lastIndex = walk.at
  walk.at += sticky.exec(walk.text)?.[0].length ?? 0
}

const skipBlank = (walk: Walk): void => skip(walk, /(?:[ \t\r\n]|#[^\n]*)*/)
const skipSpace = (walk: Walk): void => skip(walk, /[ \t]*/)

function note(walk: Walk, path: KeyPath, offset: number): void {
  const key = pathKey(path)
  if (!walk.keys.has(key)) walk.keys.set(key, offset)
}

function skipString(walk: Walk): void {
  if (walk.text.startsWith('"""', walk.at)) skip(walk, /"""(?:\\[^]|[^\\])*?"{3,5}/)
  else if (walk.text.startsWith("'''", walk.at)) skip(walk, /'''[^]*?'{3,5}/)
  else if (walk.text[walk.at] === '"') skip(walk, /"(?:\\.|[^"\\\n])*"/)
  else skip(walk, /'[^'\n]*'/)
}

/** The name that a quoted key stands for: the parser decides, so that escapes mean the same. */
function unquote(raw: string): string {
  const value = parse(`k = ${raw}`)['k']
  return typeof value === 'string' ? value : raw
}

function readKey(walk: Walk): string[] {
  const names: string[] = []
  for (;;) {
    skipSpace(walk)
    const start = walk.at
    const quoted = walk.text[start] === '"' || walk.text[start] === "'"
    if (quoted) skipString(walk)
    else skip(walk, /[A-Za-z0-9_-]+/)
    const raw = walk.text.slice(start, walk.at)
    if (names.length < KEY_MAX_PARTS) names.push(quoted ? unquote(raw) : raw)
    skipSpace(walk)
    if (walk.text[walk.at] !== '.') return names
    walk.at++
  }
}

/** Everything up to a closing bracket, with commas between. */
function walkItems(walk: Walk, end: ']' | '}', walkItem: (index: number) => void): void {
  walk.at++
  for (let index = 0; walk.at < walk.text.length; index++) {
    skipBlank(walk)
    if (walk.text[walk.at] === end) break
    walkItem(index)
    skipBlank(walk)
    if (walk.text[walk.at] === ',') walk.at++
  }
  walk.at++
}

function walkValue(walk: Walk, path: KeyPath): void {
  walk.values.set(pathKey(path), walk.at)
  const first = walk.text[walk.at]
  if (first === '[') walkItems(walk, ']', (index) => walkValue(walk, [...path, index]))
  else if (first === '{') walkItems(walk, '}', () => walkPair(walk, path))
  else if (first === '"' || first === "'") skipString(walk)
  else skip(walk, /[^,\]}#\n]+/)
}

function walkPair(walk: Walk, table: KeyPath): void {
  const start = walk.at
  const names = readKey(walk)
  for (let count = 1; count <= names.length; count++) {
    note(walk, [...table, ...names.slice(0, count)], start)
  }
  if (walk.text[walk.at] === '=') walk.at++
  else walk.at = walk.text.length // not TOML after all: stop rather than loop
  skipBlank(walk)
  walkValue(walk, [...table, ...names])
}

function walkHeader(walk: Walk): KeyPath {
  const start = walk.at
  const isArray = walk.text.startsWith('[[', start)
  walk.at += isArray ? 2 : 1
  const names = readKey(walk)
  skip(walk, /\]+/)
  let path: (string | number)[] = []
  names.forEach((name, position) => {
    path = [...path, name]
    note(walk, path, start)
    const key = pathKey(path)
    const count = walk.tables.get(key)
    const isLast = position === names.length - 1
    if (isArray && isLast) {
      walk.tables.set(key, (count ?? 0) + 1)
      path.push(count ?? 0)
    } else if (count !== undefined) {
      path.push(count - 1)
    }
    note(walk, path, start)
  })
  return path
}

function walkText(text: string): Walk {
  const start = text.startsWith('\uFEFF') ? 1 : 0
  const walk: Walk = { text, at: start, keys: new Map(), values: new Map(), tables: new Map() }
  let table: KeyPath = []
  for (;;) {
    skipBlank(walk)
    if (walk.at >= text.length) return walk
    if (text[walk.at] === '[') table = walkHeader(walk)
    else walkPair(walk, table)
  }
}

/** Offsets at which lines begin. */
function lineStarts(text: string): readonly number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

function positionAt(starts: readonly number[], offset: number): Position {
  let [low, high] = [0, starts.length - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((starts[middle] ?? 0) <= offset) low = middle
    else high = middle - 1
  }
  return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 }
}

/**
 * Finds paths in a TOML text that parsed. A path that is not there has the position of its nearest
 * parent: what is missing is missed in that table.
 */
export function locate(text: string): (path: KeyPath, part: 'key' | 'value') => Position {
  const { keys, values } = walkText(text)
  const starts = lineStarts(text)
  return (path, part) => {
    const value = part === 'value' ? values.get(pathKey(path)) : undefined
    if (value !== undefined) return positionAt(starts, value)
    for (let length = path.length; length > 0; length--) {
      const offset = keys.get(pathKey(path.slice(0, length)))
      if (offset !== undefined) return positionAt(starts, offset)
    }
    return { line: 1, column: 1 }
  }
}
