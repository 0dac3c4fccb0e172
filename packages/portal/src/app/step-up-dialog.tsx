import { type ReactElement, useEffect, useRef } from 'react'
import { PasskeyForm } from '../pages/passkey-form.tsx'
import { usePortal, usePortalState } from './context.ts'

/** Asks for the sign-in passkey again; what waited for it then goes on by itself. */
export function StepUpDialog(): ReactElement {
  const { stepUp } = usePortal()
  const { steppingUp } = usePortalState()
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (steppingUp) dialog.current?.showModal()
    else dialog.current?.close()
  }, [steppingUp])
  return (
    <dialog
      ref={dialog}
      aria-labelledby="step-up-title"
      onCancel={stepUp.close}
      className="sheet m-auto w-[calc(100%-1rem)] max-w-md p-5 text-ink backdrop:bg-black/50 sm:p-7"
    >
      {steppingUp ? (
        <PasskeyForm
          label="Use your sign-in passkey again"
          confirm="Use sign-in passkey"
          isReady
          sign={() => stepUp.prove()}
          onBack={stepUp.close}
        >
          <h2 id="step-up-title" className="text-xl font-semibold tracking-tight">
            Is it still you?
          </h2>
          <p className="text-soft">
            What you asked for changes who can get in. It takes the passkey that you sign in with,
            then goes on by itself. You are not asked again for five minutes.
          </p>
        </PasskeyForm>
      ) : null}
    </dialog>
  )
}
