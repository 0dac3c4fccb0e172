import type { ReactElement } from 'react'
import { Icon } from '../ui/icons.tsx'
import { usePortalState } from './context.ts'
import { NavLink } from './nav-link.tsx'

/** On every page while calls wait for somebody to find out how they ended. */
export function OutcomeBanner(props: { readonly onOutcomesPage: boolean }): ReactElement | null {
  const count = usePortalState().unsettled?.length ?? 0
  if (count === 0 || props.onOutcomesPage) return null
  return (
    <div
      role="status"
      className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-amber bg-amber-wash px-4 py-2.5 lg:px-8"
    >
      <Icon name="warning" className="text-amber" />
      <p className="min-w-0 flex-1 basis-56">
        <strong>{count === 1 ? '1 call ended unseen' : `${count} calls ended unseen`}</strong>{' '}
        Somebody has to find out whether it was done.
      </p>
      <NavLink to="/outcomes" className="link">
        Look at the evidence
      </NavLink>
    </div>
  )
}
