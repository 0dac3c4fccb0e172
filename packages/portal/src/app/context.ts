import {
  type Context,
  createContext,
  useContext,
  useEffect,
  useState,
  useSyncExternalStore,
} from 'react'
import type { Portal } from '../state/portal.ts'
import type { PortalState } from '../state/portal-state.ts'

export const PortalContext: Context<Portal | undefined> = createContext<Portal | undefined>(
  undefined,
)

export function usePortal(): Portal {
  const portal = useContext(PortalContext)
  if (portal === undefined) throw new TypeError('used outside of the portal')
  return portal
}

export function usePortalState(): PortalState {
  const { store } = usePortal()
  return useSyncExternalStore(store.subscribe, store.get)
}

/** A clock that re-renders its reader every `everyMs`. */
export function useNow(read: () => number, everyMs: number): number {
  const [now, setNow] = useState(read)
  useEffect(() => {
    setNow(read())
    const timer = setInterval(() => setNow(read()), everyMs)
    return () => clearInterval(timer)
  }, [read, everyMs])
  return now
}
