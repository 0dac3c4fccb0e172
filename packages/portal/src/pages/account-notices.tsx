import { type ReactElement, useState } from 'react'
import { usePortal } from '../app/context.ts'
import type { NotifierState } from '../ports/notifier.ts'

const WORDS: Readonly<Record<NotifierState, string>> = {
  on: 'While no page of the portal is in sight, this browser tells you of each new request: its tool and its code, no arguments. Once every page of the portal is closed, it tells you of nothing.',
  off: 'This browser tells you of nothing while no page of the portal is in sight.',
  blocked:
    'This browser was told not to show notifications of this page. Its settings for the page change that.',
  unsupported:
    'Pages of this browser have no notifications. On an iPhone, add the portal to the home screen first; elsewhere link a chat, which tells you of requests.',
}

/** Whether this browser tells of new requests; a choice for this device alone. */
export function OwnNotices(): ReactElement {
  const { notifier } = usePortal().ports
  const [state, setState] = useState(notifier.state)
  const change = async (): Promise<void> => {
    if (state === 'on') notifier.turnOff()
    else await notifier.turnOn()
    setState(notifier.state())
  }
  return (
    <section aria-labelledby="notices" className="sheet flex flex-col gap-3 px-5 py-6 lg:px-8">
      <h2 id="notices" className="text-xl font-semibold tracking-tight">
        Notifications on this device
      </h2>
      <p className="text-soft">{WORDS[state]}</p>
      {state === 'on' || state === 'off' ? (
        <button type="button" className="button self-start" onClick={() => void change()}>
          {state === 'on' ? 'Turn notifications off' : 'Turn notifications on'}
        </button>
      ) : null}
    </section>
  )
}
