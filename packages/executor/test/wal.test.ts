import assert from 'node:assert/strict'
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { actionId, grantId, hashText } from '@trustgw/protocol'
import { type Disk, nodeDisk, nodeRandom, sha256 } from '@trustgw/runtime'
import { type ClaimEntry, HELD_MAX_MS, WAL_GROWS_MAX_BYTES, Wal } from '../src/run/wal.ts'
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

/** So many claims that ended. */
async function busy(wal: Wal, count: number): Promise<void> {
  const entries = Array.from({ length: count }, () => entry())
  await Promise.all(entries.map((one) => wal.claiming(one)))
  await Promise.all(entries.map((one) => wal.ended(one.action_id)))
}

test('a file that grows is written anew with what is open, while more comes', async () => {
  const dir = await tempDir()
  const path = join(dir.path, 'wal.ndjson')
  const { wal } = await Wal.open(path, 2_000)
  const [entered, held] = [entry(), entry()]
  await wal.claiming(entered)
  await wal.claiming(held)
  await wal.held(held.action_id)
  for (let turn = 0; turn < 8; turn += 1) await Promise.all([busy(wal, 400), busy(wal, 400)])
  const late = entry()
  await wal.claiming(late)
  const { size } = await stat(path)
  assert.ok(size < 2 * WAL_GROWS_MAX_BYTES, `${size} bytes`)
  // Read as a crash would leave it.
  const copy = join(dir.path, 'copy.ndjson')
  await writeFile(copy, await readFile(path), { mode: 0o600 })
  const { wal: next, remains } = await Wal.open(copy, 2_000)
  assert.deepEqual(remains, { entered: [entered, late], held: [held] })
  await next.close()
  await wal.close()
  await dir.remove()
})

test('a file that cannot be written anew stays, and takes more', async () => {
  const dir = await tempDir()
  const path = join(dir.path, 'wal.ndjson')
  let isFull = false
  const disk: Disk = {
    ...nodeDisk,
    rename: async (from, to) => {
      if (isFull) throw new Error('no space')
      await nodeDisk.rename(from, to)
    },
  }
  const { wal } = await Wal.open(path, 2_000, disk)
  isFull = true
  const entered = entry()
  await wal.claiming(entered)
  for (let turn = 0; turn < 5; turn += 1) await busy(wal, 800)
  const late = entry()
  await wal.claiming(late)
  await wal.close()
  assert.ok((await stat(path)).size > WAL_GROWS_MAX_BYTES)
  const second = await Wal.open(path, 2_000)
  assert.deepEqual(second.remains, { entered: [entered, late], held: [] })
  await second.wal.close()
  await dir.remove()
})
