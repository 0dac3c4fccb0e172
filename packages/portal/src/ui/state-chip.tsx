import { type StateView, stateView } from '@trustgw/card'
import type { ActionState } from '@trustgw/protocol'
import type { ReactElement } from 'react'
import { Icon, type IconName } from './icons.tsx'

const TONES: Readonly<Record<StateView['tone'], { icon: IconName; look: string }>> = {
  waiting: { icon: 'clock', look: 'bg-amber-wash text-amber' },
  moving: { icon: 'arrow', look: 'bg-brand-wash text-brand' },
  good: { icon: 'check', look: 'bg-green-wash text-green' },
  bad: { icon: 'cross', look: 'bg-red-wash text-red' },
  stopped: { icon: 'stop', look: 'bg-sunken text-soft' },
  unsure: { icon: 'question', look: 'bg-amber-wash text-amber' },
}

/** A state by word, shape and colour. */
export function StateChip({ state }: { readonly state: ActionState }): ReactElement {
  const { label, tone } = stateView(state)
  const { icon, look } = TONES[tone]
  return (
    <span className={`chip ${look}`}>
      <Icon name={icon} size={14} />
      {label}
    </span>
  )
}
