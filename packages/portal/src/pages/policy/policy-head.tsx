import { ago } from '@trustgw/card'
import type { ReactElement } from 'react'
import { useNow, usePortal } from '../../app/context.ts'
import { takeUpOf, takeUpWords } from '../../logic/policy-status.ts'
import { isVerified, sealWords } from '../../logic/policy-words.ts'
import { Icon } from '../../ui/icons.tsx'
import { useDeskState } from './desk-context.ts'

/** Which bundle is the newest, who sealed it, and who decides by it. */
export function PolicyHead(): ReactElement {
  return (
    <header className="flex flex-wrap items-baseline gap-x-5 gap-y-2 px-4 sm:px-0">
      <h1 className="text-2xl font-semibold tracking-tight">Policy</h1>
      <InForce />
    </header>
  )
}

function InForce(): ReactElement | null {
  const { answer } = useDeskState()
  const now = useNow(usePortal().serverNow, 30_000)
  if (answer === undefined) return null
  const { in_force } = answer
  if (in_force === null) {
    return <p className="font-semibold text-red">No policy is in force.</p>
  }
  const seal = sealWords(in_force.sealed_by)
  return (
    <div className="flex min-w-0 flex-wrap items-baseline gap-x-5 gap-y-1">
      <p>
        <span className="font-semibold">Epoch {in_force.epoch}</span>
        <span className="text-soft">
          , made {ago(in_force.issued_at, now)},{' '}
          <span className={isVerified(in_force.sealed_by) ? '' : 'font-semibold text-red'}>
            {seal.text}
            {seal.person}
          </span>
        </span>
      </p>
      <ul className="flex flex-wrap gap-x-4 gap-y-1">
        {takeUpOf(answer, in_force).map((one) => {
          const isTaken = one.state === 'taken_up'
          return (
            <li
              key={one.name}
              title={`${one.name} ${takeUpWords(one)}`}
              className={`flex items-center gap-1.5 text-sm font-semibold ${isTaken ? 'text-green' : 'text-amber'}`}
            >
              <Icon name={isTaken ? 'check' : 'warning'} size={15} />
              {one.name}
              <span className={isTaken ? 'sr-only' : 'font-normal'}>{takeUpWords(one)}</span>
            </li>
          )
        })}
      </ul>
    </div>
  )
}
