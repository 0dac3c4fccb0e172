import { useSyncExternalStore } from 'react'

/** Pages whose path is their name. */
const PLAIN = [
  'activity',
  'outcomes',
  'tools',
  'agents',
  'policy',
  'emergency',
  'people',
  'account',
  'installation',
  'enrol',
  'device',
] as const

export type Route =
  | { readonly page: 'approvals'; readonly id: string | undefined }
  | { readonly page: 'person'; readonly id: string }
  | { readonly page: (typeof PLAIN)[number] | 'missing' }

/** Pages by path; the host answers each of them with the same document. */
export function routeOf(path: string): Route {
  if (path === '/' || path === '/approvals') return { page: 'approvals', id: undefined }
  const id = /^\/approvals\/([a-z0-9_]{1,64})$/.exec(path)?.[1]
  if (id !== undefined) return { page: 'approvals', id }
  const person = /^\/people\/([a-z0-9-]{1,31})$/.exec(path)?.[1]
  if (person !== undefined) return { page: 'person', id: person }
  return { page: PLAIN.find((page) => path === `/${page}`) ?? 'missing' }
}

const CHANGED = 'trustgw:navigated'

function subscribe(listener: () => void): () => void {
  window.addEventListener('popstate', listener)
  window.addEventListener(CHANGED, listener)
  return () => {
    window.removeEventListener('popstate', listener)
    window.removeEventListener(CHANGED, listener)
  }
}

export function useRoute(): Route {
  return routeOf(useSyncExternalStore(subscribe, () => location.pathname))
}

/** `replace` for a change of selection, which Back should not retrace step by step. */
export function navigate(path: string, mode: 'push' | 'replace' = 'push'): void {
  if (path === location.pathname) return
  if (mode === 'push') history.pushState(null, '', path)
  else history.replaceState(null, '', path)
  window.dispatchEvent(new Event(CHANGED))
}
