import { type FormEvent, type ReactElement, useEffect, useRef, useState } from 'react'
import { Notice } from '../ui/notice.tsx'

const REASON_MAX_CHARS = 500

/** A reason in one's own words, before something is recorded; sent as one line. */
export function ReasonForm(props: {
  readonly id: string
  readonly label: string
  readonly placeholder?: string
  /** What goes on the record with it, beside the buttons. */
  readonly note: string
  readonly confirm: string
  /** Undefined when it was done; else a sentence. What was written stays. */
  readonly send: (reason: string) => Promise<string | undefined>
  readonly onBack: () => void
  readonly className?: string
}): ReactElement {
  const { id, label, placeholder, note, confirm, send, onBack, className = '' } = props
  const [reason, setReason] = useState('')
  const [status, setStatus] = useState<'idle' | 'sending' | { readonly problem: string }>('idle')
  const field = useRef<HTMLTextAreaElement>(null)
  useEffect(() => field.current?.focus({ preventScroll: true }), [])
  const line = reason.replaceAll(/\s+/g, ' ').trim()
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    if (line === '' || status === 'sending') return
    setStatus('sending')
    const problem = await send(line)
    if (problem !== undefined) setStatus({ problem })
  }
  return (
    <form
      onSubmit={(event) => void submit(event)}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onBack()
      }}
      className={`flex flex-col gap-3 ${className}`}
    >
      <label htmlFor={id} className="font-semibold">
        {label}
      </label>
      <textarea
        id={id}
        ref={field}
        className="field"
        rows={2}
        required
        maxLength={REASON_MAX_CHARS}
        placeholder={placeholder}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      {typeof status === 'string' ? null : <Notice tone="bad" title={status.problem} alert />}
      <div className="flex flex-wrap items-center justify-end gap-3">
        <p className="flex-1 basis-full text-sm text-soft sm:basis-40">{note}</p>
        <button type="button" className="button" onClick={onBack}>
          Back
        </button>
        <button
          type="submit"
          className="button button-primary"
          disabled={line === '' || status === 'sending'}
        >
          {confirm}
        </button>
      </div>
    </form>
  )
}
