import { type ReactElement, useCallback, useEffect, useRef, useState } from 'react'
import { useNow, usePortal, usePortalState } from '../app/context.ts'
import { ago } from '../logic/time-left.ts'
import type { OwnSession } from '../ports/account-shapes.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Notice, Waiting } from '../ui/notice.tsx'

const TICK_MS = 15_000

/** Where this person is signed in. */
export function AccountPage(): ReactElement {
  const portal = usePortal()
  const { session } = usePortalState()
  const [sessions, setSessions] = useState<readonly OwnSession[]>()
  const [problem, setProblem] = useState<string>()
  const heading = useRef<HTMLHeadingElement>(null)
  const load = useCallback(async () => {
    const found = await portal.account.sessions()
    if (typeof found === 'string') setProblem(found)
    else setSessions(found)
  }, [portal])
  useEffect(() => void load(), [load])
  const act = async (ending: Promise<string | undefined>): Promise<void> => {
    setProblem(await ending)
    await load()
    // The button that was pressed may have gone with its session.
    if (document.activeElement === document.body) heading.current?.focus({ preventScroll: true })
  }
  if (sessions === undefined && problem === undefined) {
    return <Waiting text="Fetching where you are signed in…" />
  }
  return (
    <div className="mx-auto max-w-3xl px-3 py-6 lg:px-8 lg:py-8">
      <h1
        ref={heading}
        tabIndex={-1}
        className="px-2 text-2xl font-semibold tracking-tight outline-none [overflow-wrap:anywhere]"
      >
        <Hardened text={session?.person.name ?? ''} />
      </h1>
      <p className="mt-1 px-2 text-soft">
        <span className="data">{session?.person.id}</span>, {session?.person.roles.join(', ')} at{' '}
        {session?.tenant}
      </p>
      {problem === undefined ? null : (
        <div className="mt-4">
          <Notice tone="bad" title={problem} alert />
        </div>
      )}
      {session?.sessions_replayed === 0 ? null : <Replayed />}
      <Sessions sessions={sessions ?? []} act={(ending) => void act(ending)} />
    </div>
  )
}

function Sessions(props: {
  readonly sessions: readonly OwnSession[]
  readonly act: (ending: Promise<string | undefined>) => void
}): ReactElement {
  const { account } = usePortal()
  const { sessions, act } = props
  return (
    <section aria-labelledby="sessions-title" className="sheet mt-5 px-5 py-6 lg:px-8">
      <h2 id="sessions-title" className="text-xl font-semibold tracking-tight">
        Where you are signed in
      </h2>
      <ul className="mt-2">
        {sessions.map((one) => (
          <li key={one.sid} className="border-t border-line py-4 first:border-t-0">
            <OneSession session={one} onEnd={() => act(account.end(one))} />
          </li>
        ))}
      </ul>
      <div className="flex flex-wrap gap-3 border-t border-line pt-5">
        {sessions.some(({ current }) => !current) ? (
          <button type="button" className="button" onClick={() => act(account.endOthers())}>
            Sign out everywhere else
          </button>
        ) : null}
        <button type="button" className="button button-deny" onClick={() => act(account.endAll())}>
          Sign out everywhere
        </button>
      </div>
    </section>
  )
}

function OneSession(props: {
  readonly session: OwnSession
  readonly onEnd: () => void
}): ReactElement {
  const { device, created_at, used_at, current } = props.session
  const now = useNow(usePortal().serverNow, TICK_MS)
  return (
    <div className="flex flex-wrap items-center justify-between gap-3">
      <div className="min-w-0">
        <h3 className="flex flex-wrap items-center gap-2 font-semibold [overflow-wrap:anywhere]">
          <Hardened text={device} />
          {current ? <span className="chip bg-brand-wash text-brand">This one</span> : null}
        </h3>
        <p className="text-sm text-soft">
          Signed in {new Date(created_at).toLocaleString()}, used {ago(used_at, now)}
        </p>
      </div>
      {current ? null : (
        <button type="button" className="button" onClick={props.onEnd}>
          Sign out
          <span className="sr-only"> of {device}</span>
        </button>
      )}
    </div>
  )
}

function Replayed(): ReactElement {
  return (
    <div className="mt-4">
      <Notice tone="bad" title="A session of yours was used from two places" alert>
        <p>
          An old key of it came back after it had been replaced, as it would if somebody had copied
          it. The session was ended. If that was not you, sign out everywhere and tell whoever runs
          this installation.
        </p>
      </Notice>
    </div>
  )
}
