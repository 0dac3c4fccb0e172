import { type ReactElement, useState } from 'react'
import { usePortal } from '../app/context.ts'
import { Icon } from '../ui/icons.tsx'
import { Notice } from '../ui/notice.tsx'
import { Front } from './front.tsx'

export function SignInPage(): ReactElement {
  const portal = usePortal()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | undefined>()
  const signIn = async (): Promise<void> => {
    setBusy(true)
    setProblem(await portal.signIn())
    setBusy(false)
  }
  return (
    <Front>
      <h1 className="text-4xl font-semibold tracking-tight text-balance">
        Agents propose. You decide.
      </h1>
      <p className="mt-4 text-lg text-soft">
        Sign in with your passkey to see what waits for your decision.
      </p>
      {problem === undefined ? null : (
        <div className="mt-6">
          <Notice tone="bad" title="Not signed in" alert>
            {problem}
          </Notice>
        </div>
      )}
      <button
        type="button"
        className="button button-primary mt-8 min-h-13 text-lg"
        disabled={busy}
        onClick={() => void signIn()}
      >
        <Icon name="key" size={20} />
        {busy ? 'Waiting for your passkey…' : 'Sign in with passkey'}
      </button>
      <p className="mt-6 border-t border-line pt-5 text-soft">
        No passkey here yet? Open the one-time enrolment link that the terminal printed, or ask an
        administrator for one. Signing in signs no approval: what takes a passkey asks for another
        one, each time.
      </p>
    </Front>
  )
}
