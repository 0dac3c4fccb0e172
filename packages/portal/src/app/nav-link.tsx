import type { MouseEvent, ReactElement, ReactNode } from 'react'
import { navigate } from './router.ts'

/** A link within the portal; a real one, so that a new tab, copying and middle click work. */
export function NavLink(props: {
  readonly to: string
  readonly current?: boolean
  readonly className?: string
  readonly id?: string
  readonly onGo?: () => void
  readonly children: ReactNode
}): ReactElement {
  const go = (event: MouseEvent): void => {
    const elsewhere = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey
    if (elsewhere || event.button !== 0) return
    event.preventDefault()
    navigate(props.to)
    props.onGo?.()
  }
  return (
    <a
      href={props.to}
      className={props.className}
      onClick={go}
      {...(props.id === undefined ? {} : { id: props.id })}
      {...(props.current === true ? { 'aria-current': 'page' as const } : {})}
    >
      {props.children}
    </a>
  )
}
