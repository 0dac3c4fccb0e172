import type { ActionEvent } from '@trustgw/protocol'
import { type ReactElement, useState } from 'react'
import { usePortalState } from '../app/context.ts'
import { Countdown } from '../ui/deadline.tsx'
import { Notice } from '../ui/notice.tsx'
import { DenyForm } from './deny-form.tsx'

/** Inside the undo window: it runs by itself when the time is up, unless somebody stops it. */
export function StopBar({ event }: { readonly event: ActionEvent }): ReactElement {
  const [stopping, setStopping] = useState(false)
  const id = event.action_id
  const status = usePortalState().verdicts.get(id)
  const span = { startMs: event.at, endMs: event.decide_by ?? event.at }
  const isSent =
    status?.kind === 'sending' || (status?.kind === 'sent' && status.verdict === 'deny')
  return (
    <section
      aria-label="Stop it"
      className="sticky bottom-14 z-10 border-t border-line bg-raised px-4 py-4 lg:bottom-0 lg:px-8"
    >
      {status?.kind === 'failed' ? (
        <div className="mb-3">
          <Notice tone="bad" title={status.sentence} alert />
        </div>
      ) : null}
      {isSent ? (
        <p role="status" className="flex min-h-11 items-center font-semibold">
          {status.kind === 'sending' ? 'Sending…' : 'Stopped. Waiting for the gateway…'}
        </p>
      ) : stopping ? (
        <DenyForm
          id={id}
          words={{ legend: 'Why do you stop it?', submit: 'Stop it' }}
          onBack={() => setStopping(false)}
        />
      ) : (
        <div className="flex flex-wrap items-center justify-end gap-3">
          <p className="flex flex-1 basis-56 items-baseline gap-2 font-semibold">
            Runs by itself in <Countdown span={span} />
          </p>
          <button type="button" className="button button-deny" onClick={() => setStopping(true)}>
            Stop it…
          </button>
        </div>
      )}
    </section>
  )
}
