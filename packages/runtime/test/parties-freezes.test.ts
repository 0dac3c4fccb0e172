import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  canonicalize,
  FREEZE_NOTICES_MAX,
  type FreezeNotice,
  freezeKey,
  freezeNoticeJson,
  hashText,
  parseTenantId,
  sealFreezeNotice,
  statementHash,
  utf8Encode,
} from '@trustgw/protocol'
import { generateSigningKey } from '../src/crypto/ed25519.ts'
import { writeNoticeFile } from '../src/freeze/freeze-files.ts'
import {
  FreezeBook,
  ManualClock,
  MemoryBroker,
  makePrivateDir,
  nodeDisk,
  PublicKeys,
  sha256,
  silentLogger,
  verifyNoticeSeal,
} from '../src/index.ts'

const NOW = 1_790_000_000_000
const REASON = 'one of many'
const parsed = parseTenantId('demo')
assert.ok(parsed.ok)
const TENANT = parsed.value
const ACTION = {
  tool: 'shop.refund',
  agent: 'a',
  key: 'k',
  profile: 'connector',
  credential: 'shop',
}

const gatewayKey = generateSigningKey()
const operatorKey = generateSigningKey()
const TRUST = new PublicKeys([
  { kid: 'audit-1', role: 'audit', component: 'gateway', publicKey: gatewayKey.publicKey },
  { kid: 'operator-1', role: 'operator', component: 'operator', publicKey: operatorKey.publicKey },
])

/** A freeze of one agent that is not there: by itself it stops nobody. */
function freezeNumber(index: number): FreezeNotice {
  const statement = {
    typ: 'trustgw/freeze/1',
    tenant: TENANT,
    scope: { kind: 'agent', name: `nobody-${index}` },
    reason_hash: hashText(sha256, REASON),
    counter: index,
    by: 'gateway',
    at: NOW,
    nonce: `nonce-${String(index).padStart(20, '0')}`,
  } as const
  const by = { kid: 'audit-1', sign: gatewayKey.sign }
  return sealFreezeNotice(sha256, { statement, reason: REASON, assertion: null }, by)
}

const bytesOf = (notice: FreezeNotice): Uint8Array =>
  utf8Encode(canonicalize(freezeNoticeJson(notice)))

test('more freezes than are kept stop everything, and no thaw ends that', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tg-freezes-'))
  const records = new MemoryBroker({ logger: silentLogger })
    .link()
    .records({ home: 'data', bucket: 'freezes' })
  try {
    await makePrivateDir(dir)
    const many = Array.from({ length: FREEZE_NOTICES_MAX - 1 }, (_, index) => freezeNumber(index))
    const kept = many.map((notice) => ({ notice, vouched: 'gateway' }))
    await writeNoticeFile(join(dir, `${TENANT}.ndjson`), kept, nodeDisk)
    const book = new FreezeBook({
      tenants: [TENANT],
      records,
      dir,
      verify: (notice) => Promise.resolve(verifyNoticeSeal(notice, TRUST, NOW)),
      news: () => undefined,
      sha256,
      clock: new ManualClock(NOW),
      log: silentLogger,
    })
    await book.start()
    assert.equal((await book.offer(bytesOf(freezeNumber(many.length)))).ok, true)
    assert.equal(book.isFrozen(TENANT, ACTION), false, 'as many as are kept')
    const last = freezeNumber(many.length + 1)
    const key = freezeKey(TENANT, statementHash(sha256, last.statement))
    assert.ok((await records.create(key, bytesOf(last))).ok)
    await book.catchUp()
    assert.equal(book.isFrozen(TENANT, ACTION), true)
    const thaw = {
      typ: 'trustgw/thaw/1',
      tenant: TENANT,
      freeze_hash: statementHash(sha256, last.statement),
      reason_hash: hashText(sha256, REASON),
      by: 'operator',
      at: NOW,
      nonce: 'nonce-of-the-operators-thaw',
    } as const
    const by = { kid: 'operator-1', sign: operatorKey.sign }
    const notice = sealFreezeNotice(
      sha256,
      { statement: thaw, reason: REASON, assertion: null },
      by,
    )
    const offered = await book.offer(bytesOf(notice))
    assert.deepEqual([offered.ok, !offered.ok && offered.reason], [false, 'freezes_full'])
    assert.equal(book.isFrozen(TENANT, ACTION), true)
    await book.stop()
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})
