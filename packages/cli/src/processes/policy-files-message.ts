import { isJsonArray, isJsonObject, parseJson } from '@trustgw/protocol'

/** The supervisor's word on the policy files: why they do not load; empty when they do. */
export interface PolicyFilesMessage {
  readonly kind: 'policy_files'
  readonly lines: readonly string[]
}

const MESSAGE_MAX_BYTES = 262_144

/** Undefined for any other message of the channel. */
export function readPolicyFilesMessage(message: unknown): PolicyFilesMessage | undefined {
  const parsed = parseJson(JSON.stringify(message) ?? 'null', { maxBytes: MESSAGE_MAX_BYTES })
  if (!parsed.ok || !isJsonObject(parsed.value)) return undefined
  const { kind, lines } = parsed.value
  if (kind !== 'policy_files' || lines === undefined || !isJsonArray(lines)) return undefined
  return { kind, lines: lines.filter((line) => typeof line === 'string') }
}
