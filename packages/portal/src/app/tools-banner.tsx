import type { ReactElement } from 'react'
import { Icon } from '../ui/icons.tsx'
import { usePortalState } from './context.ts'
import { NavLink } from './nav-link.tsx'

/** On every page while a tool is in quarantine. */
export function ToolsBanner(props: { readonly onToolsPage: boolean }): ReactElement | null {
  const count = usePortalState().tools?.filter(({ quarantine }) => quarantine !== null).length ?? 0
  if (count === 0 || props.onToolsPage) return null
  return (
    <div
      role="status"
      className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-amber bg-amber-wash px-4 py-2.5 lg:px-8"
    >
      <Icon name="warning" className="text-amber" />
      <p className="min-w-0 flex-1 basis-56">
        <strong>
          {count === 1 ? '1 tool is in quarantine' : `${count} tools are in quarantine`}
        </strong>{' '}
        Nobody can call it until an admin has looked.
      </p>
      <NavLink to="/tools" className="link">
        Look at what changed
      </NavLink>
    </div>
  )
}
