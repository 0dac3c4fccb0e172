import {
  type ApprovalRequestAnswer,
  canonicalize,
  subject,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import type { Bus, BusRequest, BusSubscription } from '@trustgw/runtime'
import type { HostDeps } from '../deps.ts'
import type { ApprovalStore } from './approval-store.ts'
import { checkRequest, readRequest } from './check-request.ts'

/** The queue that the bus lets this identity join. */
const HOST_QUEUE = 'host'

export interface RequestServiceDeps {
  readonly tenant: TenantId
  readonly bus: Bus
  readonly store: ApprovalStore
  readonly clock: HostDeps['clock']
  readonly log: HostDeps['log']
}

/**
 * Answers the gateway's requests for approval: `{status: "stored"}` once the request is durable,
 * `{status: "refused", code}` for one that the host can never put to a person. On a fault of the
 * store it answers nothing, and the gateway asks again.
 */
export function serveRequests(deps: RequestServiceDeps): BusSubscription {
  const address = subject('approval_request', { tenant: deps.tenant })
  return deps.bus.respond(address, { queue: HOST_QUEUE }, async (request) => {
    if (!request.replyExpected) return undefined
    const answer = await take(deps, request)
    return utf8Encode(canonicalize({ ...answer }))
  })
}

async function take(deps: RequestServiceDeps, message: BusRequest): Promise<ApprovalRequestAnswer> {
  const request = readRequest(message.data)
  if (!request.ok) return refusal(deps, request.reason)
  const checked = checkRequest(request.value, deps.tenant, deps.clock.now())
  if (!checked.ok) return refusal(deps, checked.reason, request.value.action_id)
  const added = await deps.store.add(request.value)
  if (!added.ok) return refusal(deps, added.reason, request.value.action_id)
  return { status: 'stored', action_id: request.value.action_id }
}

function refusal(deps: RequestServiceDeps, code: string, action?: string): ApprovalRequestAnswer {
  deps.log.warn('approval_request_refused', { code, action })
  return { status: 'refused', code }
}
