import { extractAmount } from '@trustgw/core'
import { type DecisionRecord, formatMoney, type Json } from '@trustgw/protocol'
import type { RegisteredTool } from '../registry/tool-directory.ts'
import type { ToolSummary } from './action-record.ts'

export function toolSummary(
  tool: RegisteredTool,
  decision: DecisionRecord,
  args: Json,
): ToolSummary {
  const { contract } = tool
  const amount = extractAmount(contract.amount, args)
  return {
    contract_hash: decision.contract_hash,
    operation: contract.operation,
    credential_ref: contract.credential_ref,
    prepares: contract.precondition !== null,
    amount: amount.kind === 'money' ? formatMoney(amount.money) : null,
  }
}
