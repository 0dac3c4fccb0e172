import type { ReactElement, ReactNode } from 'react'
import { ThemeButton } from '../app/shell.tsx'
import { Mark } from '../ui/icons.tsx'

/** Frame of the pages before a session: one column in the opening of a gate. */
export function Front(props: { readonly children: ReactNode }): ReactElement {
  return (
    <div className="relative isolate flex min-h-dvh flex-col overflow-hidden">
      <Gate />
      <header className="flex items-center justify-between px-5 py-4 lg:px-8">
        <span className="flex items-center gap-2.5 text-lg font-semibold tracking-tight">
          <Mark />
          Trust Gateway
        </span>
        <ThemeButton />
      </header>
      <main className="mx-auto flex w-full max-w-lg flex-1 flex-col justify-center px-6 pt-6 pb-24 sm:pt-36">
        {props.children}
      </main>
    </div>
  )
}

const ARCHES = [440, 520, 615, 725, 850] as const

function Gate(): ReactElement {
  return (
    <svg
      viewBox="-900 -700 1800 1400"
      className="pointer-events-none absolute bottom-0 left-1/2 -z-10 h-[max(100dvh,60rem)] -translate-x-1/2 max-sm:hidden"
      fill="none"
      stroke="var(--line)"
      strokeWidth="1.5"
      aria-hidden="true"
    >
      <path d="M-440 700V-70a440 440 0 0 1 880 0V700z" fill="var(--raised)" />
      {ARCHES.map((radius) => (
        <path
          key={radius}
          d={`M${-radius} 700V-70a${radius} ${radius} 0 0 1 ${2 * radius} 0V700`}
        />
      ))}
    </svg>
  )
}
