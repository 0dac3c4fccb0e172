import type { ReactElement, ReactNode } from 'react'
import { ThemeButton } from '../app/shell.tsx'
import { Mark } from '../ui/icons.tsx'

/** Frame of the pages before a session: one column, nothing beside it. */
export function Front(props: { readonly children: ReactNode }): ReactElement {
  return (
    <div className="flex min-h-dvh flex-col">
      <header className="flex items-center justify-between px-5 py-4 lg:px-8">
        <span className="flex items-center gap-2.5 text-lg font-semibold tracking-tight">
          <Mark />
          Trust Gateway
        </span>
        <ThemeButton />
      </header>
      <main className="mx-auto flex w-full max-w-lg flex-1 flex-col justify-center px-5 pb-24">
        {props.children}
      </main>
    </div>
  )
}
