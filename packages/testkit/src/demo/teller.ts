import { styleText } from 'node:util'

type Paint = Parameters<typeof styleText>[0]

/** Prints the story as it goes; says nothing when a machine reads. */
export interface Teller {
  chapter(title: string): void
  step(text: string, ms: number): void
  note(text: string): void
  failed(text: string, why: string): void
  rows(rows: readonly TableRow[]): void
  line(text: string): void
}

export interface TableRow {
  readonly ok: boolean
  readonly cells: readonly string[]
  /** Below the row, each on lines of its own. */
  readonly notes: readonly string[]
}

export interface TellerOptions {
  readonly write: (line: string) => void
  readonly color: boolean
  /** Width of the terminal in columns. */
  readonly columns: number
}

const TIME_COLUMNS = 8
const TEXT_MIN_COLUMNS = 40
const TEXT_MAX_COLUMNS = 100

/** Set for reading: a tick, what was seen, and at the right how long it took. */
export function terminalTeller(options: TellerOptions): Teller {
  const { write, color } = options
  const width = Math.min(
    Math.max(options.columns - TIME_COLUMNS - 6, TEXT_MIN_COLUMNS),
    TEXT_MAX_COLUMNS,
  )
  const paint = (style: Paint, text: string): string =>
    color ? styleText(style, text, { validateStream: false }) : text
  const wrapped = (head: string, text: string, tail = ''): void => {
    const [first = '', ...rest] = wrap(text, width)
    write(`  ${head} ${first}${tail === '' ? '' : ' '.repeat(width - first.length)}${tail}`)
    for (const line of rest) write(`    ${line}`)
  }
  return {
    chapter: (title) => {
      write('')
      write(`  ${paint('bold', title)}`)
    },
    step: (text, ms) => wrapped(paint('green', '✓'), text, paint('dim', seconds(ms))),
    note: (text) => {
      for (const line of wrap(text, width)) write(`    ${paint('dim', line)}`)
    },
    failed: (text, why) => {
      wrapped(paint('red', '✗'), text)
      for (const line of wrap(why, width)) write(`    ${paint('red', line)}`)
    },
    rows: (rows) => {
      const widths = columnWidths(rows)
      for (const row of rows) {
        const mark = row.ok ? paint('green', '✓') : paint('red', '✗')
        const cells = row.cells.map((cell, index) => cell.padEnd(widths[index] ?? 0))
        write(`  ${mark} ${cells.join('   ').trimEnd()}`)
        for (const line of row.notes.flatMap((note) => wrap(note, width))) {
          write(`    ${paint(row.ok ? 'dim' : 'red', line)}`)
        }
      }
    },
    line: (text) => write(text === '' ? '' : `  ${text}`),
  }
}

export const silentTeller: Teller = {
  chapter: () => undefined,
  step: () => undefined,
  note: () => undefined,
  failed: () => undefined,
  rows: () => undefined,
  line: () => undefined,
}

function columnWidths(rows: readonly TableRow[]): readonly number[] {
  const columns = Math.max(0, ...rows.map(({ cells }) => cells.length))
  return Array.from({ length: columns }, (_, index) =>
    Math.max(0, ...rows.map(({ cells }) => cells[index]?.length ?? 0)),
  )
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`.padStart(TIME_COLUMNS)
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
