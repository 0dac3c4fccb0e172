import {
  type CardReview,
  mismatchSentence,
  type ReviewedRequest,
  type ReviewRefusal,
  reviewCard,
} from '@trustgw/card'
import type { ActionEvent, ActionState, ApprovalRequest } from '@trustgw/protocol'
import { type ReactElement, useEffect, useMemo } from 'react'
import { usePortal, usePortalState } from '../app/context.ts'
import { NavLink } from '../app/nav-link.tsx'
import { loadEarlier } from '../state/load-earlier.ts'
import type { EarlierView } from '../state/portal-state.ts'
import { Countdown, DeadlineBar } from '../ui/deadline.tsx'
import { Hardened } from '../ui/hardened.tsx'
import { HeldNotice } from '../ui/held.tsx'
import { Icon } from '../ui/icons.tsx'
import { Blank, Notice } from '../ui/notice.tsx'
import { BigAmount } from './amount-line.tsx'
import { Arguments } from './card-arguments.tsx'
import { Attention } from './card-attention.tsx'
import { Compare, Consequences, Facts, Hashes, Reason } from './card-facts.tsx'
import { CARD_TITLE_ID } from './card-focus.ts'
import { Precondition } from './card-precondition.tsx'
import { Summary } from './card-summary.tsx'
import { Progress } from './progress.tsx'
import { StopBar } from './stop-bar.tsx'
import { VerdictBar } from './verdict-bar.tsx'

/** One proposal among others. */
export function Card(props: {
  readonly id: string
  readonly next: string | undefined
}): ReactElement {
  const isKnown = usePortalState().feed.requests.has(props.id)
  const portal = usePortal()
  if (!isKnown || portal.review(props.id) === undefined) return <Unknown />
  return (
    <article
      aria-labelledby={CARD_TITLE_ID}
      className="mx-auto max-w-3xl px-3 py-4 lg:px-8 lg:py-8"
    >
      <NavLink to="/" className="button button-quiet mb-3 -ml-2.5 lg:hidden">
        <Icon name="back" />
        All approvals
      </NavLink>
      <Sheet {...props} />
    </article>
  )
}

/** A proposal, complete. Every word on it is derived from what was hashed in this browser. */
export function Sheet(props: {
  readonly id: string
  readonly next: string | undefined
}): ReactElement | null {
  const portal = usePortal()
  const { feed } = usePortalState()
  const reviewed = portal.review(props.id)
  useEffect(() => void portal.loadGiven(props.id), [portal, props.id])
  const isKnown = reviewed?.ok === true
  useEffect(() => void (isKnown && loadEarlier(portal, props.id)), [portal, props.id, isKnown])
  const request = feed.requests.get(props.id)
  if (reviewed === undefined || request === undefined) return null
  const event = feed.events.get(props.id)
  const state = event?.state ?? stateAtFirst(request)
  const waits = state === 'pending_approval'
  return (
    <div className="sheet overflow-clip">
      {waits && reviewed.ok ? <TimeStrip request={request} /> : null}
      {reviewed.ok ? (
        <Reviewed reviewed={reviewed.value} state={state} />
      ) : (
        <Mismatch request={request} reason={reviewed.reason} />
      )}
      {waits ? (
        <VerdictBar request={request} reviewed={reviewed.ok ? reviewed.value : undefined} />
      ) : (
        <Onward event={event} id={props.id} state={state} next={props.next} />
      )}
    </div>
  )
}

/** What nobody has to decide any more: it can be stopped yet, or goes its way. */
function Onward(props: {
  readonly event: ActionEvent | undefined
  readonly id: string
  readonly state: ActionState
  readonly next: string | undefined
}): ReactElement {
  const { event, ...progress } = props
  if (event?.state === 'scheduled') return <StopBar event={event} />
  return <Progress {...progress} />
}

function TimeStrip({ request }: { readonly request: ApprovalRequest }): ReactElement {
  const span = { startMs: request.requested_at, endMs: request.decide_by }
  return (
    <div className="px-5 pt-5 lg:px-8 lg:pt-7">
      <div className="flex items-baseline justify-between gap-4">
        <p className="chip bg-brand-wash text-brand">
          {request.decision.tier === 1
            ? 'Tier 1 · a click'
            : `Tier ${request.decision.tier} · passkey`}
        </p>
        <p className="flex items-baseline gap-2">
          <span className="text-soft">Time left</span>
          <Countdown span={span} big />
        </p>
      </div>
      <div className="mt-2">
        <DeadlineBar span={span} />
      </div>
    </div>
  )
}

function Reviewed(props: {
  readonly reviewed: ReviewedRequest
  readonly state: ActionState
}): ReactElement {
  const { reviewed, state } = props
  const { request } = reviewed
  const earlier = usePortalState().earlier.get(request.action_id)
  const review = useCardReview(reviewed, earlier)
  return (
    <div className="flex flex-col gap-6 px-5 py-6 lg:px-8">
      <header>
        <Summary summary={review.summary} />
        <BigAmount amount={reviewed.amount} note={review.summary.minor} />
      </header>
      <HeldNotice request={request} state={state} />
      <Attention review={review} earlier={earlier} />
      <Arguments reviews={review.rows} request={request} />
      <Precondition bound={reviewed.bound} reviews={review.boundRows} />
      <Reason request={request} />
      {state === 'pending_approval' ? <Consequences reviewed={reviewed} /> : null}
      <Facts request={request} />
      <Compare code={reviewed.code} />
      <Hashes reviewed={reviewed} />
    </div>
  )
}

/** Made anew when something to compare with arrives, not with every event of the feed. */
function useCardReview(reviewed: ReviewedRequest, earlier: EarlierView | undefined): CardReview {
  const portal = usePortal()
  return useMemo(() => {
    const { feed, session } = portal.store.get()
    return reviewCard(reviewed, {
      earlier: earlier?.kind === 'known' ? earlier.calls : [],
      events: feed.events.values(),
      person: session?.person.id ?? '',
    })
  }, [portal, reviewed, earlier])
}

function Mismatch(props: {
  readonly request: ApprovalRequest
  readonly reason: ReviewRefusal
}): ReactElement {
  return (
    <div className="flex flex-col gap-6 px-5 py-6 lg:px-8">
      <h1 id={CARD_TITLE_ID} tabIndex={-1} className="text-2xl font-semibold tracking-tight">
        Does not match what was proposed
      </h1>
      <Notice tone="bad" title={mismatchSentence(props.reason)}>
        <p>
          This browser hashed what it was sent and compared it with what the policy decided on. They
          differ, so there is nothing here to approve. It may be a fault or an attack: tell whoever
          runs this installation, and name the action below.
        </p>
      </Notice>
      <dl className="grid gap-x-6 gap-y-3 sm:grid-cols-[8rem_1fr]">
        <dt className="label">Action</dt>
        <dd className="data">{props.request.action_id}</dd>
        <dt className="label">Finding</dt>
        <dd className="data">{props.reason}</dd>
        <dt className="label">Says it is for</dt>
        <dd className="data">
          <Hardened text={props.request.contract.id} />
        </dd>
      </dl>
    </div>
  )
}

/** Before news of it came. */
function stateAtFirst({ decision }: ApprovalRequest): ActionState {
  return decision.tier === 0 ? 'scheduled' : 'pending_approval'
}

function Unknown(): ReactElement {
  return (
    <Blank title="No such approval" page="Approvals">
      <p>It may have been decided long ago, or the address is not complete.</p>
      <p className="mt-4">
        <NavLink className="link" to="/">
          See what waits
        </NavLink>
      </p>
    </Blank>
  )
}
