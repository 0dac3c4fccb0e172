import { useEffect } from 'react'

const KEY = 'trustgw.shortcuts'

/** Single-key shortcuts can be switched off (WCAG 2.2, 2.1.4). None of them approves anything. */
export function shortcutsOn(): boolean {
  try {
    return localStorage.getItem(KEY) !== 'off'
  } catch {
    return true
  }
}

export function setShortcuts(on: boolean): void {
  try {
    if (on) localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, 'off')
  } catch {
    // Storage may be off; they then stay on.
  }
}

/** Calls the handler of a key pressed outside of fields and dialogs, without modifier or repeat. */
export function useShortcuts(handlers: Readonly<Record<string, () => void>>): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const modified = event.ctrlKey || event.metaKey || event.altKey || event.repeat
      if (modified || event.isComposing || isField(event.target) || !shortcutsOn()) return
      const handler = Object.hasOwn(handlers, event.key) ? handlers[event.key] : undefined
      if (handler === undefined) return
      event.preventDefault()
      handler()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [handlers])
}

function isField(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, textarea, select, dialog') !== null
}
