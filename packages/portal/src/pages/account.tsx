import { type ReactElement, useEffect } from 'react'
import { usePortal, usePortalState } from '../app/context.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Notice, Waiting } from '../ui/notice.tsx'
import { OwnChannels } from './account-channels.tsx'
import { OwnNotices } from './account-notices.tsx'
import { OwnPasskeys } from './account-passkeys.tsx'
import { OwnSessions } from './account-sessions.tsx'

/** What belongs to the person who is signed in: how to get in, and where that was done. */
export function AccountPage(): ReactElement {
  const portal = usePortal()
  const { account, accountProblem, session } = usePortalState()
  const roles = session?.person.roles ?? []
  useEffect(() => void portal.account.load(), [portal])
  if (account === undefined && accountProblem === undefined) {
    return <Waiting text="Fetching your passkeys…" page="Your account" />
  }
  return (
    <div className="mx-auto max-w-3xl px-3 py-6 lg:px-8 lg:py-8">
      <h1 className="px-2 text-2xl font-semibold tracking-tight">Your account</h1>
      <p className="mt-1 px-2 text-soft">
        <Hardened text={session?.person.name ?? ''} />,{' '}
        <span className="data">{session?.person.id}</span>. Your roles:{' '}
        {roles.length === 0 ? 'none' : roles.join(', ')}.
      </p>
      {accountProblem === undefined ? null : (
        <div className="mt-4">
          <Notice tone="bad" title={accountProblem} alert />
        </div>
      )}
      {account === undefined ? null : (
        <div className="mt-5 flex flex-col gap-5">
          <OwnPasskeys
            purpose="login"
            passkeys={account.passkeys.filter(({ purpose }) => purpose === 'login')}
          />
          <OwnPasskeys
            purpose="approval"
            passkeys={account.passkeys.filter(({ purpose }) => purpose === 'approval')}
          />
          <OwnNotices />
          <OwnChannels channels={account.channels} />
          <OwnSessions sessions={account.sessions} />
        </div>
      )}
    </div>
  )
}
