import { type ReactElement, useState } from 'react'
import { usePortal } from '../app/context.ts'
import type { LinkCode, OwnChannel } from '../ports/account-shapes.ts'
import { Countdown } from '../ui/deadline.tsx'
import { Icon } from '../ui/icons.tsx'
import { Notice } from '../ui/notice.tsx'

const TITLES = { telegram: 'Telegram', slack: 'Slack' } as const
/** How long a code holds: where its countdown starts (spec/protocol.md §8). */
const CODE_TTL_MS = 180_000

/** The chats of this installation, and whether this person is known there. */
export function OwnChannels(props: {
  readonly channels: readonly OwnChannel[]
}): ReactElement | null {
  if (props.channels.length === 0) return null
  return (
    <section aria-labelledby="own-channels" className="sheet px-5 py-6 lg:px-8">
      <h2 id="own-channels" className="text-xl font-semibold tracking-tight">
        Chats
      </h2>
      <p className="mt-1 text-soft">
        Requests that you may decide come to a linked account. Whoever holds it can deny them, and
        approve those that take no passkey where the rule names the chat.
      </p>
      <ul className="mt-4">
        {props.channels.map((channel) => (
          <li key={channel.channel} className="border-t border-line py-4">
            <Channel own={channel} />
          </li>
        ))}
      </ul>
    </section>
  )
}

function Channel({ own }: { readonly own: OwnChannel }): ReactElement {
  const { account } = usePortal()
  const [code, setCode] = useState<LinkCode | undefined>()
  const [problem, setProblem] = useState<string | undefined>()
  const [isBusy, setBusy] = useState(false)
  const title = TITLES[own.channel]
  const link = async (): Promise<void> => {
    setBusy(true)
    const answer = await account.linkCode(own.channel)
    setCode(typeof answer === 'string' ? undefined : answer)
    setProblem(typeof answer === 'string' ? answer : undefined)
    setBusy(false)
  }
  const unlink = async (): Promise<void> => {
    setBusy(true)
    setProblem(await account.unlink(own.channel))
    setBusy(false)
  }
  const done = async (): Promise<void> => {
    setCode(undefined)
    await account.load()
  }
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <div className="min-w-0">
          <h3 className="font-semibold">{title}</h3>
          <p className="text-sm text-soft">
            {own.linked_at === null
              ? 'Not linked'
              : `Linked since ${new Date(own.linked_at).toLocaleString()}`}
          </p>
        </div>
        {own.linked_at === null ? (
          <button type="button" className="button" disabled={isBusy} onClick={() => void link()}>
            <Icon name="plus" />
            Link<span className="sr-only"> {title}</span>
          </button>
        ) : (
          <button
            type="button"
            className="button button-quiet -mx-2.5 text-red"
            disabled={isBusy}
            onClick={() => void unlink()}
          >
            Unlink<span className="sr-only"> {title}</span>
          </button>
        )}
      </div>
      {problem === undefined ? null : <Notice tone="bad" title={problem} alert />}
      {code === undefined || own.linked_at !== null ? null : (
        <CodeCard code={code} title={title} onDone={() => void done()} />
      )}
    </div>
  )
}

/** The code and its time: three tries, and it is void. */
function CodeCard(props: {
  readonly code: LinkCode
  readonly title: string
  readonly onDone: () => void
}): ReactElement {
  const { code, title, onDone } = props
  const span = { startMs: code.expires_at - CODE_TTL_MS, endMs: code.expires_at }
  return (
    <div className="flex flex-wrap items-center gap-x-6 gap-y-3">
      <p>
        Send this to the bot in {title}:{' '}
        <strong className="data text-2xl tracking-widest">{code.code}</strong>
      </p>
      <Countdown span={span} />
      <button type="button" className="button button-quiet" onClick={onDone}>
        I sent it
      </button>
    </div>
  )
}
