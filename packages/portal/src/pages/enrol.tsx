import { type FormEvent, type ReactElement, useState } from 'react'
import { usePortal } from '../app/context.ts'
import { problemSentence } from '../logic/problems.ts'
import type { EnrolFinish } from '../ports/shapes.ts'
import { type EnrolmentSecondStep, enrolLogin } from '../state/enrolment.ts'
import { Icon } from '../ui/icons.tsx'
import { Notice } from '../ui/notice.tsx'
import { Front } from './front.tsx'

type Step =
  | { readonly kind: 'login' }
  | { readonly kind: 'approval'; readonly next: EnrolmentSecondStep }
  | { readonly kind: 'done'; readonly result: EnrolFinish }

async function makeApprovalPasskey(next: EnrolmentSecondStep): Promise<Step | string> {
  const made = await next.finish()
  return made.ok ? { kind: 'done', result: made.value } : problemSentence(made.code, made.title)
}

/** Enrolment by a one-time link; its token stays in the fragment and out of every log. */
export function EnrolPage(): ReactElement {
  const portal = usePortal()
  const [token] = useState(takeToken)
  const [step, setStep] = useState<Step>({ kind: 'login' })
  const [name, setName] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | undefined>()

  const run = async (work: () => Promise<Step | string>): Promise<void> => {
    setBusy(true)
    setProblem(undefined)
    const outcome = await work()
    if (typeof outcome === 'string') setProblem(outcome)
    else setStep(outcome)
    setBusy(false)
  }
  const first = async (): Promise<Step | string> => {
    const made = await enrolLogin(portal.ports, token, name.trim())
    return made.ok ? { kind: 'approval', next: made.value } : problemSentence(made.code, made.title)
  }

  if (token === '') return <NoToken />
  if (step.kind === 'done') return <Done result={step.result} />
  return (
    <Front>
      <Steps at={step.kind === 'login' ? 0 : 1} />
      <h1 className="mt-6 text-3xl font-semibold tracking-tight">
        {step.kind === 'login' ? 'Your sign-in passkey' : 'Your approval passkey'}
      </h1>
      <p className="mt-3 text-lg text-soft">
        You get two passkeys, so that whoever gets you to sign in has still not got an approval.
      </p>
      {problem === undefined ? null : (
        <div className="mt-6">
          <Notice tone="bad" title="That did not work" alert>
            {problem}
          </Notice>
        </div>
      )}
      {step.kind === 'login' ? (
        <NameForm name={name} setName={setName} busy={busy} onSubmit={() => void run(first)} />
      ) : (
        <>
          <p className="mt-4">
            This one signs approvals and nothing else. The executor keeps its public key and checks
            every approval against it.
          </p>
          <button
            type="button"
            className="button button-primary mt-8 min-h-13 text-lg"
            disabled={busy}
            onClick={() => void run(() => makeApprovalPasskey(step.next))}
          >
            <Icon name="key" size={20} />
            {busy ? 'Waiting for your device…' : 'Make the approval passkey'}
          </button>
        </>
      )}
    </Front>
  )
}

function takeToken(): string {
  return location.hash.slice(1)
}

function NameForm(props: {
  readonly name: string
  readonly setName: (name: string) => void
  readonly busy: boolean
  readonly onSubmit: () => void
}): ReactElement {
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    if (props.name.trim() !== '') props.onSubmit()
  }
  return (
    <form onSubmit={submit} className="mt-8 flex flex-col gap-2">
      <label htmlFor="name" className="font-semibold">
        Your name
      </label>
      <input
        id="name"
        className="field text-lg"
        autoComplete="name"
        maxLength={64}
        required
        value={props.name}
        onChange={(event) => props.setName(event.target.value)}
      />
      <p className="text-soft">As it stands beside your decisions in the record.</p>
      <button
        type="submit"
        className="button button-primary mt-5 min-h-13 text-lg"
        disabled={props.busy || props.name.trim() === ''}
      >
        <Icon name="key" size={20} />
        {props.busy ? 'Waiting for your device…' : 'Make the sign-in passkey'}
      </button>
    </form>
  )
}

function Steps({ at }: { readonly at: 0 | 1 }): ReactElement {
  return (
    <ol className="flex gap-2" aria-label="Steps">
      {['Sign-in passkey', 'Approval passkey'].map((label, index) => (
        <li
          key={label}
          className={`flex flex-1 items-center gap-2 border-t-4 pt-2 text-sm font-semibold ${
            index <= at ? 'border-brand text-ink' : 'border-line text-soft'
          }`}
          {...(index === at ? { 'aria-current': 'step' as const } : {})}
        >
          {index < at ? (
            <Icon name="check" size={16} className="text-brand" />
          ) : (
            <span>{index + 1}.</span>
          )}
          <span>{label}</span>
          {index < at ? <span className="sr-only"> (made)</span> : null}
        </li>
      ))}
    </ol>
  )
}

function NoToken(): ReactElement {
  return (
    <Front>
      <h1 className="text-3xl font-semibold tracking-tight">Set up your passkeys</h1>
      <div className="mt-6">
        <Notice tone="warn" title="This enrolment link is not complete">
          Copy the whole link from the terminal, with the part after the # sign.
        </Notice>
      </div>
      <a className="link mt-6" href="/">
        Go to sign-in
      </a>
    </Front>
  )
}

function Done({ result }: { readonly result: EnrolFinish }): ReactElement {
  const groups = result.fingerprint.split(/[\s:-]+/)
  return (
    <Front>
      <p className="flex items-center gap-2 font-semibold text-green" role="status">
        <Icon name="check" />
        Both passkeys are made, {result.person.name}.
      </p>
      <h1 className="mt-3 text-3xl font-semibold tracking-tight">Compare with the terminal</h1>
      <p className="mt-3 text-lg text-soft">
        The terminal shows the fingerprint of the approval passkey that the executor has pinned. It
        must be this one, all eight groups.
      </p>
      <p className="sheet mt-6 grid grid-cols-4 gap-x-2 gap-y-3 px-5 py-5 text-center font-mono text-xl sm:text-2xl">
        {groups.map((group, index) => (
          <span key={`${index}-${group}`}>{group}</span>
        ))}
      </p>
      <p className="mt-4 text-soft">
        If they differ, stop: somebody else’s passkey was pinned. Nothing can be approved with
        yours. If there is no terminal, read them out to an admin, who pins your passkey; until then
        your approvals count for nothing.
      </p>
      <a className="button button-primary mt-8 min-h-13 text-lg" href="/">
        They match: open the approvals
      </a>
    </Front>
  )
}
