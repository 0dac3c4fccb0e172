import {
  type FormEvent,
  type ReactElement,
  type RefObject,
  useEffect,
  useRef,
  useState,
} from 'react'
import { usePortal } from '../app/context.ts'
import type { WaitingTerminal } from '../ports/account-shapes.ts'
import type { TerminalVerdict } from '../ports/api.ts'
import { Icon } from '../ui/icons.tsx'
import { Notice } from '../ui/notice.tsx'

const CODE_MAX_CHARS = 12

type Step =
  | { readonly kind: 'typing' }
  | { readonly kind: 'deciding'; readonly terminal: WaitingTerminal }
  | { readonly kind: 'done'; readonly verdict: TerminalVerdict }

/** Where a person lets a terminal in: types the code that it shows, looks, decides. */
export function DevicePage(): ReactElement {
  const { account } = usePortal()
  const [step, setStep] = useState<Step>({ kind: 'typing' })
  const [problem, setProblem] = useState<string | undefined>()
  const [isBusy, setBusy] = useState(false)
  const run = async (work: () => Promise<Step | string>): Promise<void> => {
    setBusy(true)
    const outcome = await work()
    setProblem(typeof outcome === 'string' ? outcome : undefined)
    if (typeof outcome !== 'string') setStep(outcome)
    setBusy(false)
  }
  const look = async (code: string): Promise<Step | string> => {
    const terminal = await account.lookAtTerminal(code)
    return typeof terminal === 'string' ? terminal : { kind: 'deciding', terminal }
  }
  const decide = async (code: string, verdict: TerminalVerdict): Promise<Step | string> =>
    (await account.decideOnTerminal(code, verdict)) ?? { kind: 'done', verdict }
  return (
    <div className="mx-auto max-w-xl px-3 py-6 lg:px-8 lg:py-8">
      <h1 className="px-2 text-2xl font-semibold tracking-tight">Sign in a terminal</h1>
      <div className="sheet mt-5 flex flex-col gap-4 px-5 py-6 lg:px-8">
        {problem === undefined ? null : <Notice tone="bad" title={problem} alert />}
        {step.kind === 'typing' ? (
          <CodeForm isBusy={isBusy} onCode={(code) => void run(() => look(code))} />
        ) : null}
        {step.kind === 'deciding' ? (
          <Decision
            terminal={step.terminal}
            isBusy={isBusy}
            onVerdict={(verdict) => void run(() => decide(step.terminal.user_code, verdict))}
          />
        ) : null}
        {step.kind === 'done' ? <Done verdict={step.verdict} /> : null}
      </div>
    </div>
  )
}

function CodeForm(props: {
  readonly isBusy: boolean
  readonly onCode: (code: string) => void
}): ReactElement {
  const [code, setCode] = useState('')
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    if (code.trim() !== '') props.onCode(code)
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <label htmlFor="user-code" className="font-semibold">
        The code that your terminal shows
      </label>
      <input
        id="user-code"
        className="field font-mono text-2xl tracking-widest uppercase"
        autoComplete="off"
        autoCapitalize="characters"
        spellCheck={false}
        maxLength={CODE_MAX_CHARS}
        required
        aria-describedby="user-code-hint"
        value={code}
        onChange={(event) => setCode(event.target.value)}
      />
      <p id="user-code-hint" className="text-soft">
        Only a code that you asked for yourself, with <span className="data">trustgw login</span>.
        Whoever sends you one wants to act in your name.
      </p>
      <button
        type="submit"
        className="button button-primary self-end"
        disabled={props.isBusy || code.trim() === ''}
      >
        Look at it
      </button>
    </form>
  )
}

/** Takes the focus of the form whose place it takes, so that what is new is read aloud. */
function useFocus<T extends HTMLElement>(): RefObject<T | null> {
  const place = useRef<T>(null)
  useEffect(() => place.current?.focus({ preventScroll: true }), [])
  return place
}

function Decision(props: {
  readonly terminal: WaitingTerminal
  readonly isBusy: boolean
  readonly onVerdict: (verdict: TerminalVerdict) => void
}): ReactElement {
  const { terminal, isBusy, onVerdict } = props
  const title = useFocus<HTMLHeadingElement>()
  return (
    <section aria-labelledby="device-question" className="flex flex-col gap-4">
      <h2
        id="device-question"
        ref={title}
        tabIndex={-1}
        className="text-xl font-semibold tracking-tight"
      >
        Is this the terminal before you?
      </h2>
      <p className="font-mono text-3xl tracking-widest">{terminal.user_code}</p>
      <p>
        It says to be: {terminal.device}. It asked at{' '}
        {new Date(terminal.asked_at).toLocaleTimeString()}.
      </p>
      <p className="text-soft">
        For eight hours it may list requests, deny them, and approve in your name what takes no
        passkey. It may do nothing else. End it under Your account, or with{' '}
        <span className="data">trustgw logout</span>.
      </p>
      <div className="flex flex-wrap justify-end gap-2 sm:gap-3">
        <button
          type="button"
          className="button button-deny"
          disabled={isBusy}
          onClick={() => onVerdict('refuse')}
        >
          It is not mine
        </button>
        <button
          type="button"
          className="button button-primary"
          disabled={isBusy}
          onClick={() => onVerdict('allow')}
        >
          <Icon name="key" />
          Let it in
        </button>
      </div>
    </section>
  )
}

function Done({ verdict }: { readonly verdict: TerminalVerdict }): ReactElement {
  const place = useFocus<HTMLDivElement>()
  return (
    <div ref={place} tabIndex={-1} role="status">
      {verdict === 'allow' ? (
        <Notice tone="good" title="The terminal is signed in">
          It goes on by itself in a moment. You may close this page.
        </Notice>
      ) : (
        <Notice tone="plain" title="The terminal was refused">
          If somebody sent you its code, tell your admin.
        </Notice>
      )}
    </div>
  )
}
