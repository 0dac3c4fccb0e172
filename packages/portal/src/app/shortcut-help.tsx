import { type ReactElement, useCallback, useMemo, useRef, useState } from 'react'
import { setShortcuts, shortcutsOn, useShortcuts } from './shortcuts.ts'

const KEYS = [
  ['j', 'Next approval'],
  ['k', 'Previous approval'],
  ['Enter', 'Read the chosen approval'],
  ['d', 'Deny, with a reason'],
  ['f', 'Freeze: stop new calls'],
  ['e', 'Edit the policy'],
  ['r', 'Add a rule to the policy'],
  ['Esc', 'Close, or back to the list'],
  ['?', 'This list'],
] as const

/** Opened with `?`; there is deliberately no key that approves. */
export function ShortcutHelp(): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null)
  const [on, setOn] = useState(shortcutsOn)
  const open = useCallback(() => dialog.current?.showModal(), [])
  useShortcuts(useMemo(() => ({ '?': open }), [open]))
  return (
    <dialog
      ref={dialog}
      aria-labelledby="shortcuts-title"
      className="sheet m-auto w-full max-w-sm p-6 text-ink backdrop:bg-black/50"
    >
      <h2 id="shortcuts-title" className="text-lg font-semibold">
        Keys
      </h2>
      <dl className="mt-4 grid grid-cols-[auto_1fr] items-center gap-x-5 gap-y-2">
        {KEYS.map(([key, meaning]) => (
          <div key={key} className="contents">
            <dt>
              <kbd className="data rounded border border-edge px-2 py-0.5">{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <p className="mt-4 text-soft">No key approves. Approving always takes its button.</p>
      <label className="mt-4 flex items-center gap-3">
        <input
          type="checkbox"
          className="size-5 accent-brand"
          checked={on}
          onChange={(event) => {
            setShortcuts(event.target.checked)
            setOn(event.target.checked)
          }}
        />
        Single-key shortcuts
      </label>
      <button type="button" className="button mt-6 w-full" onClick={() => dialog.current?.close()}>
        Close
      </button>
    </dialog>
  )
}
