import { type FormEvent, type ReactElement, useEffect, useRef, useState } from 'react'
import { usePortal } from '../app/context.ts'

const REASON_MAX_CHARS = 500
const DENY_WORDS = { legend: 'Why do you deny it?', submit: 'Deny it' }
const PRESETS = ['Wrong amount', 'Wrong recipient', 'Not asked for', 'Looks suspicious'] as const

/** A denial needs a reason; a preset is a start that may be added to. */
export function DenyForm(props: {
  readonly id: string
  readonly words?: { readonly legend: string; readonly submit: string }
  readonly onBack: () => void
}): ReactElement {
  const { legend, submit: submitWord } = props.words ?? DENY_WORDS
  const portal = usePortal()
  const [reason, setReason] = useState('')
  const field = useRef<HTMLTextAreaElement>(null)
  useEffect(() => field.current?.focus({ preventScroll: true }), [])
  const line = reason.replaceAll(/\s+/g, ' ').trim()
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    if (line !== '') void portal.verdicts.deny(props.id, line)
  }
  return (
    <form
      onSubmit={submit}
      onKeyDown={(event) => {
        if (event.key === 'Escape') props.onBack()
      }}
      className="flex flex-col gap-3"
    >
      <fieldset className="flex flex-wrap gap-2">
        <legend className="mb-2 font-semibold">{legend}</legend>
        {PRESETS.map((preset) => (
          <button
            key={preset}
            type="button"
            className={`button min-h-9 px-3 py-1 text-sm ${
              line.startsWith(preset) ? 'border-ink' : ''
            }`}
            aria-pressed={line.startsWith(preset)}
            onClick={() => {
              setReason(preset)
              field.current?.focus({ preventScroll: true })
            }}
          >
            {preset}
          </button>
        ))}
      </fieldset>
      <label htmlFor="deny-reason" className="sr-only">
        Reason
      </label>
      <textarea
        id="deny-reason"
        ref={field}
        className="field"
        rows={2}
        required
        maxLength={REASON_MAX_CHARS}
        placeholder="In your own words"
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <div className="flex flex-wrap items-center justify-end gap-3">
        <p className="flex-1 basis-full text-sm sm:basis-40 text-soft">
          Goes on the record with your name.
        </p>
        <button type="button" className="button" onClick={props.onBack}>
          Back
        </button>
        <button type="submit" className="button button-deny" disabled={line === ''}>
          {submitWord}
        </button>
      </div>
    </form>
  )
}
