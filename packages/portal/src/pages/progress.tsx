import { courseOf, type ProgressStep } from '@trustgw/card'
import type { ActionState } from '@trustgw/protocol'
import { type ReactElement, useEffect, useRef } from 'react'
import { usePortalState } from '../app/context.ts'
import { NavLink } from '../app/nav-link.tsx'
import { Hardened } from '../ui/hardened.tsx'
import { Icon } from '../ui/icons.tsx'
import { StateChip } from '../ui/state-chip.tsx'
import { focusCard } from './card-focus.ts'

/** What became of an action, live. */
export function Progress(props: {
  readonly id: string
  readonly state: ActionState
  readonly next: string | undefined
}): ReactElement {
  const { title: heading, steps, sentence } = courseOf(props.state)
  const title = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    // What had the focus may have gone with the decision.
    if (document.activeElement === document.body) title.current?.focus({ preventScroll: true })
  }, [])
  const event = usePortalState().feed.events.get(props.id)
  // Of what ran the reason is why people were asked.
  const reason = heading === 'This has ended' ? (event?.reason ?? '') : ''
  return (
    <section
      aria-labelledby="progress-title"
      className="sticky bottom-14 z-10 flex flex-col gap-4 border-t border-line bg-sunken px-4 py-4 lg:bottom-0 lg:px-8"
    >
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h2
          id="progress-title"
          ref={title}
          tabIndex={-1}
          className="flex items-center gap-3 font-semibold outline-none"
        >
          {heading}
          <StateChip state={props.state} />
        </h2>
        {props.next === undefined ? null : (
          <NavLink to={`/approvals/${props.next}`} className="button" onGo={focusCard}>
            Next approval
            <Icon name="arrow" />
          </NavLink>
        )}
      </div>
      {steps === undefined ? null : <Road steps={steps} />}
      {sentence === null ? null : (
        <p className="text-soft">
          {sentence} <Hardened text={reason} />
        </p>
      )}
    </section>
  )
}

const STEP_LOOKS: Readonly<Record<ProgressStep['status'], string>> = {
  done: 'border-brand text-ink',
  now: 'border-brand text-brand',
  ahead: 'border-line text-soft',
  bad: 'border-red text-red',
}

const STEP_WORDS: Readonly<Record<ProgressStep['status'], string>> = {
  done: 'done',
  now: 'now',
  ahead: 'not yet',
  bad: 'stopped here',
}

function Road({ steps }: { readonly steps: readonly ProgressStep[] }): ReactElement {
  return (
    <ol className="grid grid-cols-4 gap-2">
      {steps.map((step) => (
        <li
          key={step.label}
          className={`border-t-4 pt-2 text-xs font-semibold sm:text-sm ${STEP_LOOKS[step.status]} ${
            step.status === 'now' ? 'border-dashed' : ''
          }`}
          {...(step.status === 'now' ? { 'aria-current': 'step' as const } : {})}
        >
          <span className="flex items-start gap-x-1.5 gap-y-0.5 max-sm:flex-col">
            {step.status === 'done' ? <Icon name="check" size={16} className="mt-0.5" /> : null}
            {step.status === 'bad' ? <Icon name="cross" size={16} className="mt-0.5" /> : null}
            {step.status === 'now' ? (
              <span
                className="spin mt-1 size-3 shrink-0 rounded-full border-2 border-line border-t-brand"
                aria-hidden="true"
              />
            ) : null}
            {step.label}
          </span>
          <span className="sr-only">: {STEP_WORDS[step.status]}</span>
        </li>
      ))}
    </ol>
  )
}
