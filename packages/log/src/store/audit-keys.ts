import type { AuditKeyFor } from '@trustgw/core'
import type { PublicKeys } from '@trustgw/runtime'
import { componentOf } from './entry.ts'
import { type LogName, UNATTRIBUTED } from './log-files.ts'

/** Only a key of the writer's own component, of role `audit`, may sign its events. */
export function auditKeyFor(keys: PublicKeys, name: LogName): AuditKeyFor {
  const tenant = name === UNATTRIBUTED ? {} : { tenant: name }
  return ({ kid, writer }) =>
    keys.keyFor({ role: 'audit', component: componentOf(writer), ...tenant })(kid)
}
