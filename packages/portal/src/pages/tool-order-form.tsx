import type { ToolOrder } from '@trustgw/protocol'
import { type ReactElement, useRef, useState } from 'react'
import { usePortal } from '../app/context.ts'
import type { ListedContract } from '../ports/shapes.ts'
import { ReasonForm } from './reason-form.tsx'

const WORDS = {
  release: { ask: 'Release this contract', confirm: 'Release it', why: 'What did you check?' },
  quarantine: { ask: 'Stop this tool', confirm: 'Stop it', why: 'Why do you stop it?' },
} as const

/** A button, then a reason, then the order: about exactly the contract that is shown. */
export function ToolOrderForm(props: {
  readonly tool: ListedContract
  readonly order: ToolOrder['order']
}): ReactElement {
  const { order } = props
  const { tool_id, contract_hash } = props.tool
  const portal = usePortal()
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const back = (): void => {
    setOpen(false)
    requestAnimationFrame(() => button.current?.focus())
  }
  if (open) {
    return (
      <ReasonForm
        id={`order-${tool_id}`}
        label={WORDS[order].why}
        note="Goes on the record with your name."
        confirm={WORDS[order].confirm}
        send={async (reason) => {
          const problem = await portal.orderTool({ tool_id, contract_hash, order, reason })
          if (problem === undefined) back()
          return problem
        }}
        onBack={back}
      />
    )
  }
  return (
    <button ref={button} type="button" className="button self-start" onClick={() => setOpen(true)}>
      {WORDS[order].ask}…<span className="sr-only"> {tool_id}</span>
    </button>
  )
}
