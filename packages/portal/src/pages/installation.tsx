import { ago } from '@trustgw/card'
import { type ReactElement, type ReactNode, useEffect } from 'react'
import { useNow, usePortal, usePortalState } from '../app/context.ts'
import { NavLink } from '../app/nav-link.tsx'
import { mayRead } from '../logic/roles.ts'
import type { Installation } from '../ports/shapes.ts'
import { Icon } from '../ui/icons.tsx'
import { Notice, Waiting } from '../ui/notice.tsx'
import { Keys } from './key-list.tsx'

const PLACES = [
  { to: '/agents', words: 'Agents and their keys' },
  { to: '/tools', words: 'Tools and their contracts' },
  { to: '/people', words: 'People and their passkeys' },
  { to: '/emergency', words: 'Emergency' },
] as const

/** What runs here, and which protections are really in force. */
export function InstallationPage(): ReactElement {
  const portal = usePortal()
  const { installation, installationProblem } = usePortalState()
  useEffect(() => void portal.loadInstallation(), [portal])
  return (
    <div className="max-w-5xl px-4 py-6 lg:px-8 lg:py-8">
      <h1 className="text-2xl font-semibold tracking-tight">Installation</h1>
      {installationProblem === undefined ? null : (
        <div className="mt-4">
          <Notice tone="bad" title={installationProblem} alert />
        </div>
      )}
      {installation === undefined ? (
        installationProblem === undefined && <Waiting text="Asking the supervisor…" />
      ) : (
        <Parts installation={installation} />
      )}
    </div>
  )
}

function Parts({ installation }: { readonly installation: Installation }): ReactElement {
  const reads = mayRead(usePortalState().session?.person)
  return (
    <div className="mt-5 flex flex-col gap-9">
      <Overview installation={installation} />
      <ul className="flex flex-wrap gap-x-6 gap-y-2">
        {PLACES.filter(({ to }) => reads || to === '/emergency').map(({ to, words }) => (
          <li key={to}>
            <NavLink className="link" to={to}>
              {words}
            </NavLink>
          </li>
        ))}
      </ul>
      <Part title="Processes">
        <Processes installation={installation} />
      </Part>
      <Part title="Protection in force">
        <Isolation installation={installation} />
      </Part>
      <Part title="Signing keys">
        <Keys />
      </Part>
    </div>
  )
}

function Part(props: { readonly title: string; readonly children: ReactNode }): ReactElement {
  return (
    <section aria-label={props.title}>
      <h2 className="mb-2 text-lg font-semibold">{props.title}</h2>
      {props.children}
    </section>
  )
}

function Overview({ installation }: { readonly installation: Installation }): ReactElement {
  const { bus, versions } = installation
  const facts = [
    ['Mode', installation.mode],
    ['Trust Gateway', versions.trustgw],
    ['Node.js', versions.node],
    ['nats-server', bus.version ?? 'unknown'],
    ['Bus', bus.connected ? 'connected' : 'not connected'],
    ['Bus ports', [bus.port, bus.websocket_port].filter((port) => port !== null).join(', ')],
    ['State lies in', installation.state_dir],
  ] as const
  return (
    <dl className="sheet grid grid-cols-2 gap-x-6 gap-y-4 px-5 py-5 sm:grid-cols-4">
      {facts.map(([name, value]) => (
        <div key={name} className={`min-w-0 ${name === 'State lies in' ? 'col-span-2' : ''}`}>
          <dt className="label">{name}</dt>
          <dd className="font-semibold break-words">{value}</dd>
        </div>
      ))}
    </dl>
  )
}

function Processes({ installation }: { readonly installation: Installation }): ReactElement {
  const now = useNow(usePortal().serverNow, 1_000)
  return (
    <ul className="border-t border-line">
      {installation.processes.map((process) => (
        <li
          key={process.name}
          className="grid grid-cols-[minmax(0,1fr)_auto] items-baseline gap-x-6 gap-y-0.5 border-b border-line py-3 sm:grid-cols-[10rem_9rem_7rem_minmax(0,1fr)_8rem]"
        >
          <span className="font-semibold">{process.name}</span>
          <ProcessState state={process.state} />
          <span className="text-soft">{process.pid === null ? '' : `pid ${process.pid}`}</span>
          <span className="text-soft max-sm:text-right">
            {process.started_at === null ? '' : `started ${ago(process.started_at, now)}`}
          </span>
          <span
            className={process.restarts === 0 ? 'text-soft' : 'font-semibold text-amber'}
            {...(process.last_end !== null && { title: `Last ended: ${process.last_end}` })}
          >
            {process.restarts === 1 ? '1 restart' : `${process.restarts} restarts`}
          </span>
        </li>
      ))}
    </ul>
  )
}

function ProcessState({ state }: { readonly state: string }): ReactElement {
  const good = state === 'running' || state === 'ready'
  return (
    <span
      className={`chip justify-self-start ${good ? 'bg-green-wash text-green' : 'bg-amber-wash text-amber'}`}
    >
      <Icon name={good ? 'check' : 'warning'} size={14} />
      {state.replaceAll('_', ' ')}
    </span>
  )
}

function Isolation({ installation }: { readonly installation: Installation }): ReactElement {
  return (
    <ul className="border-t border-line">
      {installation.isolation.map((entry) => (
        <li
          key={entry.name}
          className="grid gap-x-6 gap-y-0.5 border-b border-line py-3 sm:grid-cols-[9.5rem_minmax(0,13rem)_minmax(0,1fr)]"
        >
          <span
            className={`flex items-start gap-2 font-semibold ${entry.in_force ? 'text-green' : 'text-amber'}`}
          >
            <Icon name={entry.in_force ? 'check' : 'warning'} className="mt-0.5" />
            {entry.in_force ? 'In force' : 'Not in force'}
          </span>
          <span className="font-semibold">{entry.name}</span>
          <span className="text-soft">{entry.detail}</span>
        </li>
      ))}
    </ul>
  )
}
