/** What a notification says: nothing that must not stand on a locked screen. */
export interface Note {
  /** One for each tag, in however many tabs. */
  readonly tag: string
  readonly title: string
  readonly body: string
  /** The page that it leads to. */
  readonly path: string
}

export type NotifierState = 'off' | 'on' | 'blocked' | 'unsupported'

/** Notifications of the browser, on this device. */
export interface Notifier {
  readonly state: () => NotifierState
  /** Asks the person where they were not asked yet; only ever after a click. */
  readonly turnOn: () => Promise<NotifierState>
  readonly turnOff: () => void
  /** Shows it while no page of the portal is in sight, once among all tabs of this browser. */
  readonly show: (note: Note) => void
  readonly close: (tag: string) => void
}

const KEY = 'trustgw.notify'
/** Locks that the tabs of one browser share: a page is in sight; a notification is shown. */
const IN_SIGHT = 'trustgw.in-sight'
const NOTE = 'trustgw.note.'

/** The browser's own, where it has them; `open` leads to a page. The choice is kept on this device. */
export function browserNotifier(open: (path: string) => void): Notifier {
  const shown = new Map<string, Notification>()
  const done = new Map<string, () => void>()
  // Both, or neither: a page without a secure context has no locks. On Android there is the name alone:
  // a page there may not make one (developer.mozilla.org, Notification: constructor).
  const isSupported =
    'Notification' in globalThis && 'locks' in navigator && !/Android/.test(navigator.userAgent)
  const state = (): NotifierState => {
    if (!isSupported) return 'unsupported'
    if (Notification.permission === 'denied') return 'blocked'
    return Notification.permission === 'granted' && isWanted() ? 'on' : 'off'
  }
  if (isSupported) tellInSight()
  return {
    state,
    turnOn: async () => {
      if (isSupported && Notification.permission === 'default') {
        await Notification.requestPermission()
      }
      want(true)
      return state()
    },
    turnOff: () => want(false),
    show: (note) => {
      if (state() !== 'on' || isInSight() || done.has(note.tag)) return
      const ended = new Promise<void>((resolve) => done.set(note.tag, resolve))
      void navigator.locks.request(`${NOTE}${note.tag}`, { ifAvailable: true }, async (lock) => {
        if (lock === null || (await isAnyInSight()) || !done.has(note.tag)) return
        shown.set(note.tag, noteOf(note, open))
        // Held while it stands for something, so that a slower tab does not show it again.
        await ended
      })
    },
    close: (tag) => {
      shown.get(tag)?.close()
      shown.delete(tag)
      done.get(tag)?.()
      done.delete(tag)
    },
  }
}

function noteOf({ tag, title, body, path }: Note, open: (path: string) => void): Notification {
  const notification = new Notification(title, { tag, body, icon: '/icon-192.png' })
  notification.addEventListener('click', () => {
    window.focus()
    open(path)
    notification.close()
  })
  return notification
}

function isInSight(): boolean {
  return document.visibilityState === 'visible'
}

async function isAnyInSight(): Promise<boolean> {
  const { held } = await navigator.locks.query()
  return held?.some(({ name }) => name === IN_SIGHT) ?? false
}

/** Tells the other tabs while this page is in sight. */
function tellInSight(): void {
  let leave: (() => void) | undefined
  const look = (): void => {
    leave?.()
    leave = undefined
    if (!isInSight()) return
    const left = new Promise<void>((resolve) => {
      leave = resolve
    })
    void navigator.locks.request(IN_SIGHT, { mode: 'shared' }, () => left)
  }
  document.addEventListener('visibilitychange', look)
  look()
}

function isWanted(): boolean {
  try {
    return localStorage.getItem(KEY) === 'on'
  } catch {
    return false
  }
}

function want(isOn: boolean): void {
  try {
    if (isOn) localStorage.setItem(KEY, 'on')
    else localStorage.removeItem(KEY)
  } catch {
    // Storage may be off; then there are no notifications.
  }
}
