import { type ReactElement, useState } from 'react'
import { usePortal } from '../app/context.ts'
import type { OwnSession } from '../ports/account-shapes.ts'
import { Icon } from '../ui/icons.tsx'
import { Notice } from '../ui/notice.tsx'

/** Where this person is signed in, and how to end that. */
export function OwnSessions(props: { readonly sessions: readonly OwnSession[] }): ReactElement {
  const { account } = usePortal()
  const [problem, setProblem] = useState<string | undefined>()
  const [isBusy, setBusy] = useState(false)
  const end = async (ending: () => Promise<string | undefined>): Promise<void> => {
    setBusy(true)
    setProblem(await ending())
    setBusy(false)
  }
  return (
    <section aria-labelledby="own-sessions" className="sheet px-5 py-6 lg:px-8">
      <h2 id="own-sessions" className="text-xl font-semibold tracking-tight">
        Where you are signed in
      </h2>
      <p className="mt-1 text-soft">
        In a browser a session ends after 15 minutes without use, and after 12 hours in any case; in
        a terminal after 8 hours. End what you do not know, then remove the passkey that it was
        begun with.
      </p>
      {problem === undefined ? null : (
        <div className="mt-4">
          <Notice tone="bad" title={problem} alert />
        </div>
      )}
      <ul className="mt-4">
        {props.sessions.map((session) => (
          <li
            key={session.sid}
            className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 border-t border-line py-4"
          >
            <Facts session={session} />
            {session.current ? (
              <span className="chip bg-brand-wash text-brand">This one</span>
            ) : (
              <button
                type="button"
                className="button button-quiet -mx-2.5"
                disabled={isBusy}
                onClick={() => void end(() => account.endSession(session.sid))}
              >
                Sign out<span className="sr-only"> on {session.device}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      <button
        type="button"
        className="button button-deny"
        disabled={isBusy}
        onClick={() => void end(() => account.endAll())}
      >
        <Icon name="exit" />
        Sign out everywhere
      </button>
    </section>
  )
}

function Facts({ session }: { readonly session: OwnSession }): ReactElement {
  const { kind, device, created_at, used_at, ends_at } = session
  return (
    <div className="min-w-0">
      <h3 className="font-semibold">{device}</h3>
      <p className="text-sm text-soft">
        Since {new Date(created_at).toLocaleString()}, last used{' '}
        {new Date(used_at).toLocaleTimeString()}
        {kind === 'terminal' ? `, until ${new Date(ends_at).toLocaleTimeString()}` : ''}
      </p>
    </div>
  )
}
