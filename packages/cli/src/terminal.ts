import { createInterface } from 'node:readline/promises'

/** Where a command writes. Colour only for a terminal that wants it. */
export interface Terminal {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly style: Style
  readonly width: number
  readonly interactive: boolean
  /** One line from the person; absent where nobody can type one. */
  readonly ask?: (question: string) => Promise<string>
}

export interface Style {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly warn: (text: string) => string
  readonly accent: (text: string) => string
}

const plain = (text: string): string => text
const sgr =
  (open: number, close: number) =>
  (text: string): string =>
    `\u001B[${open}m${text}\u001B[${close}m`

export const PLAIN_STYLE: Style = {
  bold: plain,
  dim: plain,
  good: plain,
  bad: plain,
  warn: plain,
  accent: plain,
}

const COLOUR_STYLE: Style = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  good: sgr(32, 39),
  bad: sgr(31, 39),
  warn: sgr(33, 39),
  accent: sgr(36, 39),
}

const DEFAULT_WIDTH = 80

export function openTerminal(env: { readonly [name: string]: string | undefined }): Terminal {
  const interactive = process.stdout.isTTY
  const isTyped = interactive && process.stdin.isTTY
  const noColour = env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== ''
  return {
    out: (text) => process.stdout.write(`${text}\n`),
    err: (text) => process.stderr.write(`${text}\n`),
    style: interactive && !noColour ? COLOUR_STYLE : PLAIN_STYLE,
    width: process.stdout.columns ?? DEFAULT_WIDTH,
    interactive,
    ...(isTyped ? { ask: askLine } : {}),
  }
}

async function askLine(question: string): Promise<string> {
  const line = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await line.question(question)
  } finally {
    line.close()
  }
}

/** Text of others on a terminal: what moves the cursor or hides is written out. */
export function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const point = character.codePointAt(0) ?? 0
    return `⟦U+${point.toString(16).toUpperCase().padStart(4, '0')}⟧`
  })
}

/** Rows in columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, cell] of row.entries())
      widths[index] = Math.max(widths[index] ?? 0, cell.length)
  }
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
