/** What a mutation run says: a score for each file, and every mutant that lives. */
import { basename } from 'node:path'

const DEAD = new Set(['Killed', 'Timeout'])
const ALIVE = new Set(['Survived', 'NoCoverage'])
const SHOWN_MAX_CHARS = 100

/** The code that a mutant stands in place of; lines and columns count from 1. */
function originalOf({ text, location: { start, end } }) {
  const lines = text.split('\n').slice(start.line - 1, end.line)
  lines[lines.length - 1] = lines.at(-1).slice(0, end.column - 1)
  lines[0] = lines[0].slice(start.column - 1)
  return lines.join('\n')
}

/** In hundredths of a percent, rounded down: 95 means at least 95. */
const percent = (part, whole) => (whole === 0 ? 100 : Math.floor((part * 10_000) / whole) / 100)

function scoresOf(mutants, isArgued) {
  const killed = mutants.filter(({ status }) => DEAD.has(status)).length
  const alive = mutants.filter(({ status }) => ALIVE.has(status))
  const argued = alive.filter(isArgued).length
  const all = killed + alive.length
  return {
    mutants: all,
    killed,
    alive: alive.length,
    argued,
    score: percent(killed, all),
    score_without_argued: percent(killed, all - argued),
  }
}

/**
 * @param {readonly { path: string, text: string, location: object, mutator: string, replacement: string, status: string }[]} mutants
 *   `text` is the whole file
 * @param {readonly { file: string, mutator: string, original: string, replacement: string, why: string }[]} argued
 *   survivors that are meant to live, each found by its code, wherever that stands now
 */
export function summarize(mutants, argued) {
  const described = mutants.map((mutant) => ({
    ...mutant,
    file: basename(mutant.path),
    original: originalOf(mutant),
  }))
  const same = (a, b) =>
    ['file', 'mutator', 'original', 'replacement'].every((part) => a[part] === b[part])
  const reasonOf = (mutant) => argued.find((one) => same(one, mutant))?.why ?? null
  const isArgued = (mutant) => reasonOf(mutant) !== null
  const alive = described.filter(({ status }) => ALIVE.has(status))
  const names = [...new Set(described.map(({ file }) => file))].sort()
  return {
    files: names.map((file) => ({
      file,
      ...scoresOf(
        described.filter((mutant) => mutant.file === file),
        isArgued,
      ),
    })),
    total: scoresOf(described, isArgued),
    survivors: alive.map((mutant) => ({
      file: mutant.file,
      at: `${mutant.path}:${mutant.location.start.line}:${mutant.location.start.column}`,
      mutator: mutant.mutator,
      original: mutant.original,
      replacement: mutant.replacement,
      covered: mutant.status !== 'NoCoverage',
      why: reasonOf(mutant),
    })),
    // One that ran out of time may live on a quieter machine.
    stale: argued.filter(
      (one) => !described.some((mutant) => mutant.status !== 'Killed' && same(one, mutant)),
    ),
  }
}

function short(code) {
  const line = code.replaceAll(/\s+/g, ' ')
  return line.length > SHOWN_MAX_CHARS ? `${line.slice(0, SHOWN_MAX_CHARS)}…` : line
}

/** For a person; the result last. */
export function printed({ area, minutes, files, total, survivors, stale }, scoreMin) {
  const lines = survivors
    .toSorted((a, b) => Number(a.why !== null) - Number(b.why !== null))
    .map(({ at, mutator, original, replacement, covered, why }) => {
      const reason = why === null ? (covered ? '' : ' (no test runs it)') : `\n      ${why}`
      return `  ${at} ${mutator}: ${short(original)} → ${short(replacement) || 'nothing'}${reason}`
    })
  const row = ({ file = 'all', mutants, alive, argued, score, score_without_argued }) =>
    `${file.padEnd(22)}${[mutants, alive, argued].map((count) => String(count).padStart(9)).join('')}${score.toFixed(2).padStart(9)}${score_without_argued.toFixed(2).padStart(17)}\n`
  const table = [...files, total].map(row).join('')
  const old = stale.map(
    ({ file, original, replacement }) =>
      `  argued, but dead or gone: ${file}: ${short(original)} → ${short(replacement)}\n`,
  )
  return [
    ...(lines.length === 0 ? [] : ['Alive:\n', `${lines.join('\n')}\n`]),
    ...old,
    `${'file'.padEnd(22)}  mutants    alive   argued  score %  without argued\n`,
    table,
    `${total.score >= scoreMin && stale.length === 0 ? 'ok' : 'FAIL'}: ${area} ${total.score} % of ${total.mutants} mutants in ${minutes} minutes; at least ${scoreMin} is asked\n`,
  ].join('')
}
