import { SUBJECTS } from '@trustgw/protocol'
import { type ImportSpec, live } from './crossings.ts'

/** Which buckets a plane reads and writes in DATA. */
export const GATEWAY_READS = [
  'actions',
  'open_actions',
  'limits',
  'tools',
  'agents',
  'policies',
  'policy_status',
  'unsettled',
  'tool_trust',
  'tool_orders',
  'keys',
  'key_offers',
  'key_revocations',
  'freezes',
  'pins',
  'agent_notices',
  'leases',
] as const
export const GATEWAY_WRITES = [
  'actions',
  'open_actions',
  'limits',
  'policy_status',
  'unsettled',
  'tool_trust',
  'key_offers',
  'key_revocations',
  'freezes',
  'pins',
  'leases',
] as const
export const HOST_READS = [
  'approvals',
  'acl',
  'sessions',
  'channel_messages',
  'actions',
  'policies',
  'policy_status',
  'tools',
  'unsettled',
  'tool_trust',
  'tool_orders',
  'keys',
  'key_offers',
  'key_revocations',
  'freezes',
  'pins',
  'agents',
  'agent_notices',
] as const
/**
 * Bundles that an admin's passkey sealed come through the host, and key sets under the rotation key;
 * who reads one checks the seal.
 */
export const HOST_WRITES = [
  'approvals',
  'acl',
  'sessions',
  'channel_messages',
  'policies',
  'tool_orders',
  'keys',
  'key_revocations',
  'freezes',
  'pins',
  'agent_notices',
] as const
export const LOG_READS = ['keys', 'key_revocations', 'freezes'] as const
export const EXECUTOR_READS = [
  'policies',
  'keys',
  'key_revocations',
  'freezes',
  'pins',
  'agent_notices',
] as const
/** What every plane hears of as it changes. */
export const EVERYWHERE_LIVE: readonly ImportSpec[] = [
  live('$KV.keys.>'),
  live('$KV.key_revocations.>'),
  live('$KV.freezes.>'),
]
/** What only the host hears of as it changes, to tell portals. */
export const HOST_LIVE: readonly string[] = [
  '$KV.tool_trust.>',
  '$KV.policy_status.>',
  '$KV.unsettled.>',
]
export const EXECUTOR_BUCKETS = ['grant_nonces', 'journal', 'executions'] as const
/** What the gateway asks executors, by profile. */
export const EXECUTOR_SUBJECTS: readonly string[] = [
  SUBJECTS.exec_invoke,
  SUBJECTS.exec_cancel,
  SUBJECTS.exec_reconcile,
]
/** What people decided, from host to gateway. */
export const DECISION_SUBJECTS: readonly string[] = [
  SUBJECTS.approval_decision,
  SUBJECTS.approval_outcome,
]
export const PROPOSAL_SUBJECTS: readonly string[] = [
  SUBJECTS.action_propose,
  SUBJECTS.action_get,
  SUBJECTS.action_cancel,
  SUBJECTS.tools_list,
]
