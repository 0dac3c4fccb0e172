const DEFAULT_PAGE_ITEMS = 100
const MAX_PAGE_ITEMS = 1_000
const COUNT = /^(?:0|[1-9]\d{0,8})$/

export type Page = {
  readonly offset: number
  readonly limit: number
  readonly filter: string | undefined
}

/**
 * Reads `limit`, `offset` and the one filter that the resource takes, each at most once;
 * undefined for anything else in the query.
 */
export function readPage(query: URLSearchParams, filterName: string): Page | undefined {
  const names = [...query.keys()]
  const known = ['limit', 'offset', filterName]
  if (names.some((name) => !known.includes(name)) || new Set(names).size !== names.length) {
    return undefined
  }
  const limit = query.get('limit') ?? String(DEFAULT_PAGE_ITEMS)
  const offset = query.get('offset') ?? '0'
  if (!COUNT.test(limit) || !COUNT.test(offset)) return undefined
  if (Number(limit) < 1 || Number(limit) > MAX_PAGE_ITEMS) return undefined
  return {
    limit: Number(limit),
    offset: Number(offset),
    filter: query.get(filterName) ?? undefined,
  }
}
