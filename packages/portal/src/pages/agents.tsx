import { ago } from '@trustgw/card'
import { POLICY_ADMIN_ROLE } from '@trustgw/protocol'
import { type ReactElement, useEffect, useRef, useState } from 'react'
import { useNow, usePortal, usePortalState } from '../app/context.ts'
import { type AgentView, agentViews, type KeyState, keyWords } from '../logic/agents.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Blank, Notice, Waiting } from '../ui/notice.tsx'
import { AgentForm } from './agent-form.tsx'
import { RevokeOrder, SignedOrder } from './signed-order.tsx'

const LOOKS: Readonly<Record<KeyState, { readonly words: string; readonly look: string }>> = {
  active: { words: 'Active', look: 'bg-green-wash text-green' },
  paused: { words: 'Paused', look: 'bg-amber-wash text-amber' },
  waiting: { words: 'Waits for an executor', look: 'bg-amber-wash text-amber' },
  expired: { words: 'Its time is over', look: 'bg-sunken text-soft' },
  revoked: { words: 'Revoked', look: 'bg-red-wash text-red' },
}

/** Who may propose, by which keys and within which limits; and how an admin changes that. */
export function AgentsPage(): ReactElement {
  const portal = usePortal()
  const { agents, agentsProblem, freezes } = usePortalState()
  const now = useNow(portal.serverNow, 15_000)
  useEffect(() => {
    void portal.agents.load()
    void portal.freezes.load()
  }, [portal])
  if (agents === undefined && agentsProblem === undefined) {
    return <Waiting text="Fetching the agents…" page="Agents" />
  }
  const views = agentViews(agents ?? [], freezes ?? [], now)
  return (
    <div className="mx-auto max-w-3xl px-3 py-6 lg:px-8 lg:py-8">
      <h1 className="px-2 text-2xl font-semibold tracking-tight">Agents</h1>
      <p className="mt-1 px-2 text-soft">
        An agent only proposes. Policy says what it may do; this page says who it is.
      </p>
      {agentsProblem === undefined ? null : (
        <div className="mt-4">
          <Notice tone="bad" title={agentsProblem} alert />
        </div>
      )}
      <Registration />
      {agents !== undefined && views.length === 0 ? (
        <Blank title="No agents yet">
          <p>An admin registers one here, or by the command trustgw agents add.</p>
        </Blank>
      ) : null}
      <ul className="mt-5 flex flex-col gap-5">
        {views.map((view) => (
          <li key={view.agent}>
            <Agent view={view} now={now} />
          </li>
        ))}
      </ul>
    </div>
  )
}

function useIsAdmin(): boolean {
  return usePortalState().session?.person.roles.includes(POLICY_ADMIN_ROLE) ?? false
}

/** For a new agent, or with `agent` for another key of one that is there. */
function Registration({ agent }: { readonly agent?: AgentView }): ReactElement | null {
  const isAdmin = useIsAdmin()
  const [isOpen, setOpen] = useState(false)
  const [made, setMade] = useState<string>()
  const button = useRef<HTMLButtonElement>(null)
  if (!isAdmin) return null
  const back = (): void => {
    setOpen(false)
    requestAnimationFrame(() => button.current?.focus())
  }
  if (made !== undefined) return <MadeKey text={made} onDone={() => setMade(undefined)} />
  if (isOpen) {
    return (
      <div className={agent === undefined ? 'sheet mt-5 px-5 py-6 lg:px-8' : 'basis-full'}>
        <h2 className="mb-4 text-xl font-semibold tracking-tight">
          {agent === undefined ? 'Register an agent' : `A new key of ${agent.agent}`}
        </h2>
        <AgentForm agent={agent} shown={setMade} onBack={back} />
      </div>
    )
  }
  return (
    <button
      ref={button}
      type="button"
      className={agent === undefined ? 'button button-primary mt-4 ml-2' : 'button'}
      onClick={() => setOpen(true)}
    >
      {agent === undefined ? 'Register an agent…' : 'New key…'}
      {agent === undefined ? null : <span className="sr-only"> of {agent.agent}</span>}
    </button>
  )
}

/** The only time that anybody sees it: it was made in this browser. */
function MadeKey(props: { readonly text: string; readonly onDone: () => void }): ReactElement {
  const [isCopied, setCopied] = useState(false)
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => box.current?.focus(), [])
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(props.text).then(
      () => setCopied(true),
      () => setCopied(false),
    )
  }
  return (
    <div ref={box} tabIndex={-1} className="mt-4 basis-full">
      <Notice tone="good" title="The key of the agent, shown only now">
        <p>
          Give it to the agent and nobody else. The server has its hash and cannot show it again.
        </p>
        <p className="data mt-2 rounded-lg bg-sunken px-3 py-2 [overflow-wrap:anywhere]">
          {props.text}
        </p>
        <div className="mt-3 flex flex-wrap gap-2">
          <button type="button" className="button" onClick={() => void copy()}>
            {isCopied ? 'Copied' : 'Copy'}
          </button>
          <button type="button" className="button" onClick={props.onDone}>
            I have stored it
          </button>
        </div>
      </Notice>
    </div>
  )
}

