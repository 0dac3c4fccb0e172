import type { ApprovalRequest } from '@trustgw/protocol'
import { type ReactElement, useCallback, useEffect, useMemo } from 'react'
import { usePortal, usePortalState } from '../app/context.ts'
import { NavLink } from '../app/nav-link.tsx'
import { navigate } from '../app/router.ts'
import { useShortcuts } from '../app/shortcuts.ts'
import { pendingRequests, stoppableRequests } from '../logic/feed.ts'
import { mayRead } from '../logic/roles.ts'
import type { PortalState } from '../state/portal-state.ts'
import { LongList } from '../ui/long-list.tsx'
import { Blank, Waiting } from '../ui/notice.tsx'
import { Card } from './card.tsx'
import { RequestItem } from './request-item.tsx'

/** As many of the most urgent ones come first; then the others. */
const URGENT_COUNT = 50
/** Height of one item and its gap. */
const ITEM_PX = 96
const WIDE = '(min-width: 64rem)'

/** A list and one card; on a phone one or the other. The choice never moves by itself. */
export function ApprovalsPage({ id }: { readonly id: string | undefined }): ReactElement {
  const state = usePortalState()
  const pending = pendingRequests(state.feed)
  const stoppable = stoppableRequests(state.feed)
  useFirstChoice(id, pending)
  useListKeys(id, pending)
  if (!mayRead(state.session?.person)) return <NothingToRead />
  if (state.loaded === 'no' && state.snapshotProblem === undefined) {
    return <Waiting text="Fetching what waits for you…" page="Approvals" />
  }
  if (id === undefined && pending.length + stoppable.length === 0) return <NothingWaits />
  return (
    <div className="lg:grid lg:grid-cols-[21rem_minmax(0,1fr)]">
      <section
        aria-labelledby="list-title"
        className={`border-line lg:sticky lg:top-[var(--banner)] lg:h-[calc(100dvh-var(--banner))] lg:overflow-y-auto lg:border-r ${
          id === undefined ? '' : 'max-lg:hidden'
        }`}
      >
        <h1 id="list-title" className="px-5 pt-6 pb-3 text-xl font-semibold tracking-tight">
          {titleOf(pending.length, state.loaded)}
        </h1>
        <div className="px-3 pb-6">
          <RequestList requests={pending} current={id} />
        </div>
        {stoppable.length === 0 ? null : (
          <>
            <h2 className="px-5 pt-2 pb-3 font-semibold">Runs by itself soon</h2>
            <div className="px-3 pb-6">
              <RequestList requests={stoppable} current={id} />
            </div>
          </>
        )}
      </section>
      <div className={id === undefined ? 'max-lg:hidden' : ''}>
        {id === undefined ? null : <Card key={id} id={id} next={nextAfter(pending, id)} />}
      </div>
    </div>
  )
}

/** With a plus while more may come than the first ones. */
function titleOf(count: number, loaded: PortalState['loaded']): string {
  if (count === 0) return 'Nothing waits'
  const hasMore = loaded === 'urgent' && count >= URGENT_COUNT
  return `${count}${hasMore ? '+' : ''} waiting for a decision`
}

function RequestList(props: {
  readonly requests: readonly ApprovalRequest[]
  readonly current: string | undefined
}): ReactElement {
  const { requests, current } = props
  return (
    <LongList
      items={requests}
      idOf={({ action_id }) => action_id}
      row={(request) => <RequestItem request={request} current={request.action_id === current} />}
      rowPx={ITEM_PX}
      keep={current}
      rowClass="flow-root"
    />
  )
}

function nextAfter(pending: readonly ApprovalRequest[], id: string): string | undefined {
  return pending.find(({ action_id }) => action_id !== id)?.action_id
}

/** On a desk the first card is open on arrival; later arrivals never take its place. */
function useFirstChoice(id: string | undefined, pending: readonly ApprovalRequest[]): void {
  const first = pending[0]?.action_id
  useEffect(() => {
    if (id === undefined && first !== undefined && matchMedia(WIDE).matches) {
      navigate(`/approvals/${first}`, 'replace')
    }
  }, [id, first])
}

function useListKeys(id: string | undefined, pending: readonly ApprovalRequest[]): void {
  const move = useCallback(
    (step: 1 | -1) => {
      const at = pending.findIndex(({ action_id }) => action_id === id)
      const target = pending[at < 0 ? 0 : Math.min(pending.length - 1, Math.max(0, at + step))]
      if (target === undefined) return
      if (matchMedia(WIDE).matches) navigate(`/approvals/${target.action_id}`, 'replace')
      document.getElementById(`item-${target.action_id}`)?.focus()
    },
    [id, pending],
  )
  const handlers = useMemo(
    () => ({ j: () => move(1), k: () => move(-1), Escape: () => toList(id) }),
    [move, id],
  )
  useShortcuts(handlers)
}

function toList(id: string | undefined): void {
  if (id === undefined) return
  if (!matchMedia(WIDE).matches) navigate('/')
  else document.getElementById(`item-${id}`)?.focus()
}

function NothingToRead(): ReactElement {
  return (
    <Blank title="Your roles show no requests" page="Approvals">
      <p>
        A viewer sees what happens and what runs, without the arguments of any call. An admin
        changes roles.
      </p>
      <p className="mt-5">
        <NavLink className="link" to="/activity">
          See what ran
        </NavLink>
      </p>
    </Blank>
  )
}

function NothingWaits(): ReactElement {
  const portal = usePortal()
  return (
    <Blank title="Nothing waits for you" page="Approvals">
      <p>
        When an agent proposes something that the policy will not let pass alone, it appears here at
        once. You need not reload.
      </p>
      <p className="mt-5 flex justify-center gap-5">
        <NavLink className="link" to="/activity">
          See what ran
        </NavLink>
        <button type="button" className="link" onClick={() => void portal.catchUp()}>
          Look again
        </button>
      </p>
    </Blank>
  )
}
