import type { ToolOrder } from '@trustgw/protocol'
import { type FormEvent, type ReactElement, useEffect, useRef, useState } from 'react'
import { usePortal } from '../app/context.ts'
import type { ListedContract } from '../ports/shapes.ts'
import { Notice } from '../ui/notice.tsx'

const REASON_MAX_CHARS = 500

const WORDS = {
  release: { ask: 'Release this contract', confirm: 'Release it', why: 'What did you check?' },
  quarantine: { ask: 'Stop this tool', confirm: 'Stop it', why: 'Why do you stop it?' },
} as const

interface OrderProps {
  readonly tool: ListedContract
  readonly order: ToolOrder['order']
}

/** A button, then a reason, then the order: about exactly the contract that is shown. */
export function ToolOrderForm({ tool, order }: OrderProps): ReactElement {
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  if (open) {
    const back = (): void => {
      setOpen(false)
      requestAnimationFrame(() => button.current?.focus())
    }
    return <Confirm tool={tool} order={order} onBack={back} />
  }
  return (
    <button ref={button} type="button" className="button self-start" onClick={() => setOpen(true)}>
      {WORDS[order].ask}…<span className="sr-only"> {tool.tool_id}</span>
    </button>
  )
}

function Confirm(props: OrderProps & { readonly onBack: () => void }): ReactElement {
  const { tool, order, onBack } = props
  const portal = usePortal()
  const [reason, setReason] = useState('')
  const [status, setStatus] = useState<'idle' | 'sending' | { readonly problem: string }>('idle')
  const field = useRef<HTMLTextAreaElement>(null)
  useEffect(() => field.current?.focus({ preventScroll: true }), [])
  const line = reason.replaceAll(/\s+/g, ' ').trim()
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    if (line === '' || status === 'sending') return
    setStatus('sending')
    const { tool_id, contract_hash } = tool
    const problem = await portal.orderTool({ tool_id, contract_hash, order, reason: line })
    if (problem === undefined) onBack()
    else setStatus({ problem })
  }
  const id = `order-${tool.tool_id}`
  return (
    <form
      onSubmit={(event) => void submit(event)}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onBack()
      }}
      className="flex flex-col gap-3"
    >
      <label htmlFor={id} className="font-semibold">
        {WORDS[order].why}
      </label>
      <textarea
        id={id}
        ref={field}
        className="field"
        rows={2}
        required
        maxLength={REASON_MAX_CHARS}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      {typeof status === 'string' ? null : <Notice tone="bad" title={status.problem} alert />}
      <div className="flex flex-wrap items-center justify-end gap-3">
        <p className="flex-1 basis-full text-sm text-soft sm:basis-40">
          Goes on the record with your name.
        </p>
        <button type="button" className="button" onClick={onBack}>
          Back
        </button>
        <button
          type="submit"
          className="button button-primary"
          disabled={line === '' || status === 'sending'}
        >
          {WORDS[order].confirm}
        </button>
      </div>
    </form>
  )
}
