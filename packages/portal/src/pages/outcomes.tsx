import { argumentRows, reviewRows } from '@trustgw/card'
import { outcomeObjection, type UnsettledAction } from '@trustgw/protocol'
import { type ReactElement, type ReactNode, useEffect } from 'react'
import { usePortal, usePortalState } from '../app/context.ts'
import { argumentsOf, doubtSentence, reconciledSentence } from '../logic/outcomes.ts'
import { problemSentence } from '../logic/problems.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Blank, Notice, Waiting } from '../ui/notice.tsx'
import { Arguments } from './card-arguments.tsx'
import { OutcomeForm } from './outcome-form.tsx'

/** Calls that were entered and whose end nobody saw, each with what is known of it. */
export function OutcomesPage(): ReactElement {
  const portal = usePortal()
  const { unsettled } = usePortalState()
  useEffect(() => void portal.loadOutcomes(), [portal])
  if (unsettled === undefined)
    return <Waiting text="Fetching what ended unseen…" page="Ended unseen" />
  if (unsettled.length === 0) {
    return (
      <Blank title="Nothing ended unseen" page="Ended unseen">
        <p>
          When nobody can tell whether a call was done, it appears here for a person to find out.
        </p>
      </Blank>
    )
  }
  return (
    <div className="mx-auto max-w-3xl px-3 py-6 lg:px-8 lg:py-8">
      <h1 className="px-2 text-2xl font-semibold tracking-tight">Ended unseen</h1>
      <p className="mt-1 px-2 text-soft">
        These calls reached their tool, and nobody saw the end. They are never repeated on their
        own. Look at the target itself, then say what you found.
      </p>
      <ul className="mt-5 flex flex-col gap-6">
        {unsettled.map((action) => (
          <li key={action.action_id}>
            <Outcome action={action} />
          </li>
        ))}
      </ul>
    </div>
  )
}

function Outcome({ action }: { readonly action: UnsettledAction }): ReactElement {
  const { session } = usePortalState()
  const args = argumentsOf(action)
  const title = `outcome-${action.action_id}`
  const objection =
    session === undefined ? null : outcomeObjection(action, session.person.id, session.person.roles)
  return (
    <article aria-labelledby={title} className="sheet flex flex-col gap-6 px-5 py-6 lg:px-8">
      <h2 id={title} className="text-xl leading-snug tracking-tight">
        <strong className="font-semibold">
          “<Hardened text={action.title} />”
        </strong>{' '}
        for <Hardened text={action.agent} />
        {action.amount === null ? '' : `, ${action.amount}`}
      </h2>
      {args === undefined ? (
        <Notice tone="bad" title="The arguments cannot be read, so nothing of them is shown." />
      ) : (
        <Arguments reviews={reviewRows(argumentRows(args), [], [])} />
      )}
      <Evidence action={action} />
      {objection === null ? (
        <OutcomeForm action={action} />
      ) : (
        <Notice tone="plain" title={problemSentence(objection, 'Somebody else has to find out.')} />
      )}
    </article>
  )
}

function Evidence({ action }: { readonly action: UnsettledAction }): ReactElement {
  return (
    <section aria-label="What is known of it">
      <dl className="grid gap-x-6 gap-y-3 sm:grid-cols-[11rem_minmax(0,1fr)]">
        <Known name="Proposed">{moment(action.proposed_at)}</Known>
        <Known name="Tool entered">{moment(action.entered_at)}</Known>
        <Known name="Why it is not known">
          <Hardened text={doubtSentence(action.doubt)} />
        </Known>
        <Known name="Asking the provider">
          <Hardened text={reconciledSentence(action.reconciled)} />
        </Known>
        <Known name="Provider’s reference">
          {action.provider_reference === null ? (
            'none'
          ) : (
            <span className="data">
              <Hardened text={action.provider_reference} />
            </span>
          )}
        </Known>
        <Known name="Idempotency key">
          <span className="data">{action.idempotency_key}</span>
        </Known>
        <Known name="Tool">
          <span className="data">
            <Hardened text={action.tool_id} />
          </span>
        </Known>
        <Known name="Action">
          <span className="data">{action.action_id}</span>
        </Known>
      </dl>
    </section>
  )
}

function Known(props: { readonly name: string; readonly children: ReactNode }): ReactElement {
  return (
    <>
      <dt className="label">{props.name}</dt>
      <dd className="min-w-0 [overflow-wrap:anywhere]">{props.children}</dd>
    </>
  )
}

function moment(ms: number | null): string {
  return ms === null ? 'unknown' : new Date(ms).toLocaleString()
}
