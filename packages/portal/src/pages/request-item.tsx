import type { ApprovalRequest } from '@trustgw/protocol'
import type { ReactElement } from 'react'
import { usePortal, usePortalState } from '../app/context.ts'
import { NavLink } from '../app/nav-link.tsx'
import { Countdown, DeadlineBar } from '../ui/deadline.tsx'
import { Hardened } from '../ui/hardened.tsx'
import { HeldLine } from '../ui/held.tsx'
import { Icon } from '../ui/icons.tsx'
import { AmountLine } from './amount-line.tsx'
import { focusCard } from './card-focus.ts'

/** One line of the list: how much, what, who, how long. */
export function RequestItem(props: {
  readonly request: ApprovalRequest
  readonly current: boolean
}): ReactElement {
  const { request, current } = props
  const reviewed = usePortal().review(request.action_id)
  const event = usePortalState().feed.events.get(request.action_id)
  const endMs = (event?.state === 'scheduled' ? event.decide_by : null) ?? request.decide_by
  const span = { startMs: request.requested_at, endMs }
  return (
    <NavLink
      to={`/approvals/${request.action_id}`}
      id={`item-${request.action_id}`}
      current={current}
      onGo={focusCard}
      className={`arrive mb-1.5 block rounded-xl border px-4 py-3 ${
        current
          ? 'border-brand bg-raised'
          : 'border-line bg-raised lg:border-transparent lg:bg-transparent lg:hover:border-line lg:hover:bg-raised'
      }`}
    >
      <span className="flex items-baseline justify-between gap-3">
        <span className="min-w-0 truncate font-semibold">
          <Hardened text={request.contract.title} />
        </span>
        <Countdown span={span} />
      </span>
      <span className="flex items-baseline justify-between gap-3 text-soft">
        <span className="min-w-0 truncate">
          <Hardened text={request.decision.principal.subject} />
        </span>
        {reviewed?.ok === true ? <AmountLine amount={reviewed.value.amount} /> : null}
      </span>
      {reviewed?.ok === false ? (
        <span className="mt-1 flex items-center gap-1.5 text-sm font-semibold text-red">
          <Icon name="warning" size={15} />
          Does not match what was proposed
        </span>
      ) : null}
      <HeldLine request={request} />
      <span className="mt-2.5 block">
        <DeadlineBar span={span} />
      </span>
    </NavLink>
  )
}
