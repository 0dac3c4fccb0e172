import { ago } from '@trustgw/card'
import type { ReactElement } from 'react'
import { type FreezeView, scopeWords } from '../logic/freezes.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Icon } from '../ui/icons.tsx'
import { useNow, usePortal, usePortalState } from './context.ts'
import { NavLink } from './nav-link.tsx'

const SHOWN_MAX = 2

/** On every page while something stands still that may go on again: what, who, since when and why; a phone shows the newest. */
export function FreezeBanner(props: { readonly onEmergencyPage: boolean }): ReactElement | null {
  const freezes = (usePortalState().freezes ?? []).filter(({ isFinal }) => !isFinal)
  const now = useNow(usePortal().serverNow, 15_000)
  if (freezes.length === 0 || props.onEmergencyPage) return null
  const newest = freezes.toReversed()
  return (
    <section
      aria-label="What is frozen"
      className="flex items-start gap-x-3 border-b border-red bg-red-wash px-4 py-2.5 lg:px-8"
    >
      <Icon name="freeze" className="mt-0.5 text-red" />
      <div className="flex min-w-0 flex-1 flex-wrap gap-x-4 gap-y-1 [overflow-wrap:anywhere]">
        <ul className="min-w-0 flex-1 basis-56">
          {newest.slice(0, SHOWN_MAX).map((freeze, index) => (
            <li key={freeze.hash} className={index === 0 ? '' : 'max-sm:hidden'}>
              <Line freeze={freeze} now={now} />
            </li>
          ))}
        </ul>
        <NavLink to="/emergency" className="link whitespace-nowrap">
          Look at {newest.length === 1 ? 'it' : `all ${newest.length}`}
        </NavLink>
      </div>
    </section>
  )
}

function Line({
  freeze,
  now,
}: {
  readonly freeze: FreezeView
  readonly now: number
}): ReactElement {
  const { statement, reason, who } = freeze
  return (
    <>
      <strong>
        Frozen: <Hardened text={scopeWords(statement.scope)} />.
      </strong>{' '}
      <Hardened text={who} />, {ago(statement.at, now)}
      {reason === null ? null : (
        <>
          : “<Hardened text={reason} />”
        </>
      )}
    </>
  )
}
