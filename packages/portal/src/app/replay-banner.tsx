import type { ReactElement } from 'react'
import { Notice } from '../ui/notice.tsx'
import { usePortalState } from './context.ts'
import { NavLink } from './nav-link.tsx'

/** A copied session cookie was used since the last sign-in; the person is told on every page. */
export function ReplayBanner(): ReactElement | null {
  const { replayed } = usePortalState()
  if (replayed === 0) return null
  return (
    <div className="mx-auto max-w-3xl px-3 pt-4 lg:px-8">
      <Notice
        tone="bad"
        title={
          replayed === 1
            ? 'An earlier session of yours was copied'
            : `${replayed} earlier sessions of yours were copied`
        }
        alert
      >
        Its cookie came back after it had been replaced, so it was ended for everybody who held it.
        If you do not know why, look at{' '}
        <NavLink to="/account" className="link">
          your passkeys and sessions
        </NavLink>{' '}
        and tell an admin.
      </Notice>
    </div>
  )
}
