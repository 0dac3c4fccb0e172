import { type ReactElement, useEffect } from 'react'
import { pendingRequests } from '../logic/feed.ts'
import { AccountPage } from '../pages/account.tsx'
import { ActivityPage } from '../pages/activity.tsx'
import { AgentsPage } from '../pages/agents.tsx'
import { ApprovalsPage } from '../pages/approvals.tsx'
import { DevicePage } from '../pages/device.tsx'
import { EmergencyPage } from '../pages/emergency.tsx'
import { EnrolPage } from '../pages/enrol.tsx'
import { InstallationPage } from '../pages/installation.tsx'
import { OutcomesPage } from '../pages/outcomes.tsx'
import { PeoplePage } from '../pages/people.tsx'
import { PersonPage } from '../pages/person.tsx'
import { SignInPage } from '../pages/sign-in.tsx'
import { ToolsPage } from '../pages/tools.tsx'
import type { Phase } from '../state/portal-state.ts'
import { Blank, Waiting } from '../ui/notice.tsx'
import { usePortalState } from './context.ts'
import { PolicyChunk } from './policy-chunk.tsx'
import { type Route, useRoute } from './router.ts'
import { Announcer, Shell } from './shell.tsx'

export function App(): ReactElement {
  const route = useRoute()
  const state = usePortalState()
  const pending = pendingRequests(state.feed).length
  useTitle(route, state.phase, pending)
  return (
    <>
      <Announcer />
      <Page route={route} />
    </>
  )
}

function Page({ route }: { readonly route: Route }): ReactElement {
  const { phase } = usePortalState()
  if (route.page === 'enrol') return <EnrolPage />
  if (phase === 'loading') return <Waiting text="Looking for your session…" page="Trust Gateway" />
  if (phase === 'signed_out') return <SignInPage />
  if (phase === 'unreachable') {
    return (
      <Blank title="The server does not answer" page="Trust Gateway">
        <p role="status">
          This page tries again every few seconds. If it stays like this, look at the terminal in
          which Trust Gateway runs.
        </p>
      </Blank>
    )
  }
  return (
    <Shell route={route}>
      <Inner route={route} />
    </Shell>
  )
}

function Inner({ route }: { readonly route: Route }): ReactElement {
  if (route.page === 'approvals') return <ApprovalsPage id={route.id} />
  if (route.page === 'person') return <PersonPage key={route.id} id={route.id} />
  return route.page === 'enrol' ? <EnrolPage /> : PAGES[route.page]
}

const PAGES: Readonly<
  Record<Exclude<Route['page'], 'approvals' | 'enrol' | 'person'>, ReactElement>
> = {
  activity: <ActivityPage />,
  outcomes: <OutcomesPage />,
  tools: <ToolsPage />,
  agents: <AgentsPage />,
  policy: <PolicyChunk />,
  emergency: <EmergencyPage />,
  people: <PeoplePage />,
  account: <AccountPage />,
  device: <DevicePage />,
  installation: <InstallationPage />,
  missing: (
    <Blank title="No such page" page="No such page">
      <p>
        <a className="link" href="/">
          Go to the approvals
        </a>
      </p>
    </Blank>
  ),
}

const TITLES: Readonly<Record<Route['page'], string>> = {
  approvals: 'Approvals',
  activity: 'Activity',
  outcomes: 'Ended unseen',
  tools: 'Tools',
  agents: 'Agents',
  policy: 'Policy',
  emergency: 'Emergency',
  people: 'People',
  person: 'Person',
  account: 'Your account',
  installation: 'Installation',
  enrol: 'Set up your passkeys',
  device: 'Sign in a terminal',
  missing: 'No such page',
}

function useTitle(route: Route, phase: Phase, pending: number): void {
  const out = phase === 'signed_out' && route.page !== 'enrol'
  const count = phase !== 'signed_in' || pending === 0 ? '' : `(${pending}) `
  const title = `${count}${out ? 'Sign in' : TITLES[route.page]} · Trust Gateway`
  useEffect(() => {
    document.title = title
  }, [title])
}
