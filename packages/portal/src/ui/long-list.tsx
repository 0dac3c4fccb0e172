import {
  type ReactElement,
  type ReactNode,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from 'react'

/** Rows beyond the visible part that are there as well. */
const OVERSCAN = 8

interface Part {
  readonly from: number
  readonly to: number
}

interface View extends Part {
  readonly rowPx: number
  readonly isMeasured: boolean
}

/**
 * A list of which only what is in sight is in the document; the other rows are empty space before and
 * after. Each row says its place among all (`aria-posinset`, `aria-setsize`). Every row counts as high
 * as the first ones are on average; `rowPx` is the guess before they are there.
 */
export function LongList<T>(props: {
  readonly items: readonly T[]
  readonly idOf: (item: T) => string
  readonly row: (item: T) => ReactNode
  readonly rowPx: number
  readonly className?: string
  readonly rowClass?: string
}): ReactElement {
  const { items, idOf, row, className = '', rowClass = '' } = props
  const list = useRef<HTMLUListElement>(null)
  const { part, rowPx } = useVisiblePart(list, items.length, props.rowPx)
  return (
    <ul
      ref={list}
      className={className}
      style={{
        paddingTop: part.from * rowPx,
        paddingBottom: (items.length - part.to) * rowPx,
      }}
    >
      {items.slice(part.from, part.to).map((item, at) => (
        <li
          key={idOf(item)}
          aria-posinset={part.from + at + 1}
          aria-setsize={items.length}
          className={rowClass}
        >
          {row(item)}
        </li>
      ))}
    </ul>
  )
}

function useVisiblePart(
  list: RefObject<HTMLUListElement | null>,
  count: number,
  guessPx: number,
): { readonly part: Part; readonly rowPx: number } {
  const [view, setView] = useState<View>({
    from: 0,
    to: Math.min(count, 30),
    rowPx: guessPx,
    isMeasured: false,
  })
  const look = useRef(() => undefined)
  useLayoutEffect(() => {
    look.current = () => {
      const node = list.current
      if (node === null) return
      setView((known) => {
        const next = visiblePart(node, count, known)
        const same =
          next.from === known.from &&
          next.to === known.to &&
          next.rowPx === known.rowPx &&
          next.isMeasured === known.isMeasured
        return same ? known : next
      })
    }
    look.current()
  }, [list, count])
  useEffect(() => {
    const onScroll = (): void => look.current()
    // Scrolling does not bubble: the capture phase hears whichever box scrolls.
    document.addEventListener('scroll', onScroll, { capture: true, passive: true })
    const onResize = (): void => {
      setView((known) => ({ ...known, isMeasured: false }))
      look.current()
    }
    window.addEventListener('resize', onResize)
    return () => {
      document.removeEventListener('scroll', onScroll, { capture: true })
      window.removeEventListener('resize', onResize)
    }
  }, [])
  const to = Math.min(view.to, count)
  return { part: { from: Math.min(view.from, to), to }, rowPx: view.rowPx }
}

function visiblePart(node: HTMLElement, count: number, known: View): View {
  const { top } = node.getBoundingClientRect()
  const rowPx = known.isMeasured ? known.rowPx : (meanHeight(node) ?? known.rowPx)
  const inSight = Math.ceil(window.innerHeight / rowPx)
  // Rows may be lower than the mean: half as many again.
  const shown = Math.ceil(inSight * 1.5) + 2 * OVERSCAN
  const from = Math.max(0, Math.min(Math.floor(-top / rowPx) - OVERSCAN, count - shown))
  const isMeasured = known.isMeasured || node.childElementCount > 0
  return { rowPx, isMeasured, from, to: Math.min(count, from + shown) }
}

function meanHeight(node: HTMLElement): number | undefined {
  const first = node.firstElementChild?.getBoundingClientRect()
  const last = node.lastElementChild?.getBoundingClientRect()
  if (first === undefined || last === undefined || last.bottom <= first.top) return undefined
  return (last.bottom - first.top) / node.childElementCount
}
