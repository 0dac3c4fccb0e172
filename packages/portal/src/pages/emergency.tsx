import { ago } from '@trustgw/card'
import { POLICY_ADMIN_ROLE } from '@trustgw/protocol'
import { type ReactElement, useEffect } from 'react'
import { useNow, usePortal, usePortalState } from '../app/context.ts'
import { FreezeButton } from '../app/freeze-button.tsx'
import { type FreezeView, scopeWords } from '../logic/freezes.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Blank, Notice, Waiting } from '../ui/notice.tsx'
import { SignedOrder } from './signed-order.tsx'

/** What stands still, and how it goes on. */
export function EmergencyPage(): ReactElement {
  const portal = usePortal()
  const { freezes, freezesProblem } = usePortalState()
  useEffect(() => void portal.freezes.load(), [portal])
  if (freezes === undefined && freezesProblem === undefined) {
    return <Waiting text="Fetching what is frozen…" page="Emergency" />
  }
  return (
    <div className="mx-auto max-w-3xl px-3 py-6 lg:px-8 lg:py-8">
      <div className="flex flex-wrap items-center justify-between gap-3 px-2">
        <h1 className="text-2xl font-semibold tracking-tight">Emergency</h1>
        <FreezeButton />
      </div>
      {freezesProblem === undefined ? null : (
        <div className="mt-4">
          <Notice tone="bad" title={freezesProblem} alert>
            <p>Whether something is frozen cannot be told now. What was frozen stays frozen.</p>
          </Notice>
        </div>
      )}
      {freezes === undefined ? null : (
        <>
          <Standing freezes={freezes.filter(({ isFinal }) => !isFinal)} />
          <Revoked freezes={freezes.filter(({ isFinal }) => isFinal)} />
        </>
      )}
    </div>
  )
}

function Standing({ freezes }: { readonly freezes: readonly FreezeView[] }): ReactElement {
  if (freezes.length === 0) {
    return (
      <Blank title="Nothing is frozen">
        <p>
          A freeze keeps new calls from starting, at once and at every executor: of one tool, one
          agent, or everything. Anybody with an approval passkey can freeze; an admin thaws.
        </p>
      </Blank>
    )
  }
  return (
    <>
      <p className="mt-1 px-2 text-soft">
        Nothing that is named here starts. What was running goes on. What was approved waits for a
        thaw, or for its own deadline.
      </p>
      <ul className="mt-5 flex flex-col gap-5">
        {freezes.toReversed().map((freeze) => (
          <li key={freeze.hash}>
            <Freeze freeze={freeze} />
          </li>
        ))}
      </ul>
    </>
  )
}

/** No thaw ends these. */
function Revoked({ freezes }: { readonly freezes: readonly FreezeView[] }): ReactElement | null {
  if (freezes.length === 0) return null
  return (
    <details className="mt-8 px-2">
      <summary className="cursor-pointer text-lg font-semibold">
        Revoked for good ({freezes.length})
      </summary>
      <ul className="mt-3 flex flex-col gap-5">
        {freezes.toReversed().map((freeze) => (
          <li key={freeze.hash}>
            <Freeze freeze={freeze} />
          </li>
        ))}
      </ul>
    </details>
  )
}

function Freeze({ freeze }: { readonly freeze: FreezeView }): ReactElement {
  const { session } = usePortalState()
  const now = useNow(usePortal().serverNow, 15_000)
  const { hash, statement, reason, who, isFinal } = freeze
  const title = `freeze-${hash.slice('sha256:'.length)}`
  const isAdmin = session?.person.roles.includes(POLICY_ADMIN_ROLE) ?? false
  return (
    <article aria-labelledby={title} className="sheet flex flex-col gap-5 px-5 py-6 lg:px-8">
      <h2 id={title} className="text-xl font-semibold tracking-tight [overflow-wrap:anywhere]">
        <span className="text-red">{isFinal ? 'Revoked for good:' : 'Frozen:'}</span>{' '}
        <Hardened text={scopeWords(statement.scope)} />
      </h2>
      {reason === null ? (
        <Notice tone="bad" title="The reason is not the one that was signed, so it is not shown." />
      ) : (
        <p className="text-lg [overflow-wrap:anywhere]">
          “<Hardened text={reason} />”
        </p>
      )}
      <dl className="grid items-baseline gap-x-6 gap-y-2 sm:grid-cols-[6rem_minmax(0,1fr)]">
        <dt className="label">Who</dt>
        <dd>
          <Hardened text={who} />
        </dd>
        <dt className="label">Since</dt>
        <dd>
          <time dateTime={new Date(statement.at).toISOString()}>
            {new Date(statement.at).toLocaleString()}
          </time>{' '}
          <span className="text-soft">({ago(statement.at, now)})</span>
        </dd>
        <dt className="label">Hash</dt>
        <dd className="data">{hash}</dd>
      </dl>
      {isFinal ? null : <Ending freeze={freeze} isAdmin={isAdmin} />}
    </article>
  )
}

function Ending(props: { readonly freeze: FreezeView; readonly isAdmin: boolean }): ReactElement {
  const { freeze, isAdmin } = props
  return isAdmin ? <Thaw freeze={freeze} /> : <Notice tone="plain" title="An admin can thaw it." />
}

function Thaw({ freeze }: { readonly freeze: FreezeView }): ReactElement {
  return (
    <SignedOrder
      ask="Thaw"
      about={scopeWords(freeze.statement.scope)}
      confirm="Thaw with passkey"
      why="What was found, and what was done about it?"
      wish={(reason) => ({ order: 'thaw', freeze: freeze.hash, reason })}
    >
      <p className="text-soft">
        What waited goes on at once. Each executor checks your passkey against its own pins: where
        you are not pinned as an admin, it stays frozen.
      </p>
    </SignedOrder>
  )
}
