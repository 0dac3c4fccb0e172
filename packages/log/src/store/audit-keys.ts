import type { AuditKeyFor } from '@trustgw/core'
import type { PublicKeys } from '@trustgw/runtime'
import { componentOf } from './entry.ts'
import { type LogName, UNATTRIBUTED } from './log-files.ts'

/**
 * Only a key of the writer's own component, of role `audit`, may sign its events, in its time: what it
 * signed before it was retired or revoked still verifies (spec/protocol.md §4 "Key sets").
 */
export function auditKeyFor(keys: PublicKeys, name: LogName): AuditKeyFor {
  const tenant = name === UNATTRIBUTED ? {} : { tenant: name }
  return ({ kid, time, writer }) =>
    keys.keyFor({ role: 'audit', component: componentOf(writer), at: time, ...tenant })(kid)
}
