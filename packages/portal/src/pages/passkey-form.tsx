import { type FormEvent, type ReactElement, type ReactNode, useState } from 'react'
import { Icon } from '../ui/icons.tsx'
import { Notice } from '../ui/notice.tsx'

/** Something that takes one press of a button and the approval passkey. */
export function PasskeyForm(props: {
  readonly label: string
  readonly confirm: string
  readonly isReady: boolean
  /** False for what the same form does without a passkey. */
  readonly takesPasskey?: boolean
  /** Undefined when it was done; else a sentence. */
  readonly sign: () => Promise<string | undefined>
  readonly onBack: () => void
  readonly children: ReactNode
}): ReactElement {
  const { label, confirm, isReady, sign, onBack, children, takesPasskey = true } = props
  const [status, setStatus] = useState<'idle' | 'signing' | { readonly problem: string }>('idle')
  const isBusy = status === 'signing'
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    if (!isReady || isBusy) return
    setStatus('signing')
    const problem = await sign()
    if (problem === undefined) onBack()
    else setStatus({ problem })
  }
  return (
    <form
      aria-label={label}
      onSubmit={(event) => void submit(event)}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onBack()
      }}
      className="flex flex-col gap-4"
    >
      {children}
      {typeof status === 'string' ? null : <Notice tone="bad" title={status.problem} alert />}
      <div className="flex flex-wrap justify-end gap-2 sm:gap-3">
        <button type="button" className="button" onClick={onBack}>
          Back
        </button>
        <button
          type="submit"
          className="button button-primary whitespace-nowrap max-sm:flex-1 max-sm:px-2"
          disabled={!isReady || isBusy}
        >
          {takesPasskey ? <Icon name="key" /> : null}
          {isBusy ? (takesPasskey ? 'Waiting for your passkey…' : 'Saving…') : confirm}
        </button>
      </div>
    </form>
  )
}
