/** A piece of a text that is in both, only in the old one, or only in the new one. */
export interface DiffPiece {
  readonly kind: 'same' | 'gone' | 'new'
  readonly text: string
}

/** Words of one text that are compared; a longer one counts as changed whole. */
export const DIFF_WORDS_MAX = 1_500

/** What changed between two texts, word by word: the longest common run of words stays. */
export function wordDiff(before: string, after: string): readonly DiffPiece[] {
  const old = wordsOf(before)
  const fresh = wordsOf(after)
  if (old.length > DIFF_WORDS_MAX || fresh.length > DIFF_WORDS_MAX) {
    return joined([
      { kind: 'gone', text: before },
      { kind: 'new', text: after },
    ])
  }
  const common = commonLengths(old, fresh)
  const pieces: DiffPiece[] = []
  let at = 0
  let to = 0
  while (at < old.length || to < fresh.length) {
    const [gone, came] = [old[at], fresh[to]]
    if (gone !== undefined && gone === came) {
      pieces.push({ kind: 'same', text: gone })
      at += 1
      to += 1
    } else if (
      came === undefined ||
      (gone !== undefined && more(common, at + 1, to) >= more(common, at, to + 1))
    ) {
      pieces.push({ kind: 'gone', text: gone ?? '' })
      at += 1
    } else {
      pieces.push({ kind: 'new', text: came })
      to += 1
    }
  }
  return joined(pieces)
}

/** Words and the spaces between them: nothing of the text is lost. */
function wordsOf(text: string): readonly string[] {
  return text.match(/\S+|\s+/g) ?? []
}

function commonLengths(old: readonly string[], fresh: readonly string[]): readonly Uint16Array[] {
  const rows = Array.from({ length: old.length + 1 }, () => new Uint16Array(fresh.length + 1))
  for (let at = old.length - 1; at >= 0; at -= 1) {
    for (let to = fresh.length - 1; to >= 0; to -= 1) {
      const longer = Math.max(more(rows, at + 1, to), more(rows, at, to + 1))
      const row = rows[at]
      if (row !== undefined)
        row[to] = old[at] === fresh[to] ? more(rows, at + 1, to + 1) + 1 : longer
    }
  }
  return rows
}

function more(rows: readonly Uint16Array[], at: number, to: number): number {
  return rows[at]?.[to] ?? 0
}

function joined(pieces: readonly DiffPiece[]): readonly DiffPiece[] {
  const out: DiffPiece[] = []
  for (const piece of pieces) {
    const last = out.at(-1)
    if (last?.kind === piece.kind) out[out.length - 1] = { ...last, text: last.text + piece.text }
    else if (piece.text !== '') out.push(piece)
  }
  return out
}
