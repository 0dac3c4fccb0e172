import type { ReactElement } from 'react'
import { Icon } from '../ui/icons.tsx'
import { usePortal } from './context.ts'

/** On every page: the way to stop new calls is never more than one press away. */
export function FreezeButton({ compact = false }: { readonly compact?: boolean }): ReactElement {
  const portal = usePortal()
  return (
    <button
      type="button"
      aria-haspopup="dialog"
      title="Stop new calls"
      className={`button button-deny whitespace-nowrap ${compact ? 'button-quiet' : ''}`}
      onClick={() => portal.freezes.ask({ kind: 'tenant' })}
    >
      <Icon name="freeze" />
      <span className={compact ? 'max-sm:sr-only' : ''}>Freeze…</span>
    </button>
  )
}
