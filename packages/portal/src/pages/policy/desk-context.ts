import { type Context, createContext, useContext, useSyncExternalStore } from 'react'
import type { PolicyDesk } from '../../state/policy-desk.ts'
import type { PolicyDeskState } from '../../state/policy-desk-state.ts'

export const DeskContext: Context<PolicyDesk | undefined> = createContext<PolicyDesk | undefined>(
  undefined,
)

export function useDesk(): PolicyDesk {
  const desk = useContext(DeskContext)
  if (desk === undefined) throw new TypeError('used outside of the policy page')
  return desk
}

export function useDeskState(): PolicyDeskState {
  const desk = useDesk()
  return useSyncExternalStore(desk.subscribe, desk.get)
}
