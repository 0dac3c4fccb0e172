/** The value below which the share `q` (0 to 1) of the sorted values lies; nearest rank. */
export function percentile(sorted: readonly number[], q: number): number {
  const at = Math.min(Math.max(Math.ceil(q * sorted.length), 1), sorted.length) - 1
  return sorted[at] ?? Number.NaN
}

/** The middle value, or the mean of the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  const upper = sorted[half] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2
}

/** The list begun `by` places later, so that over the rounds no arm always follows the same one. */
export function rotated<T>(list: readonly T[], by: number): readonly T[] {
  if (list.length === 0) return []
  const start = by % list.length
  return [...list.slice(start), ...list.slice(0, start)]
}

/** Ratio of two measures round by round, then the median: rounds share what else the machine did. */
export function medianRatio(over: readonly number[], under: readonly number[]): number {
  const pairs = Math.min(over.length, under.length)
  const ratios = Array.from(
    { length: pairs },
    (_, round) => (over[round] ?? Number.NaN) / (under[round] ?? Number.NaN),
  )
  return median(ratios)
}
