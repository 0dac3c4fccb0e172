import { type ReactElement, type ReactNode, useEffect, useRef, useState } from 'react'
import { usePortal } from '../app/context.ts'
import type { FreezeWish } from '../logic/freezes.ts'
import { PasskeyForm } from './passkey-form.tsx'

const REASON_MAX_CHARS = 500

/** A button, then a reason, then the passkey: a freeze, a thaw or a revocation of exactly what is named. */
export function SignedOrder(props: {
  /** On the button, without what it is about. */
  readonly ask: string
  /** What it is about, for the form's name and screen readers. */
  readonly about: string
  readonly confirm: string
  readonly why: string
  readonly wish: (reason: string) => FreezeWish
  /** Nothing undoes it. */
  readonly isFinal?: boolean
  readonly children: ReactNode
}): ReactElement {
  const { ask, about, confirm, why, wish, isFinal = false, children } = props
  const portal = usePortal()
  const [isOpen, setOpen] = useState(false)
  const [reason, setReason] = useState('')
  const button = useRef<HTMLButtonElement>(null)
  const field = useRef<HTMLTextAreaElement>(null)
  useEffect(() => {
    if (isOpen) field.current?.focus()
  }, [isOpen])
  const line = reason.replaceAll(/\s+/g, ' ').trim()
  const back = (): void => {
    setOpen(false)
    setReason('')
    requestAnimationFrame(() => button.current?.focus())
  }
  if (!isOpen) {
    return (
      <button
        ref={button}
        type="button"
        className={`button self-start ${isFinal ? 'text-red' : ''}`}
        onClick={() => setOpen(true)}
      >
        {ask}…<span className="sr-only"> {about}</span>
      </button>
    )
  }
  return (
    <div className="basis-full">
      <PasskeyForm
        label={`${ask} ${about}`}
        confirm={confirm}
        isReady={line !== ''}
        sign={() => portal.freezes.sign(wish(line))}
        onBack={back}
      >
        <label className="flex flex-col gap-1.5 font-semibold">
          {why}
          <textarea
            ref={field}
            className="field font-normal"
            rows={2}
            required
            maxLength={REASON_MAX_CHARS}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        </label>
        {children}
      </PasskeyForm>
    </div>
  )
}

/** Ends what a tool, an agent or a key may do, for good. */
export function RevokeOrder(props: {
  readonly kind: 'agent' | 'key' | 'tool'
  readonly name: string
  readonly children: ReactNode
}): ReactElement {
  const { kind, name, children } = props
  return (
    <SignedOrder
      ask={kind === 'agent' ? 'Revoke for good' : `Revoke this ${kind}`}
      about={name}
      confirm="Revoke with passkey"
      why="Why, for the record?"
      wish={(reason) => ({ order: 'freeze', scope: { kind, name }, reason, final: true })}
      isFinal
    >
      {children}
    </SignedOrder>
  )
}
