import type { Finding } from '@trustgw/core'
import type { JsonObject } from '@trustgw/protocol'
import { type Style, visible } from '../../terminal.ts'
import type { Source } from './sources.ts'

export type Severity = 'error' | 'warning' | 'note'

/** One thing that `policy check` says, on the terminal and as JSON. */
export interface Shown {
  readonly severity: Severity
  /** Stable: `refused`, `shadowed`, `conflict`, … */
  readonly kind: string
  readonly message: string
  /** Null where it is about no place in a file. */
  readonly at: { readonly source: Source; readonly line: number; readonly column: number } | null
  readonly key?: string
  readonly nearest?: string
  readonly rule?: string
  /** What belongs to the kind. */
  readonly details?: JsonObject
  /** A line of text each, below the source. */
  readonly help?: readonly string[]
}

/** Columns of the file on either side of what is wrong, of a line that is longer. */
const CONTEXT_CHARS = 60

export function refusedFinding(source: Source, finding: Finding): Shown {
  const { line, column, key, message, nearest } = finding
  return {
    severity: 'error',
    kind: 'refused',
    message,
    at: { source, line, column },
    key,
    ...(nearest === undefined ? {} : { nearest }),
  }
}

/** All members are always there, null where they do not apply. */
export function findingJson(shown: Shown): JsonObject {
  const { severity, kind, message, at, key, nearest, rule, details } = shown
  return {
    severity,
    kind,
    message,
    file: at?.source.file ?? null,
    line: at?.line ?? null,
    column: at?.column ?? null,
    key: key === undefined || key === '' ? null : key,
    nearest: nearest ?? null,
    rule: rule ?? null,
    details: details ?? {},
  }
}

/** The finding with its line and a caret under what it is about, as compilers show it. */
export function findingText(shown: Shown, style: Style): string {
  const { severity, kind, message, at, help = [] } = shown
  const paint = { error: style.bad, warning: style.warn, note: style.accent }[severity]
  const head = `${paint(style.bold(`${severity}[${kind}]`))}: ${style.bold(visible(message))}`
  if (at === null) return [head, ...help.map((line) => `  = ${visible(line)}`)].join('\n')
  const gutter = ' '.repeat(String(at.line).length)
  const bar = style.dim('|')
  const place = `${visible(at.source.file)}:${at.line}:${at.column}`
  const nearest = shown.nearest === undefined ? '' : ` did you mean "${visible(shown.nearest)}"?`
  const { before, marked, after } = excerpt(at)
  const caret = paint(`${'^'.repeat(Math.max(1, signsOf(marked)))}${nearest}`)
  const key = shown.key === undefined || shown.key === '' ? [] : [`key: ${shown.key}`]
  return [
    head,
    `${gutter}${style.dim('-->')} ${place}`,
    `${gutter} ${bar}`,
    `${style.dim(String(at.line))} ${bar} ${before}${marked}${after}`.trimEnd(),
    `${gutter} ${bar} ${' '.repeat(signsOf(before))}${caret}`,
    ...[...key, ...help].map((line) => `${gutter} ${style.dim('=')} ${visible(line)}`),
  ].join('\n')
}

const segmenter = new Intl.Segmenter()

/** What a person would count. */
const signsOf = (text: string): number => Array.from(segmenter.segment(text)).length

interface Excerpt {
  readonly before: string
  readonly marked: string
  readonly after: string
}

/** The line in three parts, what would move the cursor written out, cut to its surroundings. */
function excerpt({ source, line, column }: NonNullable<Shown['at']>): Excerpt {
  const text = lineOf(source.text, line)
  const at = Math.min(column - 1, text.length)
  const token = TOKEN.exec(text.slice(at, at + CONTEXT_CHARS))?.[0] ?? ''
  const end = at + token.length
  const from = Math.max(0, at - CONTEXT_CHARS)
  return {
    before: `${from > 0 ? '…' : ''}${visibleLine(text.slice(from, at))}`,
    marked: visibleLine(token),
    after: `${visibleLine(text.slice(end, end + CONTEXT_CHARS))}${end + CONTEXT_CHARS < text.length ? '…' : ''}`,
  }
}

/** A header, a text in quotes, a list, an inline table or a word. */
const TOKEN = /^(?:\[\[?[^\]]*\]\]?|"(?:\\.|[^"\\])*"|'[^']*'|\{[^}]*\}|[^\s=,\]}#]+)/

const visibleLine = (text: string): string => visible(text.replaceAll('\t', '  '))

function lineOf(text: string, line: number): string {
  let start = 0
  for (let count = 1; count < line; count++) start = text.indexOf('\n', start) + 1
  const end = text.indexOf('\n', start)
  return text.slice(start, end === -1 ? undefined : end).replace(/\r$/, '')
}
