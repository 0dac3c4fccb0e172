import type { ReactElement, ReactNode } from 'react'
import { Icon, type IconName } from './icons.tsx'

const LOOKS = {
  plain: { look: 'border-line bg-sunken text-ink', icon: 'question' },
  warn: { look: 'border-amber bg-amber-wash text-amber', icon: 'warning' },
  bad: { look: 'border-red bg-red-wash text-red', icon: 'warning' },
  good: { look: 'border-green bg-green-wash text-green', icon: 'check' },
} satisfies Readonly<Record<string, { look: string; icon: IconName }>>

export function Notice(props: {
  readonly tone: keyof typeof LOOKS
  readonly title: string
  readonly children?: ReactNode
  readonly alert?: boolean
}): ReactElement {
  const { look, icon } = LOOKS[props.tone]
  return (
    <div
      className={`flex gap-3 rounded-lg border px-4 py-3 ${look}`}
      {...(props.alert === true ? { role: 'alert' } : {})}
    >
      <Icon name={icon} className="mt-0.5" />
      <div className="min-w-0">
        <p className="font-semibold">{props.title}</p>
        {props.children === undefined ? null : (
          <div className="mt-0.5 text-ink">{props.children}</div>
        )}
      </div>
    </div>
  )
}

/** What stands where a list would be; with `page`, it is all there is of the page of that name. */
export function Blank(props: {
  readonly title: string
  readonly page?: string
  readonly children: ReactNode
}): ReactElement {
  return (
    <div className="mx-auto flex max-w-md flex-col items-center px-6 py-20 text-center">
      <PageName page={props.page} />
      <svg width="88" height="72" viewBox="0 0 88 72" fill="none" aria-hidden="true">
        <g stroke="var(--line)" strokeWidth="2.5" strokeLinecap="round">
          <path d="M6 68h76" />
          <path d="M18 68V36a26 26 0 0 1 52 0v32" />
          <path d="M30 68V37a14 14 0 0 1 28 0v31" stroke="var(--edge)" />
        </g>
        <path d="M44 68V50" stroke="var(--brand)" strokeWidth="2.5" strokeLinecap="round" />
        <circle cx="44" cy="42" r="4" fill="var(--brand)" />
      </svg>
      <h2 className="mt-6 text-xl font-semibold tracking-tight">{props.title}</h2>
      <div className="mt-2 text-soft">{props.children}</div>
    </div>
  )
}

/** With `page`, it stands for the whole page of that name until that is there. */
export function Waiting(props: { readonly text: string; readonly page?: string }): ReactElement {
  return (
    <>
      <PageName page={props.page} />
      <p role="status" className="flex items-center justify-center gap-3 px-6 py-24 text-soft">
        <span
          className="spin size-5 rounded-full border-2 border-line border-t-brand"
          aria-hidden="true"
        />
        {props.text}
      </p>
    </>
  )
}

/** A page has a heading of the first level in every state, so that a screen reader finds it. */
function PageName({ page }: { readonly page: string | undefined }): ReactElement | null {
  return page === undefined ? null : <h1 className="sr-only">{page}</h1>
}
