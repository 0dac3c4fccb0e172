import { type ReactElement, type ReactNode, useState } from 'react'
import { pendingRequests } from '../logic/feed.ts'
import { mayRead } from '../logic/roles.ts'
import { Icon, type IconName, Mark } from '../ui/icons.tsx'
import { LinkBanner, LinkIndicator } from './connection.tsx'
import { usePortal, usePortalState } from './context.ts'
import { FreezeBanner } from './freeze-banner.tsx'
import { FreezeButton } from './freeze-button.tsx'
import { FreezeDialog } from './freeze-dialog.tsx'
import { NavLink } from './nav-link.tsx'
import { OutcomeBanner } from './outcome-banner.tsx'
import { PolicyBanner } from './policy-banner.tsx'
import { ReplayBanner } from './replay-banner.tsx'
import type { Route } from './router.ts'
import { ShortcutHelp } from './shortcut-help.tsx'
import { StepUpDialog } from './step-up-dialog.tsx'
import { chooseTheme, storedTheme, type Theme } from './theme.ts'
import { ToolsBanner } from './tools-banner.tsx'

const PAGES = [
  { page: 'approvals', path: '/', label: 'Approvals', icon: 'approvals' },
  { page: 'activity', path: '/activity', label: 'Activity', icon: 'activity' },
  { page: 'policy', path: '/policy', label: 'Policy', icon: 'policy' },
  { page: 'installation', path: '/installation', label: 'Installation', icon: 'installation' },
] as const satisfies readonly { page: Route['page']; path: string; label: string; icon: IconName }[]

/** The pages that somebody’s roles reach. */
function usePages(): readonly (typeof PAGES)[number][] {
  const reads = mayRead(usePortalState().session?.person)
  return reads ? PAGES : PAGES.filter(({ page }) => page !== 'approvals' && page !== 'policy')
}

/** Frame of every signed-in page: a rail on a desk, bars on a phone. */
export function Shell(props: {
  readonly route: Route
  readonly children: ReactNode
}): ReactElement {
  const development = usePortalState().installation?.mode === 'development'
  return (
    <div
      className={`flex min-h-dvh flex-col ${development ? '[--banner:2.3rem]' : '[--banner:0px]'}`}
    >
      <a
        href="#content"
        className="button button-primary sr-only z-50 focus:not-sr-only focus:fixed focus:top-3 focus:left-3"
      >
        Skip to the content
      </a>
      {development ? <DevelopmentBanner /> : null}
      <div className="flex min-w-0 flex-1 flex-col lg:flex-row">
        <TopBar />
        <Rail current={props.route.page} />
        <main id="content" tabIndex={-1} className="min-w-0 flex-1 pb-24 lg:pb-0">
          <LinkBanner />
          <FreezeBanner onEmergencyPage={props.route.page === 'emergency'} />
          <OutcomeBanner onOutcomesPage={props.route.page === 'outcomes'} />
          <ToolsBanner onToolsPage={props.route.page === 'tools'} />
          <ReplayBanner />
          <PolicyBanner onPolicyPage={props.route.page === 'policy'} />
          {props.children}
        </main>
      </div>
      <TabBar current={props.route.page} />
      <ShortcutHelp />
      <FreezeDialog />
      <StepUpDialog />
    </div>
  )
}

function DevelopmentBanner(): ReactElement {
  return (
    <aside
      aria-label="Mode of this installation"
      className="sticky top-0 z-30 h-[var(--banner)] overflow-hidden bg-amber-wash text-amber"
    >
      <div className="hazard h-1" aria-hidden="true" />
      <p className="px-4 py-1 text-center text-sm">
        <strong>Development mode.</strong>{' '}
        <span className="max-sm:hidden">
          This installation made its own keys. Do not use it for real money or data.
        </span>
        <span className="sm:hidden">Not for real money or data.</span>
      </p>
    </aside>
  )
}

function Brand(): ReactElement {
  return (
    <span className="flex items-center gap-2.5 font-semibold tracking-tight">
      <Mark />
      <span className="max-[420px]:sr-only">Trust Gateway</span>
    </span>
  )
}

