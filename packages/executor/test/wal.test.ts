import assert from 'node:assert/strict'
import { appendFile, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { actionId, grantId, hashText } from '@trustgw/protocol'
import { nodeRandom, sha256 } from '@trustgw/runtime'
import { type ClaimEntry, HELD_MAX_MS, Wal } from '../src/run/wal.ts'
import { tempDir } from './support/connectors.ts'
import { TENANT } from './support/world.ts'

const entry = (at = 1_000): ClaimEntry => ({
  kind: 'claiming',
  action_id: actionId(nodeRandom.bytes(16)),
  tenant: TENANT,
  jti: grantId(nodeRandom.bytes(16)),
  attempt: 'attempt',
  grant_hash: hashText(sha256, 'g'),
  input_hash: hashText(sha256, 'i'),
  tool: 'shop.refund',
  idempotency_key: hashText(sha256, 'k'),
  at,
})

test('a new process sees what was entered, what is held, and nothing that ended', async () => {
  const dir = await tempDir()
  const path = join(dir.path, 'wal.ndjson')
  const [entered, held, ended, old] = [entry(), entry(), entry(), entry(0)]
  const first = await Wal.open(path, 2_000)
  assert.deepEqual(first.remains, { entered: [], held: [] })
  for (const one of [entered, held, ended, old]) await first.wal.claiming(one)
  await first.wal.held(held.action_id)
  await first.wal.held(old.action_id)
  await first.wal.ended(ended.action_id)
  await first.wal.close()
  await appendFile(path, '{"kind":"ended","action_id":"' + entered.action_id)
  const second = await Wal.open(path, HELD_MAX_MS + 500)
  assert.deepEqual(second.remains, { entered: [entered], held: [held] })
  await second.wal.close()
  assert.equal(
    (await readFile(path, 'utf8')).trim().split('\n').length,
    3,
    'only what is open stays',
  )
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  const third = await Wal.open(path, 2_000)
  assert.deepEqual(third.remains, { entered: [entered], held: [held] })
  await third.wal.close()
  await dir.remove()
})
