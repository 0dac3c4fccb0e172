import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { logOrigin, verifyLog } from '@trustgw/log'
import {
  type AuditEvent,
  auditEventHash,
  auditEventId,
  auditEventJson,
  auditSigningInput,
  base64urlEncode,
  canonicalize,
  chainStart,
} from '@trustgw/protocol'
import { nodeRandom, sha256 } from '@trustgw/runtime'
import { logVerifiers } from '../src/store/log-files.ts'
import { TenantLog } from '../src/store/tenant-log.ts'
import { ACME, newAction, startWorld, type World } from './world.ts'

const PER_ACTION = 2
/** Divides the number of events: every batch ends under a checkpoint. */
const BATCH = 1_000
/** Whatever the number of entries; 100 000 were seen to take 11 MiB. */
const GROWTH_MAX_BYTES = 32 * 1024 * 1024

function open(world: World): Promise<TenantLog> {
  const { keys, log } = world.ring
  return TenantLog.open({
    dir: world.dir,
    name: ACME,
    keys,
    signer: { name: logOrigin(ACME), public_key: log.publicKey, sign: log.sign },
    verifiers: logVerifiers(keys, ACME),
  })
}

async function fill(world: World, events: number): Promise<void> {
  const log = await open(world)
  const key = world.ring.audit.gateway
  let prev_hash = chainStart(sha256)
  let action_id = newAction()
  for (let seq = 1; seq <= events; seq += 1) {
    const type = seq % PER_ACTION === 0 ? 'denied' : 'proposed'
    const unsigned = {
      v: 1,
      event_id: auditEventId(nodeRandom.bytes(16)),
      type,
      time: seq,
      tenant: ACME,
      writer: 'gateway/main',
      kid: world.ring.kid('gateway'),
      seq,
      prev_hash,
      actor: { kind: 'agent', id: 'bob' },
      action_id,
      trace: null,
      payload: { tool: 'shop.refund' },
    } as const
    const sig = base64urlEncode(key.sign(auditSigningInput(unsigned)))
    const event: AuditEvent = { ...unsigned, sig }
    prev_hash = auditEventHash(sha256, event)
    if (type === 'denied') action_id = newAction()
    const data = new Uint8Array(Buffer.from(canonicalize(auditEventJson(event))))
    assert.deepEqual(log.record({ subject: `audit.v1.acme.gateway.main.${type}`, seq, data }), [])
    if (seq % BATCH === 0) {
      await log.commit()
      await log.checkpoint()
    }
  }
  await log.close()
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Memory in use, buffers included. */
function used(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** A log of so many entries (a multiple of 1 000) is read back and verified in bounded memory. */
export async function checkLargeLog(context: TestContext, events: number): Promise<void> {
  const world = await startWorld()
  try {
    await fill(world, events)
    const before = used()
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, used())
    }, 250)
    const opening = performance.now()
    const log = await open(world)
    assert.equal(log.size, events)
    await log.close()
    const verifying = performance.now()
    const report = await verifyLog({ dir: world.dir, log: ACME, keys: world.ring.keys })
    const done = performance.now()
    clearInterval(watch)
    assert.deepEqual(
      [report.ok, report.entries, report.checkpoints],
      [true, events, 1 + events / BATCH],
    )
    context.diagnostic(`read back in ${Math.round(verifying - opening)} ms`)
    context.diagnostic(`verified in ${Math.round(done - verifying)} ms`)
    context.diagnostic(`grew by ${Math.round((most - before) / 1024 / 1024)} MiB`)
    assert.ok(most > 0 && most - before < GROWTH_MAX_BYTES)
  } finally {
    await world.stop()
  }
}
