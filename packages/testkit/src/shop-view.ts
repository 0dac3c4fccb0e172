import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { asObject, type JsonObject, parseJsonObject } from '@trustgw/protocol'
import type { RunningSystem } from './system.ts'

/** A refund that the shop wrote into its ledger. */
export interface LedgerRefund {
  readonly idempotency_key: string
  readonly id: string
  readonly order_id: string
  readonly amount_minor: number
}

/** How the shop shall misbehave; see examples/shop. */
export interface ShopFault {
  readonly mode: 'none' | 'slow' | 'fail' | 'drop_after_work' | 'drop_before_work'
  readonly delay_ms?: number
  readonly times?: number
  readonly on?: 'all' | 'refunds'
}

/** The refunds that were paid, from the shop's own file: nobody between tells them. */
export async function paidRefunds(system: RunningSystem): Promise<readonly LedgerRefund[]> {
  const text = await readFile(join(system.stateDir, 'shop', 'ledger.ndjson'), 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const entry = objectOf(line)
      const outcome = asObject(entry['outcome'] ?? null)
      const refund = asObject(outcome?.['refund'] ?? null)
      if (outcome?.['kind'] !== 'refunded' || refund === undefined) return []
      return [
        {
          idempotency_key: textOf(entry, 'idempotency_key'),
          id: textOf(refund, 'id'),
          order_id: textOf(refund, 'order_id'),
          amount_minor: numberOf(refund, 'amount_minor'),
        },
      ]
    })
}

/** An order as the shop shows it now. */
export async function orderNow(
  system: Pick<RunningSystem, 'stateDir' | 'shop'>,
  id: string,
): Promise<JsonObject> {
  const key = await readFile(join(system.stateDir, 'shop', 'api.key'), 'utf8')
  const response = await fetch(`${system.shop}/v1/orders/${id}`, {
    headers: { authorization: `Bearer ${key.trim()}` },
  })
  return objectOf(await response.text())
}

/** Tells the shop how to answer from now on. */
export async function setFault(system: RunningSystem, fault: ShopFault): Promise<void> {
  const key = await readFile(join(system.stateDir, 'shop', 'api.key'), 'utf8')
  const response = await fetch(`${system.shop}/admin/faults`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key.trim()}`, 'content-type': 'application/json' },
    body: JSON.stringify(fault),
  })
  if (!response.ok) throw new Error(`the shop refused the fault: ${response.status}`)
  await response.arrayBuffer()
}

function objectOf(line: string): JsonObject {
  const parsed = parseJsonObject(line)
  if (!parsed.ok) throw new Error('a line of the shop that is no JSON object')
  return parsed.value
}

function textOf(object: JsonObject, name: string): string {
  const value = object[name]
  if (typeof value !== 'string') throw new Error(`no ${name} in the shop's ledger`)
  return value
}

function numberOf(object: JsonObject, name: string): number {
  const value = object[name]
  if (typeof value !== 'number') throw new Error(`no ${name} in the shop's ledger`)
  return value
}
