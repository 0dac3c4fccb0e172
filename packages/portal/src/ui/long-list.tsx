import {
  Fragment,
  type ReactElement,
  type ReactNode,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useReducer,
  useRef,
  useState,
} from 'react'

/** Rows beyond the visible part that are there as well. */
const OVERSCAN = 8
/** Rows shown before anything was measured. */
const FIRST_COUNT = 30
/** What rounding makes of the height of an unchanged row. */
const SAME_PX = 0.5

interface Part {
  readonly from: number
  readonly to: number
}

/**
 * A list of which only what is in sight is in the document, and beside it the row with the focus and
 * that of `keep`, each with its neighbours, so that the keyboard loses nothing; other rows are empty
 * space. Each row says its place among all (`aria-posinset`, `aria-setsize`). A row seen once counts as
 * high as it was, another one as high as the first ones were on average; `rowPx` is the guess before.
 */
export function LongList<T>(props: {
  readonly items: readonly T[]
  readonly idOf: (item: T) => string
  readonly row: (item: T) => ReactNode
  readonly rowPx: number
  readonly keep?: string | undefined
  readonly rowClass?: string
}): ReactElement {
  const { items, idOf, row, keep, rowClass = '' } = props
  const list = useRef<HTMLUListElement>(null)
  const [focused, setFocused] = useState<string>()
  const ids = items.map(idOf)
  const tops = useTops(list, ids, props.rowPx)
  const part = useVisiblePart(list, tops)
  const topOf = (at: number): number => tops[at] ?? 0
  let end = 0
  return (
    <ul
      ref={list}
      onFocus={({ target }) => setFocused(target.closest('li')?.dataset['row'])}
      onBlur={({ currentTarget, relatedTarget }) => {
        // While the window has lost the focus, the row still has it.
        const next = relatedTarget ?? document.activeElement
        if (!currentTarget.contains(next)) setFocused(undefined)
      }}
    >
      {shownRows(part, ids, [focused, keep]).map((at) => {
        const gapPx = topOf(at) - topOf(end)
        end = at + 1
        const item = items[at]
        return item === undefined ? null : (
          <Fragment key={ids[at]}>
            <Gap px={gapPx} />
            <li
              data-row={ids[at]}
              aria-posinset={at + 1}
              aria-setsize={items.length}
              className={rowClass}
            >
              {row(item)}
            </li>
          </Fragment>
        )
      })}
      <Gap px={topOf(items.length) - topOf(end)} />
    </ul>
  )
}

/** Space of its own, not padding: with that browsers do not hold what is in sight in its place. */
function Gap({ px }: { readonly px: number }): ReactElement | null {
  return px <= 0 ? null : <li aria-hidden="true" style={{ height: px }} />
}

function shownRows(
  { from, to }: Part,
  ids: readonly string[],
  kept: readonly (string | undefined)[],
): readonly number[] {
  const shown = new Set<number>()
  for (let at = from; at < Math.min(to, ids.length); at += 1) shown.add(at)
  for (const id of kept) {
    const place = id === undefined ? -1 : ids.indexOf(id)
    if (place < 0) continue
    for (const at of [place - 1, place, place + 1]) if (ids[at] !== undefined) shown.add(at)
  }
  return [...shown].sort((a, b) => a - b)
}

/** Where each row begins, in pixels from the first one's beginning, and where the last one ends. */
function useTops(
  list: RefObject<HTMLUListElement | null>,
  ids: readonly string[],
  guessPx: number,
): readonly number[] {
  const known = useRef({ heights: new Map<string, number>(), widthPx: 0, meanPx: guessPx })
  const [, redraw] = useReducer((count: number) => count + 1, 0)
  const measure = (): void => {
    if (list.current !== null && measured(list.current, known.current, ids.length)) redraw()
  }
  useLayoutEffect(measure)
  useEffect(() => {
    // Also when the width changes, or a row grows by itself.
    const observer = new ResizeObserver(() => redraw())
    if (list.current !== null) observer.observe(list.current)
    return () => observer.disconnect()
  }, [list])
  const tops = [0]
  let top = 0
  for (const id of ids) {
    top += known.current.heights.get(id) ?? known.current.meanPx
    tops.push(top)
  }
  return tops
}

/** Whether a row in the document is not as high as it was known to be, which is known then. */
function measured(
  list: HTMLElement,
  known: { readonly heights: Map<string, number>; widthPx: number; meanPx: number },
  count: number,
): boolean {
  const { heights } = known
  const isOther = list.clientWidth !== known.widthPx
  // Rows wrap anew; and rows that left the list are not remembered forever.
  if (isOther || heights.size > 2 * count + 100) heights.clear()
  known.widthPx = list.clientWidth
  let changed = false
  for (const row of list.querySelectorAll<HTMLElement>(':scope > li[data-row]')) {
    const id = row.dataset['row'] ?? ''
    const { height } = row.getBoundingClientRect()
    if (height === 0 || Math.abs((heights.get(id) ?? 0) - height) < SAME_PX) continue
    heights.set(id, height)
    changed = true
  }
  if (isOther && heights.size > 0) {
    known.meanPx = [...heights.values()].reduce((sum, height) => sum + height, 0) / heights.size
  }
  return changed
}

function useVisiblePart(list: RefObject<HTMLUListElement | null>, tops: readonly number[]): Part {
  const [part, setPart] = useState<Part>({ from: 0, to: FIRST_COUNT })
  const look = useRef(() => undefined)
  useLayoutEffect(() => {
    look.current = () => {
      if (list.current === null) return
      const { top } = list.current.getBoundingClientRect()
      const next = {
        from: Math.max(0, rowAt(tops, -top) - OVERSCAN),
        to: rowAt(tops, window.innerHeight - top) + 1 + OVERSCAN,
      }
      setPart((known) => (known.from === next.from && known.to === next.to ? known : next))
    }
    look.current()
  })
  useEffect(() => {
    const onMove = (): void => look.current()
    // Scrolling does not bubble: the capture phase hears whichever box scrolls.
    document.addEventListener('scroll', onMove, { capture: true, passive: true })
    window.addEventListener('resize', onMove)
    return () => {
      document.removeEventListener('scroll', onMove, { capture: true })
      window.removeEventListener('resize', onMove)
    }
  }, [])
  return part
}

/** The row at a height, or the nearest. */
function rowAt(tops: readonly number[], px: number): number {
  let low = 0
  let high = Math.max(0, tops.length - 2)
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((tops[middle] ?? 0) <= px) low = middle
    else high = middle - 1
  }
  return low
}
