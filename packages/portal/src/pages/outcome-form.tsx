import type { UnsettledAction } from '@trustgw/protocol'
import { type ReactElement, useRef, useState } from 'react'
import { usePortal } from '../app/context.ts'
import { ReasonForm } from './reason-form.tsx'

type Choice = 'succeeded' | 'failed'

const CHOICES = {
  succeeded: { ask: 'It was done', confirm: 'Record that it was done' },
  failed: { ask: 'It was not done', confirm: 'Record that it was not done' },
} as const

/** Two choices, and what was seen in one's own words, before anything is recorded. */
export function OutcomeForm({ action }: { readonly action: UnsettledAction }): ReactElement {
  const portal = usePortal()
  const [choice, setChoice] = useState<Choice | undefined>()
  const buttons = useRef<HTMLDivElement>(null)
  const back = (): void => {
    setChoice(undefined)
    requestAnimationFrame(() => buttons.current?.querySelector('button')?.focus())
  }
  if (choice !== undefined) {
    return (
      <ReasonForm
        id={`found-${action.action_id}`}
        label={`${CHOICES[choice].ask}. How do you know?`}
        placeholder="What you looked at, and what it showed"
        note="Final, and on the record with your name. The tool is not called again."
        confirm={CHOICES[choice].confirm}
        send={(reason) => portal.settle(action, choice, reason)}
        onBack={back}
        className="border-t border-line pt-5"
      />
    )
  }
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
