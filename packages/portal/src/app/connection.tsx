import type { ReactElement } from 'react'
import type { Link } from '../state/portal-state.ts'
import { Icon } from '../ui/icons.tsx'
import { useNow, usePortal, usePortalState } from './context.ts'

const WORDS: Readonly<Record<Link['kind'], string>> = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  offline: 'Offline',
  signed_out: 'Signed out',
}

const DOTS: Readonly<Record<Link['kind'], string>> = {
  connecting: 'bg-edge pulse',
  live: 'bg-green',
  reconnecting: 'bg-amber pulse',
  offline: 'border-2 border-red',
  signed_out: 'border-2 border-edge',
}

/** Whether what is on screen is live. Says each change once. */
export function LinkIndicator({ compact = false }: { readonly compact?: boolean }): ReactElement {
  const { link } = usePortalState()
  return (
    <p role="status" className="flex items-center gap-2 text-sm font-semibold whitespace-nowrap">
      <span className={`size-2.5 rounded-full ${DOTS[link.kind]}`} aria-hidden="true" />
      <span className="sr-only">Connection: </span>
      {WORDS[link.kind]}
      {link.kind === 'reconnecting' && !compact ? <Seconds atMs={link.atMs} /> : null}
    </p>
  )
}

function Seconds({ atMs }: { readonly atMs: number }): ReactElement {
  const portal = usePortal()
  const seconds = Math.max(0, Math.ceil((atMs - useNow(portal.deviceNow, 250)) / 1000))
  return <span aria-hidden="true">in {seconds} s</span>
}

/** Says plainly that the page may be old, where the eye is. */
export function LinkBanner(): ReactElement | null {
  const { link, loaded, snapshotProblem } = usePortalState()
  const portal = usePortal()
  const isShown = loaded !== 'no'
  const broken = link.kind === 'reconnecting' || link.kind === 'offline'
  if (!broken && snapshotProblem === undefined) return null
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 border-b border-amber bg-amber-wash px-4 py-2.5 lg:px-8">
      <Icon name="warning" className="text-amber" />
      <p className="min-w-0 flex-1">
        <strong>{titleOf(link, snapshotProblem)}</strong>{' '}
        {link.kind === 'reconnecting' ? <Seconds atMs={link.atMs} /> : null}{' '}
        <span className="text-soft">
          {isShown ? 'What you see may be out of date.' : 'Nothing could be fetched yet.'}
          {isShown ? (
            <span className="max-sm:hidden"> Nothing is lost: it is fetched on return.</span>
          ) : null}
        </span>
      </p>
      <button type="button" className="button" onClick={portal.retryNow}>
        Try now
      </button>
    </div>
  )
}

function titleOf(link: Link, problem: string | undefined): string {
  if (link.kind === 'offline') return 'This device is offline.'
  if (link.kind === 'reconnecting') return 'Connection lost. Reconnecting'
  return problem ?? ''
}
