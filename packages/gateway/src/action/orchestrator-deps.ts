import type { JwsExpectation, Sha256, TenantId } from '@trustgw/protocol'
import type { AuditWriter, Bus, Clock, Logger, Random, RecordStore } from '@trustgw/runtime'
import type { AgentDirectory } from '../agents/agent-directory.ts'
import type { PolicyInForce } from '../decide/evaluator.ts'
import type { FreezeView } from '../decide/freeze-view.ts'
import type { GrantIssuer } from '../grant/grant-issuer.ts'
import type { ToolDirectory } from '../registry/tool-directory.ts'
import type { ActionStore } from './action-store.ts'
import type { Outbound } from './outbound.ts'

export interface OrchestratorDeps {
  readonly store: ActionStore
  readonly tools: ToolDirectory
  readonly agents: AgentDirectory
  readonly issuer: GrantIssuer
  readonly outbound: Outbound
  readonly audit: (tenant: TenantId) => AuditWriter
  readonly policy: (tenant: TenantId) => PolicyInForce | undefined
  readonly freezes: FreezeView
  /** The bucket `limits`. */
  readonly limits: RecordStore
  readonly unsettled: RecordStore
  readonly bus: Bus
  readonly hostKeyFor: JwsExpectation['keyFor']
  readonly sha256: Sha256
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}
