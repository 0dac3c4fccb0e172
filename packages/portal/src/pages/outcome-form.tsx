import type { UnsettledAction } from '@trustgw/protocol'
import { type FormEvent, type ReactElement, useEffect, useRef, useState } from 'react'
import { usePortal } from '../app/context.ts'
import { Notice } from '../ui/notice.tsx'

const REASON_MAX_CHARS = 500

type Choice = 'succeeded' | 'failed'

const CHOICES = {
  succeeded: { ask: 'It was done', confirm: 'Record that it was done' },
  failed: { ask: 'It was not done', confirm: 'Record that it was not done' },
} as const

/** Two choices, and what was seen in one's own words, before anything is recorded. */
export function OutcomeForm({ action }: { readonly action: UnsettledAction }): ReactElement {
  const [choice, setChoice] = useState<Choice | undefined>()
  const buttons = useRef<HTMLDivElement>(null)
  const back = (): void => {
    setChoice(undefined)
    requestAnimationFrame(() => buttons.current?.querySelector('button')?.focus())
  }
  if (choice !== undefined) return <Confirm action={action} choice={choice} onBack={back} />
  return (
    <div ref={buttons} className="flex flex-wrap gap-3 border-t border-line pt-5">
      {(['succeeded', 'failed'] as const).map((one) => (
        <button key={one} type="button" className="button" onClick={() => setChoice(one)}>
          {CHOICES[one].ask}…
        </button>
      ))}
    </div>
  )
}

function Confirm(props: {
  readonly action: UnsettledAction
  readonly choice: Choice
  readonly onBack: () => void
}): ReactElement {
  const { action, choice, onBack } = props
  const portal = usePortal()
  const [reason, setReason] = useState('')
  const [status, setStatus] = useState<'idle' | 'sending' | { readonly problem: string }>('idle')
  const field = useRef<HTMLTextAreaElement>(null)
  useEffect(() => field.current?.focus({ preventScroll: true }), [])
  const line = reason.replaceAll(/\s+/g, ' ').trim()
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    if (line === '' || status === 'sending') return
    setStatus('sending')
    const problem = await portal.settle(action, choice, line)
    if (problem !== undefined) setStatus({ problem })
  }
  const id = `found-${action.action_id}`
  return (
    <form
      onSubmit={(event) => void submit(event)}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onBack()
      }}
      className="flex flex-col gap-3 border-t border-line pt-5"
    >
      <label htmlFor={id} className="font-semibold">
        {CHOICES[choice].ask}. How do you know?
      </label>
      <textarea
        id={id}
        ref={field}
        className="field"
        rows={2}
        required
        maxLength={REASON_MAX_CHARS}
        placeholder="What you looked at, and what it showed"
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      {typeof status === 'string' ? null : <Notice tone="bad" title={status.problem} alert />}
      <div className="flex flex-wrap items-center justify-end gap-3">
        <p className="flex-1 basis-full text-sm text-soft sm:basis-40">
          Final, and on the record with your name. The tool is not called again.
        </p>
        <button type="button" className="button" onClick={onBack}>
          Back
        </button>
        <button
          type="submit"
          className="button button-primary"
          disabled={line === '' || status === 'sending'}
        >
          {CHOICES[choice].confirm}
        </button>
      </div>
    </form>
  )
}
