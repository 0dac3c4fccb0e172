import type { ReactElement } from 'react'
import { policyAlarm } from '../logic/policy-status.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Icon } from '../ui/icons.tsx'
import { usePortalState } from './context.ts'
import { NavLink } from './nav-link.tsx'

/** On every page while not everybody decides by the newest policy, or one was refused. */
export function PolicyBanner(props: { readonly onPolicyPage: boolean }): ReactElement | null {
  const { policyStatus } = usePortalState()
  const alarm = policyStatus === undefined ? undefined : policyAlarm(policyStatus)
  if (alarm === undefined) return null
  const look = alarm.tone === 'bad' ? 'border-red bg-red-wash' : 'border-amber bg-amber-wash'
  return (
    <div
      role="status"
      className={`flex flex-wrap items-center gap-x-4 gap-y-1 border-b px-4 py-2.5 lg:px-8 ${look}`}
    >
      <Icon name="warning" className={alarm.tone === 'bad' ? 'text-red' : 'text-amber'} />
      <p className="min-w-0 flex-1 basis-56 [overflow-wrap:anywhere]">
        <strong>{alarm.title}</strong>
        {alarm.detail === '' ? null : (
          <>
            {' '}
            <span className="data">
              <Hardened text={alarm.detail} />
            </span>
          </>
        )}
      </p>
      {props.onPolicyPage ? null : (
        <NavLink to="/policy" className="link">
          Look at the policy
        </NavLink>
      )}
    </div>
  )
}
