import { needsSentence, type ReviewedRequest } from '@trustgw/card'
import {
  type ApprovalRequest,
  type Approver,
  type ApproversClause,
  clausesAfter,
  judgeApprover,
} from '@trustgw/protocol'
import { type ReactElement, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { usePortal, usePortalState } from '../app/context.ts'
import { useShortcuts } from '../app/shortcuts.ts'
import { problemSentence } from '../logic/problems.ts'
import { mayDecide } from '../logic/roles.ts'
import type { Session } from '../ports/shapes.ts'
import type { VerdictStatus } from '../state/portal-state.ts'
import { useTimeLeft } from '../ui/deadline.tsx'
import { Icon } from '../ui/icons.tsx'
import { Notice } from '../ui/notice.tsx'
import { DenyForm } from './deny-form.tsx'

/** A card that has just taken the place of another cannot be approved by the click meant for it. */
const ARMED_AFTER_MS = 900

const APPROVED_ALREADY = 'You have approved. Others are still asked.'

const IDLE: VerdictStatus = { kind: 'idle' }

/** Approve or deny, always in sight. Without a reviewed request there is no approve button. */
export function VerdictBar(props: {
  readonly request: ApprovalRequest
  readonly reviewed: ReviewedRequest | undefined
}): ReactElement {
  const { request, reviewed } = props
  const id = request.action_id
  const status = usePortalState().verdicts.get(id) ?? IDLE
  const [mode, setMode] = useState<'choose' | 'deny' | 'confirm'>('choose')
  const over =
    useTimeLeft({ startMs: request.requested_at, endMs: request.decide_by }).seconds === 0
  const choose = useCallback(() => setMode('choose'), [])
  const denying = useCallback(() => setMode('deny'), [])
  const hindrance = useHindrance(request, over)
  const mayDeny = mayDecide(usePortalState().session?.person) && !over
  useShortcuts(useMemo(() => (mayDeny ? { d: denying } : {}), [mayDeny, denying]))
  const busy =
    status.kind === 'sent' && hindrance === APPROVED_ALREADY ? hindrance : busyWords(status)
  return (
    <section
      aria-label="Your decision"
      className="sticky bottom-[var(--tabs,3.5rem)] z-10 border-t border-line bg-raised px-4 py-4 lg:bottom-0 lg:px-8"
    >
      {status.kind === 'failed' ? (
        <div className="mb-3">
          <Notice tone="bad" title={status.sentence} alert />
        </div>
      ) : null}
      {busy !== undefined ? (
        <Busy words={busy} />
      ) : mode === 'deny' && mayDeny ? (
        <DenyForm id={id} onBack={choose} />
      ) : (
        <Choices
          id={id}
          reviewed={reviewed}
          hindrance={hindrance}
          mayDeny={mayDeny}
          confirming={mode === 'confirm'}
          setMode={setMode}
        />
      )}
    </section>
  )
}

/** Takes the focus of the button whose place it takes, so that a keyboard keeps its place. */
function Busy({ words }: { readonly words: string }): ReactElement {
  const line = useRef<HTMLParagraphElement>(null)
  useEffect(() => line.current?.focus({ preventScroll: true }), [])
  return (
    <p
      ref={line}
      tabIndex={-1}
      className="flex min-h-11 items-center gap-3 font-semibold outline-none"
      role="status"
    >
      <span
        className="spin size-4 rounded-full border-2 border-line border-t-brand"
        aria-hidden="true"
      />
      {words}
    </p>
  )
}

function busyWords(status: VerdictStatus): string | undefined {
  if (status.kind === 'passkey') return 'Waiting for your approval passkey…'
  if (status.kind === 'sending') return 'Sending…'
  if (status.kind !== 'sent') return undefined
  return status.verdict === 'approve' ? 'Approved. Waiting for the gateway…' : 'Denied.'
}

/** Why this person cannot approve; the host and the executor judge again by themselves. */
function useHindrance(request: ApprovalRequest, over: boolean): string | undefined {
  const { session, given } = usePortalState()
  const { serverNow } = usePortal()
  const { decision } = request
  if (over) return 'The time to decide is over.'
  if (!mayDecide(session?.person)) return 'Your roles let you read this, and decide nothing.'
  if (decision.on_behalf_of !== null && decision.on_behalf_of === session?.person.id) {
    return 'Proposed on your behalf, so somebody else must approve.'
  }
  const clauses = clausesAfter(decision.obligations.approvers, serverNow() - request.requested_at)
  const unasked = notAsked(clauses, session?.person, given.get(request.action_id) ?? [])
  if (unasked !== undefined) return unasked
  return decision.tier > 2 ? 'This needs a proof that this page cannot present.' : undefined
}

/** Why an approval of this person would add nothing to those given. */
function notAsked(
  approvers: readonly ApproversClause[],
  person: Session['person'] | undefined,
  given: readonly Approver[],
): string | undefined {
  if (given.some(({ approver }) => approver === person?.id)) return APPROVED_ALREADY
  const adds = judgeApprover(approvers, given, person?.roles ?? [])
  if (adds === 'lacks_role') return `This needs ${needsSentence(approvers, given)}.`
  return adds === 'counts' ? undefined : problemSentence(`approver_${adds}`, '')
}

function Choices(props: {
  readonly id: string
  readonly reviewed: ReviewedRequest | undefined
  readonly hindrance: string | undefined
  readonly mayDeny: boolean
  readonly confirming: boolean
  readonly setMode: (mode: 'choose' | 'deny' | 'confirm') => void
}): ReactElement {
  const portal = usePortal()
  const armed = useArmed()
  const { id, reviewed, hindrance, mayDeny, confirming, setMode } = props
  const elsewhere = typeof usePortalState().session?.approval_origin === 'string'
  const click = reviewed?.request.decision.tier === 1
  const approve = (): void => {
    if (click && !confirming) setMode('confirm')
    else if (!click && elsewhere) void portal.verdicts.goToPage(id)
    else void portal.verdicts.approve(id)
  }
  return (
    <div className="flex flex-wrap items-center justify-end gap-2 sm:gap-3">
      {hindrance === undefined ? null : (
        <p className="flex-1 basis-56 font-semibold">{hindrance}</p>
      )}
      {mayDeny ? (
        <button
          type="button"
          className="button button-deny whitespace-nowrap max-sm:px-3"
          onClick={() => setMode(confirming ? 'choose' : 'deny')}
        >
          {confirming ? 'Back' : 'Deny…'}
        </button>
      ) : null}
      {reviewed === undefined || hindrance !== undefined ? null : (
        <button
          type="button"
          className="button button-primary whitespace-nowrap max-sm:flex-1 max-sm:px-2"
          aria-disabled={!armed}
          onClick={armed ? approve : undefined}
          onKeyDown={(event) => {
            // A key held down since before must not carry on into an approval.
            if (event.repeat) event.preventDefault()
          }}
        >
          <Icon name={click ? 'check' : 'key'} />
          {!click && elsewhere ? 'Go to the approval page' : approveWords(click, confirming)}
        </button>
      )}
    </div>
  )
}

function approveWords(click: boolean, confirming: boolean): string {
  if (!click) return 'Approve with passkey'
  return confirming ? 'Yes, run it' : 'Approve…'
}

function useArmed(): boolean {
  const [armed, setArmed] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setArmed(true), ARMED_AFTER_MS)
    return () => clearTimeout(timer)
  }, [])
  return armed
}
