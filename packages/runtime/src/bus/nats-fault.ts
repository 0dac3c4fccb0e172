import { errors } from '@nats-io/transport-node'
import { BusFault, type BusFaultCode } from './bus.ts'

/** What a client library error means to us. Unknown errors are ambiguous: `bus_unreachable`. */
export function natsFault(error: unknown, subject: string): BusFault {
  if (error instanceof BusFault) return error
  return new BusFault(faultCode(error), subject, { cause: error })
}

const CAUSE_DEPTH = 4

function faultCode(error: unknown): BusFaultCode {
  let current = error
  for (let depth = 0; depth < CAUSE_DEPTH && current instanceof Error; depth += 1) {
    const code = ownCode(current)
    if (code !== undefined) return code
    current = current.cause
  }
  return 'bus_unreachable'
}

function ownCode(error: Error): BusFaultCode | undefined {
  if (error instanceof errors.TimeoutError) return 'bus_timeout'
  if (error instanceof errors.NoRespondersError) return 'bus_no_responders'
  if (error instanceof errors.PermissionViolationError) return 'bus_permission'
  if (error instanceof errors.ClosedConnectionError) return 'bus_closed'
  if (error instanceof errors.DrainingConnectionError) return 'bus_closed'
  return undefined
}