function Agent(props: { readonly view: AgentView; readonly now: number }): ReactElement {
  const { view, now } = props
  const title = `agent-${view.agent}`
  return (
    <article aria-labelledby={title} className="sheet flex flex-col gap-4 px-5 py-6 lg:px-8">
      <header>
        <div className="flex flex-wrap items-center justify-between gap-2">
          <h2 id={title} className="text-xl font-semibold tracking-tight [overflow-wrap:anywhere]">
            <Hardened text={view.agent} />
          </h2>
          <State state={view.state} />
        </div>
        <p className="text-soft [overflow-wrap:anywhere]">
          {view.title === view.agent ? null : (
            <>
              <Hardened text={view.title} />
              {', '}
            </>
          )}
          {view.on_behalf_of === null ? 'for nobody in particular' : `for ${view.on_behalf_of}`}
          <LastSeen agent={view.agent} now={now} />
        </p>
      </header>
      {view.pauses.map(({ hash, reason, who }) => (
        <Notice key={hash} tone="warn" title={`Paused by ${who}`}>
          {reason === null ? null : (
            <p>
              “<Hardened text={reason} />”
            </p>
          )}
        </Notice>
      ))}
      <ul className="flex flex-col">
        {view.keys.map((key) => (
          <li key={key.key_id} className="border-t border-line py-3 last:pb-0">
            <Key of={key} isOnlyOne={view.keys.length === 1} />
          </li>
        ))}
      </ul>
      <Orders view={view} />
    </article>
  )
}

function State({ state }: { readonly state: KeyState }): ReactElement {
  return <span className={`chip ${LOOKS[state].look}`}>{LOOKS[state].words}</span>
}

/** As far as the feed of this page goes back. */
function LastSeen(props: { readonly agent: string; readonly now: number }): ReactElement | null {
  const { feed } = usePortalState()
  let seen = 0
  for (const event of feed.events.values()) {
    if (event.agent === props.agent) seen = Math.max(seen, event.at)
  }
  return seen === 0 ? null : <>, seen {ago(seen, props.now)}</>
}

function Key(props: {
  readonly of: AgentView['keys'][number]
  readonly isOnlyOne: boolean
}): ReactElement {
  const { of: key, isOnlyOne } = props
  const isAdmin = useIsAdmin()
  const facts = keyWords(key)
  return (
    <div className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <h3>
          <span className="label">{key.is_on_bus ? 'Identity on the bus' : 'Key'}</span>{' '}
          <span className="data">{key.key_id}</span>
        </h3>
        {isOnlyOne ? null : <State state={key.state} />}
      </div>
      <p className="text-sm text-soft [overflow-wrap:anywhere]">{facts.join('; ')}</p>
      {isAdmin && !isOnlyOne && key.state !== 'revoked' ? (
        <RevokeOrder kind="key" name={key.key_id}>
          <p className="text-soft">
            Whoever has this key can do nothing with it any more, at once and for good. The other
            keys of the agent stay.
          </p>
        </RevokeOrder>
      ) : null}
    </div>
  )
}

function Orders({ view }: { readonly view: AgentView }): ReactElement | null {
  const isAdmin = useIsAdmin()
  if (view.state === 'revoked') return null
  const [pause] = view.pauses
  return (
    <div className="flex flex-wrap items-start gap-2">
      {pause === undefined ? (
        <SignedOrder
          ask="Pause"
          about={view.agent}
          confirm="Pause with passkey"
          why="Why, for everyone who reads it?"
          wish={(reason) => ({
            order: 'freeze',
            scope: { kind: 'agent', name: view.agent },
            reason,
          })}
        >
          <p className="text-soft">
            Nothing that it proposed starts, at once and at every executor. What runs already goes
            on. An admin resumes it.
          </p>
        </SignedOrder>
      ) : isAdmin ? (
        <SignedOrder
          ask="Resume"
          about={view.agent}
          confirm="Resume with passkey"
          why="What was found, and what was done about it?"
          wish={(reason) => ({ order: 'thaw', freeze: pause.hash, reason })}
        >
          <p className="text-soft">What waited goes on at once.</p>
        </SignedOrder>
      ) : null}
      {isAdmin ? (
        <>
          <Registration agent={view} />
          <RevokeOrder kind="agent" name={view.agent}>
            <p className="text-soft">
              All its keys are worth nothing, at once and for good; what waited for approval is
              denied. Its name is never used again.
            </p>
          </RevokeOrder>
        </>
      ) : null}
    </div>
  )
}