function Rail({ current }: { readonly current: Route['page'] }): ReactElement {
  const { session } = usePortalState()
  return (
    <header className="sticky top-[var(--banner)] hidden h-[calc(100dvh-var(--banner))] w-56 shrink-0 flex-col self-start border-r border-line px-3 py-5 lg:flex">
      <div className="px-2 text-lg">
        <Brand />
      </div>
      <nav aria-label="Pages" className="mt-8 flex flex-col gap-1">
        {usePages().map((entry) => (
          <PageLink key={entry.page} entry={entry} current={current} />
        ))}
      </nav>
      <div className="mt-auto flex flex-col gap-4 px-2">
        <FreezeButton />
        <LinkIndicator />
        <div className="border-t border-line pt-4">
          <p className="font-semibold">
            <NavLink
              to="/account"
              current={current === 'account'}
              className={`hover:underline ${current === 'account' ? 'text-brand' : ''}`}
            >
              {session?.person.name}
              <span className="sr-only">: your account</span>
            </NavLink>
          </p>
          <p className="text-sm text-soft">
            {session?.person.roles.join(', ')} at {session?.tenant}
          </p>
          <div className="mt-2 -ml-2.5 flex items-center">
            <SignOut />
            <ThemeButton />
          </div>
        </div>
      </div>
    </header>
  )
}

function PageLink(props: {
  readonly entry: (typeof PAGES)[number]
  readonly current: Route['page']
}): ReactElement {
  const { entry, current } = props
  const here = entry.page === current
  return (
    <NavLink
      to={entry.path}
      current={here}
      className={`flex min-h-10 items-center gap-3 rounded-lg px-3 font-semibold ${
        here ? 'bg-brand-wash text-brand' : 'text-soft hover:bg-sunken hover:text-ink'
      }`}
    >
      <Icon name={entry.icon} />
      {entry.label}
      {entry.page === 'approvals' ? <PendingCount /> : null}
    </NavLink>
  )
}

function PendingCount(): ReactElement | null {
  const count = pendingRequests(usePortalState().feed).length
  if (count === 0) return null
  return (
    <span className="ml-auto rounded-full bg-amber px-2 text-sm text-paper max-lg:ml-0">
      {count}
      <span className="sr-only"> waiting</span>
    </span>
  )
}

function TopBar(): ReactElement {
  return (
    <header className="flex items-center justify-between gap-2 border-b border-line px-4 py-2 lg:hidden">
      <Brand />
      <div className="-mr-2 flex items-center">
        <LinkIndicator compact />
        <FreezeButton compact />
        <ThemeButton />
        <NavLink to="/account" className="button button-quiet">
          <Icon name="person" />
          <span className="sr-only">Your account</span>
        </NavLink>
        <SignOut compact />
      </div>
    </header>
  )
}

function TabBar({ current }: { readonly current: Route['page'] }): ReactElement {
  return (
    <nav
      aria-label="Pages"
      className="fixed inset-x-0 bottom-0 z-20 flex border-t border-line bg-raised pb-[env(safe-area-inset-bottom)] lg:hidden"
    >
      {usePages().map((entry) => (
        <NavLink
          key={entry.page}
          to={entry.path}
          current={entry.page === current}
          className={`flex min-h-14 flex-1 flex-col items-center justify-center gap-0.5 text-xs font-semibold ${
            entry.page === current ? 'text-brand' : 'text-soft'
          }`}
        >
          <span className="flex items-center gap-1.5">
            <Icon name={entry.icon} size={20} />
            {entry.page === 'approvals' ? <PendingCount /> : null}
          </span>
          {entry.label}
        </NavLink>
      ))}
    </nav>
  )
}

function SignOut({ compact = false }: { readonly compact?: boolean }): ReactElement {
  const portal = usePortal()
  return (
    <button type="button" className="button button-quiet" onClick={() => void portal.signOut()}>
      <Icon name="exit" />
      <span className={compact ? 'sr-only' : ''}>Sign out</span>
    </button>
  )
}

const NEXT: Readonly<Record<Theme, Theme>> = { system: 'light', light: 'dark', dark: 'system' }
const THEME_ICONS = { system: 'system', light: 'sun', dark: 'moon' } as const

export function ThemeButton(): ReactElement {
  const [theme, setTheme] = useState(storedTheme)
  const next = NEXT[theme]
  const words = `Colours: ${theme}. Change to ${next}`
  return (
    <button
      type="button"
      className="button button-quiet"
      aria-label={words}
      title={words}
      onClick={() => {
        chooseTheme(next)
        setTheme(next)
      }}
    >
      <Icon name={THEME_ICONS[theme]} />
    </button>
  )
}

/** The one polite live region; it exists before anything is said in it. */
export function Announcer(): ReactElement {
  const { announcement } = usePortalState()
  return (
    <div role="status" aria-live="polite" className="sr-only">
      <span key={announcement.count}>{announcement.text}</span>
    </div>
  )
}
