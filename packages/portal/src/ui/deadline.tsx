import { type Span, type TimeLeft, timeLeft } from '@trustgw/card'
import type { ReactElement } from 'react'
import { useNow, usePortal } from '../app/context.ts'

const LOOKS: Readonly<Record<TimeLeft['urgency'], { text: string; bar: string }>> = {
  calm: { text: 'text-ink', bar: 'bg-brand' },
  soon: { text: 'text-amber', bar: 'bg-amber' },
  last: { text: 'text-red', bar: 'bg-red' },
  over: { text: 'text-soft', bar: 'bg-edge' },
}

const TICK_MS = 500

export function useTimeLeft(span: Span): TimeLeft {
  const portal = usePortal()
  return timeLeft(span, useNow(portal.serverNow, TICK_MS))
}

/** Counts down. Not a live region: a screen reader asks for it, it never interrupts. */
export function Countdown(props: { readonly span: Span; readonly big?: boolean }): ReactElement {
  const left = useTimeLeft(props.span)
  const look = LOOKS[left.urgency]
  const size = props.big === true ? 'text-2xl' : 'text-base'
  return (
    <span role="timer" aria-live="off" className={`${look.text} font-semibold`}>
      <span aria-hidden="true" className={`${size} tracking-tight`}>
        {left.urgency === 'over' ? 'Time is up' : left.clock}
      </span>
      <span className="sr-only">{left.spoken}</span>
    </span>
  )
}

export function DeadlineBar(props: { readonly span: Span }): ReactElement {
  const left = useTimeLeft(props.span)
  return (
    <span className="block h-1 w-full overflow-hidden rounded-full bg-sunken" aria-hidden="true">
      <span
        className={`block h-full rounded-full ${LOOKS[left.urgency].bar}`}
        style={{ width: `${left.fraction * 100}%` }}
      />
    </span>
  )
}
