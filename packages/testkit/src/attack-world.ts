import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type DecisionRecord,
  type JsonObject,
  parseJson,
  readShape,
  type ToolContract,
  toolContractShape,
} from '@trustgw/protocol'
import {
  type Approver,
  type ForgedAction,
  signApproval,
  TakenOverGateway,
} from './attacks-gateway.ts'
import { until } from './process-table.ts'
import { paidRefunds } from './shop-view.ts'
import { SoftwareAuthenticator } from './software-authenticator.ts'
import type { RunningSystem } from './system.ts'

/** A second approver, for whom the attacks hold the passkey. */
const APPROVER = 'second-approver'
const ROLES: readonly string[] = ['approver']
const TOOLS_LIMITS = { maxBytes: 4 * 1024 * 1024, maxDepth: 80 } as const

/** Real decisions to forge after, by tier: an approved refund and a read. */
export interface Templates {
  readonly refundAction: string
  readonly readAction: string
}

/** One thing that an attacker tries, and the check that has to stop it. */
export interface Attack {
  readonly name: string
  /** What is changed against a call that passes. */
  readonly tried: string
  /** The code with which the right check refuses. */
  readonly expected: string
  /** The check, in words. */
  readonly check: string
  /** Tries it; the code that came back, `admitted` when nothing stopped it. */
  readonly run: () => Promise<string>
}

/** All that the attacks share: a system, a taken-over gateway, an approver, and what is genuine. */
export interface AttackWorld {
  readonly system: RunningSystem
  readonly gateway: TakenOverGateway
  readonly approver: Approver
  readonly refundTool: ToolContract
  readonly readTool: ToolContract
  readonly refundDecision: DecisionRecord
  readonly readDecision: DecisionRecord
  /** The message that passed: what every forged one differs from in one point. */
  readonly control: ForgedAction
  /** The text of its grant. */
  readonly controlGrant: string
  /** What the portal's page received over its WebSocket so far. */
  readonly portalReceived: () => readonly string[]
}

export const CONTROL_ARGUMENTS: JsonObject = {
  order_id: 'ord_1003',
  amount: '120.00',
  currency: 'EUR',
  reason: 'Zipper broken',
}

/**
 * Takes the gateway over, pins a second approver at the executor, and shows that a message built
 * here passes when nothing is changed: one real refund, approved by a real passkey.
 */
export async function openAttackWorld(
  system: RunningSystem,
  templates: Templates,
  portalReceived: () => readonly string[],
): Promise<AttackWorld> {
  const approver = await pinApprover(system)
  const tools = await contracts(system)
  const refundTool = toolOf(tools, 'shop.refund')
  const readTool = toolOf(tools, 'shop.get_order')
  const gateway = await TakenOverGateway.open(system)
  const refundDecision = await gateway.decisionOf(templates.refundAction)
  const readDecision = await gateway.decisionOf(templates.readAction)
  const decided = await gateway.decide(refundDecision, CONTROL_ARGUMENTS, { tool: refundTool })
  const approvals = [
    signApproval(approver, { ...decided, contract: refundTool, verdict: 'approve' }),
  ]
  const control = { ...decided, approvals, claims: gateway.claims(decided, refundTool, approvals) }
  const controlGrant = gateway.sign(control.claims)
  const answer = await gateway.send(control, controlGrant)
  if (answer.status !== 'claimed') throw new Error(`the control was refused: ${answer.reason}`)
  await until('the control refund is paid', async () =>
    (await paidRefunds(system)).some(
      (refund) => refund.idempotency_key === control.claims.idempotency_key,
    ),
  )
  // Before that, an executor that is killed would take it up again, and know it from that.
  await until('the executor records how the control ended', async () => {
    const event = await gateway.lastOfExecutor('finished')
    return event?.action_id === control.claims.action_id
  })
  return {
    system,
    gateway,
    approver,
    refundTool,
    readTool,
    refundDecision,
    readDecision,
    control,
    controlGrant,
    portalReceived,
  }
}

/** Pins a passkey of this process at the executor, by the command for it. */
export async function pinApprover(system: RunningSystem): Promise<Approver> {
  const origin = system.portal
  const authenticator = new SoftwareAuthenticator({
    algorithm: 'ES256',
    rpId: new URL(origin).hostname,
    origin,
  })
  const file = join(system.stateDir, 'second-approver.pin.json')
  const pin = {
    tenant: 'main',
    person: APPROVER,
    roles: ROLES,
    credential_id: authenticator.credentialId,
    public_key: authenticator.publicKey,
    rp_id: new URL(origin).hostname,
    origins: [origin],
  }
  await writeFile(file, JSON.stringify(pin), { mode: 0o600 })
  const done = await system.command(['pins', 'add', file])
  if (done.code !== 0) throw new Error(`pins add: ${done.err.trim()}`)
  return { person: APPROVER, authenticator }
}

/** The contracts of everything that the gateway serves. */
export async function contracts(system: RunningSystem): Promise<readonly ToolContract[]> {
  const response = await fetch(`${system.gateway}/v1/tools/list`, {
    headers: { authorization: `Bearer ${system.apiKey ?? ''}` },
  })
  const parsed = parseJson(await response.text(), TOOLS_LIMITS)
  const value: unknown = parsed.ok ? parsed.value : null
  const tools: unknown =
    typeof value === 'object' && value !== null && 'tools' in value ? value.tools : []
  return (Array.isArray(tools) ? tools : []).flatMap((tool: unknown) => {
    const again = parseJson(JSON.stringify(tool), TOOLS_LIMITS)
    const read = again.ok ? readShape(toolContractShape, again.value) : again
    return read.ok ? [read.value] : []
  })
}

export function toolOf(tools: readonly ToolContract[], id: string): ToolContract {
  const found = tools.find((tool) => tool.id === id)
  if (found === undefined) throw new Error(`the gateway serves no ${id}`)
  return found
}
