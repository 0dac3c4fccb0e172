import type { ActionEvent, ActionState, ApprovalRequest, Freezable } from '@trustgw/protocol'
import type { ReactElement } from 'react'
import { usePortalState } from '../app/context.ts'
import { NavLink } from '../app/nav-link.tsx'
import { type FreezeView, holding } from '../logic/freezes.ts'
import { Hardened } from './hardened.tsx'
import { Icon } from './icons.tsx'

/** States in which a freeze can still keep an action from starting. */
const NOT_STARTED: ReadonlySet<ActionState> = new Set<ActionState>([
  'proposed',
  'preparing',
  'pending_approval',
  'authorized',
  'scheduled',
  'dispatched',
])

/** The freezes that hold an action; none once it has started. */
function useHolding(parts: Partial<Freezable>, state: ActionState): readonly FreezeView[] {
  const freezes = usePortalState().freezes ?? []
  return NOT_STARTED.has(state) ? holding(freezes, parts) : []
}

/** Says that an action of the list is held; what its tool is served with is looked up. */
export function HeldChip({ event }: { readonly event: ActionEvent }): ReactElement | null {
  const contract = usePortalState().tools?.find((tool) => tool.tool_id === event.tool_id)?.accepted
  const { tool_id: tool, agent } = event
  const known =
    contract === undefined
      ? { tool, agent }
      : { tool, agent, profile: contract.profile, credential: contract.credential_ref }
  if (useHolding(known, event.state).length === 0) return null
  return (
    <span className="chip bg-red-wash text-red">
      <Icon name="freeze" size={14} />
      Held by a freeze
    </span>
  )
}

/** The same for a request, in one line. */
export function HeldLine({ request }: { readonly request: ApprovalRequest }): ReactElement | null {
  if (useHolding(partsOf(request), 'pending_approval').length === 0) return null
  return (
    <span className="mt-1 flex items-center gap-1.5 text-sm font-semibold text-red">
      <Icon name="freeze" size={15} />
      Held by a freeze
    </span>
  )
}

/** On a card: what holds the action, and what deciding does meanwhile. */
export function HeldNotice(props: {
  readonly request: ApprovalRequest
  readonly state: ActionState
}): ReactElement | null {
  const { request, state } = props
  const [freeze] = useHolding(partsOf(request), state)
  if (freeze === undefined) return null
  return (
    <div
      role="status"
      className="flex gap-3 rounded-lg border border-red bg-red-wash px-4 py-3 text-red"
    >
      <Icon name="freeze" className="mt-0.5" />
      <div className="min-w-0 [overflow-wrap:anywhere]">
        <p className="font-semibold">
          Held by a freeze
          {freeze.reason === null ? (
            ''
          ) : (
            <>
              : “<Hardened text={freeze.reason} />”
            </>
          )}
        </p>
        <p className="mt-0.5 text-ink">
          {state === 'pending_approval'
            ? 'You can decide. Nothing starts before the thaw, and the deadlines run on.'
            : `It starts after the thaw, or ends at ${clockOf(request.run_by)}.`}{' '}
          <NavLink to="/emergency" className="link">
            Look at it
          </NavLink>
        </p>
      </div>
    </div>
  )
}

function partsOf({ contract, decision }: ApprovalRequest): Partial<Freezable> {
  return {
    tool: contract.id,
    agent: decision.principal.subject,
    profile: contract.profile,
    credential: contract.credential_ref,
  }
}

function clockOf(ms: number): string {
  return new Date(ms).toLocaleTimeString()
}
