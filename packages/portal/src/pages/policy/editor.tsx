import {
  type KeyboardEvent,
  type ReactElement,
  type RefObject,
  useCallback,
  useMemo,
  useRef,
} from 'react'
import { lineSpan } from '../../logic/policy-draft.ts'

/** Pixels of one line; gutter and text must agree. */
const LINE_PX = 21
const PADDING_PX = 10
const INDENT = '  '

export interface LineMark {
  readonly line: number
  readonly tone: 'bad' | 'warn'
}

/** Puts the cursor on a line of the editor and brings it into sight. */
export function goToLine(area: HTMLTextAreaElement | null, line: number): void {
  if (area === null) return
  const { start, end } = lineSpan(area.value, line)
  area.focus({ preventScroll: true })
  area.setSelectionRange(start, end)
  area.scrollTop = Math.max(0, (line - 1) * LINE_PX - area.clientHeight / 3)
  area.scrollIntoView({ block: 'nearest' })
}

/** A plain text field with line numbers: what a screen reader and an input method already know. */
export function Editor(props: {
  readonly area: RefObject<HTMLTextAreaElement | null>
  readonly label: string
  readonly text: string
  readonly marks: readonly LineMark[]
  readonly readOnly: boolean
  readonly onText: (text: string) => void
}): ReactElement {
  const { area, label, text, marks, readOnly, onText } = props
  const gutter = useRef<HTMLDivElement>(null)
  const lines = useMemo(() => text.split('\n').length, [text])
  const numbers = useMemo(
    () => Array.from({ length: lines }, (_, index) => String(index + 1)).join('\n'),
    [lines],
  )
  const follow = useCallback(() => {
    const top = area.current?.scrollTop ?? 0
    if (gutter.current !== null) gutter.current.style.transform = `translateY(${-top}px)`
  }, [area])
  const onKey = useTabKey(readOnly)
  const hasErrors = marks.some(({ tone }) => tone === 'bad')
  return (
    <div
      className={`flex min-h-0 flex-1 overflow-hidden border-y max-lg:h-[55dvh] max-lg:flex-none bg-raised sm:rounded-b-xl sm:border-x ${hasErrors ? 'border-red' : 'border-edge'}`}
    >
      <div aria-hidden="true" className="shrink-0 overflow-hidden border-r border-line bg-sunken">
        <div ref={gutter} className="relative will-change-transform">
          <pre className="data py-[10px] pr-2.5 pl-5 text-right leading-[21px] text-soft select-none">
            {numbers}
          </pre>
          {marks.map(({ line, tone }) => (
            <span
              key={`${tone} ${line}`}
              className={`absolute left-1.5 size-2 rounded-full ${tone === 'bad' ? 'bg-red' : 'bg-amber'}`}
              style={{ top: `${PADDING_PX + (line - 1) * LINE_PX + 7}px` }}
            />
          ))}
        </div>
      </div>
      <textarea
        ref={area}
        aria-label={label}
        aria-describedby="editor-hint"
        aria-invalid={hasErrors}
        className="data min-h-72 min-w-0 flex-1 resize-none bg-transparent px-3 py-[10px] leading-[21px] whitespace-pre outline-offset-[-3px] [tab-size:2]"
        wrap="off"
        spellCheck={false}
        autoCapitalize="off"
        autoCorrect="off"
        autoComplete="off"
        readOnly={readOnly}
        value={text}
        onChange={(event) => onText(event.target.value)}
        onKeyDown={onKey}
        onScroll={follow}
      />
    </div>
  )
}

/** Tab indents; after Escape, and with Shift, it moves on, so that a keyboard is never trapped. */
function useTabKey(readOnly: boolean): (event: KeyboardEvent<HTMLTextAreaElement>) => void {
  const leaving = useRef(false)
  return useCallback(
    (event) => {
      const isTab = event.key === 'Tab'
      const plain = !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey
      if (isTab && plain && !readOnly && !leaving.current) {
        event.preventDefault()
        // The one way to insert that the browser's own undo knows.
        document.execCommand('insertText', false, INDENT)
      }
      leaving.current = event.key === 'Escape'
    },
    [readOnly],
  )
}
