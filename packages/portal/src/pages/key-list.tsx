import { ago } from '@trustgw/card'
import { type ReactElement, useEffect } from 'react'
import { useNow, usePortal, usePortalState } from '../app/context.ts'
import type { ListedSystemKey } from '../ports/shapes.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Icon } from '../ui/icons.tsx'
import { Notice, Waiting } from '../ui/notice.tsx'

/** What a role signs, in the words of people who do not know the protocol. */
const ROLES: ReadonlyMap<string, string> = new Map([
  ['grant', 'grants'],
  ['host', 'what people decided'],
  ['session', 'sessions of people'],
  ['result', 'results of tools'],
  ['audit', 'events on record'],
  ['log', 'the state of the log'],
])

const STANDINGS = {
  active: { words: 'Believed', look: 'bg-green-wash text-green', icon: 'check' },
  not_yet: { words: 'Not yet', look: 'bg-sunken text-soft', icon: 'question' },
  ended: { words: 'Ended', look: 'bg-sunken text-soft', icon: 'question' },
  revoked: { words: 'Revoked', look: 'bg-red-wash text-red', icon: 'warning' },
} as const

/** Who may sign what here, by the newest set of keys that the host verified; history is folded away. */
export function Keys(): ReactElement {
  const portal = usePortal()
  const { keys: set, keysProblem } = usePortalState()
  useEffect(() => void portal.keys.load(), [portal])
  if (set === undefined) {
    return keysProblem === undefined ? (
      <Waiting text="Asking for the keys…" />
    ) : (
      <Notice tone="bad" title={keysProblem} alert />
    )
  }
  const past = set.keys.filter(({ status }) => status === 'ended' || status === 'revoked')
  const present = set.keys.filter((key) => !past.includes(key))
  return (
    <>
      {keysProblem === undefined ? null : <Notice tone="bad" title={keysProblem} alert />}
      <p className="mb-2 text-soft">
        Set {set.epoch}, signed by the {set.signed_by === 'operator' ? 'operator' : 'rotation key'}.
        Private halves never leave their process; compare a fingerprint with{' '}
        <code>trustgw keys list</code>.
      </p>
      <KeyRows keys={present} />
      {past.length === 0 ? null : (
        <details className="mt-3">
          <summary className="link cursor-pointer">
            {past.length === 1 ? '1 key of the past' : `${past.length} keys of the past`}
          </summary>
          <KeyRows keys={past} />
        </details>
      )}
    </>
  )
}

function KeyRows({ keys }: { readonly keys: readonly ListedSystemKey[] }): ReactElement {
  const now = useNow(usePortal().serverNow, 10_000)
  return (
    <ul className="border-t border-line">
      {keys.map((key) => (
        <li
          key={key.kid}
          className="grid gap-x-6 gap-y-0.5 border-b border-line py-3 sm:grid-cols-[7rem_minmax(0,14rem)_minmax(0,1fr)_minmax(0,11rem)]"
        >
          <Standing status={key.status} />
          <span className="min-w-0">
            <span className="block font-semibold">{key.component}</span>
            <span className="block text-soft">signs {ROLES.get(key.role) ?? key.role}</span>
          </span>
          <span className="data min-w-0 break-all">
            <Hardened text={key.kid} />
            <span className="block text-soft">{key.fingerprint}</span>
          </span>
          <span className="text-soft sm:text-right">{spanOf(key, now)}</span>
        </li>
      ))}
    </ul>
  )
}

function Standing({ status }: Pick<ListedSystemKey, 'status'>): ReactElement {
  const { words, look, icon } = STANDINGS[status]
  return (
    <span className={`chip justify-self-start self-start ${look}`}>
      <Icon name={icon} size={14} />
      {words}
    </span>
  )
}

function spanOf({ since, status, until }: ListedSystemKey, now: number): string {
  if (status === 'not_yet') return `from ${dateOf(since)}`
  if (status === 'revoked') return until === null ? 'revoked' : `revoked ${ago(until, now)}`
  if (until === null) return `since ${dateOf(since).slice(0, 10)}`
  return status === 'ended' ? `ended ${ago(until, now)}` : `until ${dateOf(until)}`
}

const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ')
