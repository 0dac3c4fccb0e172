/**
 * Agents that an admin registers with a passkey (spec/protocol.md §4 "Agents"), on their way to the
 * executors whose word makes the gateway know them.
 */
import { type AgentRecord, agentRecordJson, agentRecordShape } from './agent-record.ts'
import { type PasskeyAssertion, passkeyAssertionShape } from './approval.ts'
import { type Hash, hashJson, type Sha256 } from './hash.ts'
import { type JsonObject, parseJsonObject } from './json.ts'
import { ok, type Result, refuse } from './result.ts'
import { objectShape, oneOfShape, readShape, type Shape } from './shape.ts'
import { type AgentStatement, agentStatementShape, statementJson } from './statement.ts'
import type { TenantId } from './subjects.ts'

export const AGENT_NOTICE_MAX_BYTES = 24_576
/** Registered agents of one tenant that an executor vouches for. */
export const VOUCHED_AGENTS_MAX = 1_024

/** A value of the bucket `agent_notices`. */
export interface AgentNotice {
  readonly v: 1
  readonly statement: AgentStatement
  readonly record: AgentRecord
  /** By the passkey of `statement.admin`. */
  readonly assertion: PasskeyAssertion
}

export const agentNoticeShape: Shape<AgentNotice> = objectShape({
  v: oneOfShape(1),
  statement: agentStatementShape,
  record: agentRecordShape,
  assertion: passkeyAssertionShape,
})

/** What an admin's statement names. */
export function agentRecordHash(sha256: Sha256, record: AgentRecord): Hash {
  return hashJson(sha256, agentRecordJson(record))
}

/**
 * Reads a notice: its record is the one that the statement names, active, with an API key and no place
 * on the bus. NOT checked: the assertion, that its signer is a pinned admin.
 */
export function readAgentNotice(
  bytes: Uint8Array,
  sha256: Sha256,
): Result<AgentNotice, 'agent_malformed'> {
  const parsed = parseJsonObject(bytes, { maxBytes: AGENT_NOTICE_MAX_BYTES })
  const read = parsed.ok ? readShape(agentNoticeShape, parsed.value) : parsed
  if (!read.ok) return refuse('agent_malformed', read.detail)
  const { statement, record } = read.value
  if (agentRecordHash(sha256, record) !== statement.record_hash) {
    return refuse('agent_malformed', 'record_hash')
  }
  const isSame = record.tenant === statement.tenant && record.key_id === statement.key_id
  if (!isSame) return refuse('agent_malformed', 'other record')
  const isPlain = record.status === 'active' && record.nkey === null && record.secret_hash !== null
  return isPlain ? ok(read.value) : refuse('agent_malformed', 'credential')
}

export function agentNoticeJson({ v, statement, record, assertion }: AgentNotice): JsonObject {
  return {
    v,
    statement: statementJson(statement),
    record: agentRecordJson(record),
    assertion: { ...assertion },
  }
}

/** The key of a credential, in the buckets `agents` and `agent_notices`. */
export function agentKey(tenant: TenantId, keyId: string): string {
  return `${tenant}.${keyId}`
}
