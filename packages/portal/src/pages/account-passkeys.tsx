import { type ReactElement, useEffect, useRef, useState } from 'react'
import { usePortal } from '../app/context.ts'
import type { OwnPasskey } from '../ports/account-shapes.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Icon } from '../ui/icons.tsx'
import { Notice } from '../ui/notice.tsx'
import { PasskeyForm } from './passkey-form.tsx'

const NAME_MAX_CHARS = 80

const WORDS = {
  login: {
    title: 'Sign-in passkeys',
    text: 'Each of them gets you in, and approves nothing. Keep two, on two devices.',
    add: 'Add a sign-in passkey',
  },
  approval: {
    title: 'Approval passkeys',
    text: 'They sign what you decide. A new one counts once an admin has compared and pinned it.',
    add: 'Add an approval passkey',
  },
} as const

/** The passkeys of one purpose, and another one. */
export function OwnPasskeys(props: {
  readonly purpose: OwnPasskey['purpose']
  readonly passkeys: readonly OwnPasskey[]
}): ReactElement {
  const { purpose, passkeys } = props
  const [isAdding, setAdding] = useState(false)
  const words = WORDS[purpose]
  const title = `passkeys-${purpose}`
  return (
    <section aria-labelledby={title} className="sheet px-5 py-6 lg:px-8">
      <h2 id={title} className="text-xl font-semibold tracking-tight">
        {words.title}
      </h2>
      <p className="mt-1 text-soft">{words.text}</p>
      <ul className="mt-4">
        {passkeys.map((passkey) => (
          <li key={passkey.id} className="border-t border-line py-4">
            <Passkey passkey={passkey} isLast={purpose === 'login' && passkeys.length === 1} />
          </li>
        ))}
      </ul>
      {isAdding ? (
        <div className="border-t border-line pt-4">
          <NameForm purpose={purpose} onBack={() => setAdding(false)} />
        </div>
      ) : (
        <button type="button" className="button" onClick={() => setAdding(true)}>
          <Icon name="plus" />
          {words.add}
        </button>
      )}
    </section>
  )
}

function Passkey(props: { readonly passkey: OwnPasskey; readonly isLast: boolean }): ReactElement {
  const { passkey, isLast } = props
  const [doing, setDoing] = useState<'renaming' | 'removing' | undefined>()
  const name = passkey.name ?? 'Unnamed passkey'
  const back = (): void => setDoing(undefined)
  if (doing === 'renaming') {
    return <NameForm purpose={passkey.purpose} passkey={passkey} onBack={back} />
  }
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <div className="min-w-0">
          <h3 className="font-semibold [overflow-wrap:anywhere]">
            <Hardened text={name} />
          </h3>
          <p className="text-sm text-soft">{historyOf(passkey)}</p>
        </div>
        {doing === 'removing' ? null : (
          <div className="-mx-2.5 flex">
            <button
              type="button"
              className="button button-quiet"
              onClick={() => setDoing('renaming')}
            >
              Rename<span className="sr-only"> {name}</span>
            </button>
            {isLast ? (
              <span className="self-center px-2.5 text-sm text-soft">Your only one</span>
            ) : (
              <button
                type="button"
                className="button button-quiet text-red"
                onClick={() => setDoing('removing')}
              >
                Remove<span className="sr-only"> {name}</span>
              </button>
            )}
          </div>
        )}
      </div>
      {doing === 'removing' ? <RemoveForm passkey={passkey} name={name} onBack={back} /> : null}
    </div>
  )
}

function historyOf({ created_at, used_at, purpose }: OwnPasskey): string {
  const made = `Made ${new Date(created_at).toLocaleDateString()}`
  if (purpose === 'approval') return made
  if (used_at === null) return `${made}, not used since`
  return `${made}, last used ${new Date(used_at).toLocaleString()}`
}

/** Names a new passkey, or an old one anew. */
function NameForm(props: {
  readonly purpose: OwnPasskey['purpose']
  readonly passkey?: OwnPasskey
  readonly onBack: () => void
}): ReactElement {
  const { purpose, passkey, onBack } = props
  const { account } = usePortal()
  const [name, setName] = useState(passkey?.name ?? '')
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  const given = name.trim()
  return (
    <PasskeyForm
      label={passkey === undefined ? WORDS[purpose].add : 'Rename the passkey'}
      confirm={passkey === undefined ? 'Make passkey' : 'Rename'}
      isReady={given !== ''}
      takesPasskey={passkey === undefined}
      sign={() =>
        passkey === undefined ? account.add(purpose, given) : account.rename(passkey.id, given)
      }
      onBack={onBack}
    >
      <label className="flex flex-col gap-1.5 font-semibold">
        Name
        <input
          ref={field}
          className="field font-normal"
          maxLength={NAME_MAX_CHARS}
          placeholder="The device or the place that keeps it"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
    </PasskeyForm>
  )
}

function RemoveForm(props: {
  readonly passkey: OwnPasskey
  readonly name: string
  readonly onBack: () => void
}): ReactElement {
  const { passkey, name, onBack } = props
  const { account } = usePortal()
  return (
    <PasskeyForm
      label={`Remove ${name}`}
      confirm="Remove passkey"
      isReady
      sign={() => account.remove(passkey.id)}
      onBack={onBack}
    >
      <Notice tone="warn" title="This cannot be undone">
        {passkey.purpose === 'login'
          ? 'It signs you in no more, and all your other sessions end.'
          : 'This portal takes no decision by it any more, and executors are told never to believe it again.'}
      </Notice>
    </PasskeyForm>
  )
}
