import { type ReactElement, type ReactNode, useId } from 'react'
import { Icon } from '../../ui/icons.tsx'

/** One part of what is said about the draft. */
export function Panel(props: {
  readonly title: string
  /** Beside the title: how it stands, at a glance. */
  readonly aside?: ReactNode
  /** Begins its column, so that nothing is above it on a desk. */
  readonly isFirst?: boolean
  readonly children: ReactNode
}): ReactElement {
  const id = useId()
  return (
    <section
      aria-labelledby={id}
      className={`border-t border-line pt-4 pb-6 ${props.isFirst === true ? 'lg:border-t-0 lg:pt-1.5' : ''}`}
    >
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
        <h2 id={id} className="text-lg font-semibold">
          {props.title}
        </h2>
        {props.aside}
      </div>
      <div className="mt-2 flex flex-col gap-3">{props.children}</div>
    </section>
  )
}

const TONES = {
  good: 'bg-green-wash text-green',
  bad: 'bg-red-wash text-red',
  warn: 'bg-amber-wash text-amber',
  plain: 'bg-sunken text-soft',
} as const

export type Tone = keyof typeof TONES

export function Chip(props: { readonly tone: Tone; readonly children: ReactNode }): ReactElement {
  return <span className={`chip ${TONES[props.tone]}`}>{props.children}</span>
}

/** From one decision to another: drawn as an arrow, read as a sentence. */
export function Arrow(props: { readonly before: string; readonly after: string }): ReactElement {
  return (
    <span className="flex min-w-0 flex-wrap items-center gap-x-2">
      <span className="sr-only">What </span>
      <span className="font-normal">{props.before}</span>
      <Icon name="arrow" size={16} />
      <span className="sr-only"> then </span>
      <span className="font-semibold">{props.after}</span>
    </span>
  )
}

export function Working({ text }: { readonly text: string }): ReactElement {
  return (
    <p className="flex items-center gap-2.5 text-soft">
      <span
        className="spin size-4 rounded-full border-2 border-line border-t-brand"
        aria-hidden="true"
      />
      {text}
    </p>
  )
}
