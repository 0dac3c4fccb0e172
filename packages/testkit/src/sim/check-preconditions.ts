import { canonicalize } from '@trustgw/protocol'
import type { Invocation } from './check-effects.ts'
import { hashOf, readJson, textOf } from './evidence.ts'
import type { Finding } from './findings.ts'
import type { Shop, StockRead } from './shop.ts'

/**
 * After its grant came and before each release its executor read the stock for that very run, and it
 * was what people approved. What changes between that read and the release is not seen (spec/protocol.md §4).
 */
export function checkPreconditions(
  { ledger, reads }: Pick<Shop, 'ledger' | 'reads'>,
  invocations: readonly Invocation[],
): readonly Finding[] {
  return ledger.flatMap((effect) => {
    if (effect.tool !== 'release') return []
    const order = textOf(readJson(Buffer.from(effect.arguments_text)), 'order')
    const grants = invocations.filter(
      ({ claims, sent }) =>
        textOf(claims, 'idempotency_key') === effect.idempotency_key && sent.to === effect.by,
    )
    const keys = grants.map(({ claims }) =>
      hashOf(`precondition\n${textOf(claims, 'tenant_id')}\n${textOf(claims, 'jti')}`),
    )
    const from = Math.min(...grants.map(({ sent }) => sent.at))
    const last = reads.findLast(
      (read) =>
        keys.includes(read.idempotency_key) &&
        read.by === effect.by &&
        read.order === order &&
        read.at >= from &&
        read.at <= effect.at,
    )
    const approved = grants.map(({ claims }) => textOf(claims, 'precondition_hash'))
    if (last !== undefined && approved.includes(hashRead(last))) return []
    const found = last === undefined ? 'nothing was read' : `${last.left} were left`
    const detail = `${effect.tool} of ${order} by ${effect.by} at ${effect.at.toFixed(3)}: ${found}`
    return [{ invariant: 'nothing runs on what changed', detail } as const]
  })
}

/** As spec/protocol.md §3 writes a precondition's value. */
function hashRead({ order, left }: StockRead): string {
  const value = { tool: 'shop.stock', arguments: { order }, values: { '/left': left } }
  return hashOf(canonicalize(value))
}
