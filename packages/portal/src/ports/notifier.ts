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
  /** Shows it while this page is not in sight. */
  readonly show: (note: Note) => void
  readonly close: (tag: string) => void
}

const KEY = 'trustgw.notify'

/** The browser's own, where it has them; `open` leads to a page. The choice is kept on this device. */
export function browserNotifier(open: (path: string) => void): Notifier {
  const shown = new Map<string, Notification>()
  const isSupported = 'Notification' in globalThis
  const state = (): NotifierState => {
    if (!isSupported) return 'unsupported'
    if (Notification.permission === 'denied') return 'blocked'
    return Notification.permission === 'granted' && isWanted() ? 'on' : 'off'
  }
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
    show: ({ tag, title, body, path }) => {
      if (state() !== 'on' || document.visibilityState === 'visible') return
      const notification = new Notification(title, { tag, body, icon: '/icon-192.png' })
      shown.set(tag, notification)
      notification.addEventListener('close', () => shown.delete(tag))
      notification.addEventListener('click', () => {
        window.focus()
        open(path)
        notification.close()
      })
    },
    close: (tag) => shown.get(tag)?.close(),
  }
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
