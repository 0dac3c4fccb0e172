import {
  canonicalize,
  type Hash,
  hashText,
  type JsonObject,
  type PreconditionRule,
  preconditionArguments,
  preconditionHash,
  preconditionValue,
  type Sha256,
} from '@trustgw/protocol'
import type { Clock, Logger } from '@trustgw/runtime'
import type { Connector, RunOutcome } from '../connectors/connector.ts'
import { makeSafe } from '../run/safe-output.ts'
import type { ToolGate } from '../run/tool-gate.ts'
import type { BoundActionValue } from './bind-action.ts'
import { type ClearedAction, openClearedAction } from './check-approvals.ts'
import { type Admission, refused } from './reasons.ts'
import { makeStage, type StageToken } from './stage.ts'
import type { ServedTools } from './tool-index.ts'
import { timeProblem } from './verify-grant.ts'

/** What was approved with it stood a moment ago. */
export type StandingAction = StageToken<'standing_action'>

/** How long the read may take: the gateway waits for the answer to its grant. */
export const PRECONDITION_READ_MS = 3_000

export interface PreconditionDeps {
  readonly connectors: ReadonlyMap<string, Connector>
  readonly tools: ServedTools
  /** A read is bounded like any call of its tool. */
  readonly gate: Pick<ToolGate, 'enter'>
  readonly secrets: readonly string[]
  readonly resultMaxBytesOf: (connector: string) => number
  readonly sha256: Sha256
  readonly clock: Pick<Clock, 'now'>
  readonly logger: Logger
}

const stage = makeStage<'standing_action', BoundActionValue>('standing_action')
export const openStandingAction: (token: StandingAction) => BoundActionValue = stage.open

/**
 * Step 5 of spec/protocol.md §4: where the contract names a precondition, this executor reads it
 * itself and compares the hash with the grant's. Nothing is claimed and nothing written. What changes
 * between this read and the run is NOT seen.
 */
export async function checkPrecondition(
  cleared: ClearedAction,
  deps: PreconditionDeps,
): Promise<Admission<StandingAction>> {
  const value = openClearedAction(cleared)
  const { claims, tool } = value
  const rule = tool.contract.precondition
  if (rule === null) return { ok: true, value: stage.mint(value) }
  const read = await readAgain(value, rule, deps)
  if (!read.ok) {
    const { reason, detail } = read
    deps.logger.warn('precondition_not_met', { action_id: claims.action_id, reason, detail })
    return read
  }
  if (read.value !== claims.precondition_hash) return refused('precondition_changed')
  const late = timeProblem(claims, deps.clock.now())
  return late === undefined ? { ok: true, value: stage.mint(value) } : refused(late)
}

async function readAgain(
  value: BoundActionValue,
  rule: PreconditionRule,
  deps: PreconditionDeps,
): Promise<Admission<Hash>> {
  const tool = deps.tools.find(rule.tool)
  const isRead = tool?.contract.operation === 'read' && tool.contract.precondition === null
  if (tool === undefined || !isRead) return refused('precondition_unreadable', 'no_such_read')
  const args = preconditionArguments(rule, value.arguments)
  if (args === undefined || tool.input.check(args) !== undefined)
    return refused('precondition_unreadable', 'arguments')
  const entrance = deps.gate.enter(rule.tool)
  if (!entrance.ok) return refused('precondition_unreadable', entrance.reason)
  let outcome: RunOutcome | 'not_entered' = 'not_entered'
  try {
    outcome = await run(value, { rule, args, deps })
  } finally {
    entrance.leave(outcome)
  }
  if (outcome.kind !== 'succeeded') return refused('precondition_unreadable', outcome.reason)
  // As the result of the first read was made safe, so that the same answer has the same hash.
  const limits = { max_bytes: deps.resultMaxBytesOf(connectorOf(rule)), secrets: deps.secrets }
  const { output } = makeSafe(outcome.output, limits, deps.sha256)
  const found = preconditionValue(rule, value.arguments, output)
  // It was there when it was approved.
  if (!found.ok) return refused('precondition_changed', found.reason)
  return { ok: true, value: preconditionHash(deps.sha256, found.value) }
}

async function run(
  { claims }: BoundActionValue,
  of: {
    readonly rule: PreconditionRule
    readonly args: JsonObject
    readonly deps: PreconditionDeps
  },
): Promise<RunOutcome> {
  const { rule, args, deps } = of
  const id = connectorOf(rule)
  const connector = deps.connectors.get(id)
  if (connector === undefined)
    return { kind: 'failed', reason: 'upstream_unreachable', output: null }
  return await connector.run({
    tool: rule.tool.slice(id.length + 1),
    arguments: args,
    arguments_text: canonicalize(args),
    // Never that of the action itself, whose work must not be found under it.
    idempotency_key: hashText(deps.sha256, `precondition\n${claims.tenant_id}\n${claims.jti}`),
    timeout_ms: PRECONDITION_READ_MS,
  })
}

function connectorOf({ tool }: PreconditionRule): string {
  return tool.slice(0, tool.indexOf('.'))
}
