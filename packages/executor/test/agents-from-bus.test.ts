import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type AgentNotice,
  type AgentRecord,
  type AgentStatement,
  agentKey,
  agentNoticeJson,
  agentRecordHash,
  canonicalize,
  hashText,
  parseTenantId,
  type SignedStatement,
  statementHash,
  utf8Encode,
} from '@trustgw/protocol'
import { ManualClock, nodeDisk, type RecordStore, sha256, silentLogger } from '@trustgw/runtime'
import { SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import { AGENT_RETRY_MS, AgentBook } from '../src/agents/agent-book.ts'
import { addPin } from '../src/pins/pin-file.ts'
import { PinRegistry } from '../src/pins/pin-registry.ts'
import { tempDir, until } from './support/connectors.ts'
import { NOW, ORIGIN, PROFILE, RP_ID, TENANT, World } from './support/world.ts'

const other = parseTenantId('other')
assert.ok(other.ok)
const OTHER = other.value
const KEY_ID = 'abcdefghijklmnop'

function recordOf(change: Partial<AgentRecord> = {}): AgentRecord {
  const secret_hash = hashText(sha256, 'a secret')
  const who = { agent: 'clerk', title: 'Clerk', on_behalf_of: 'ana', workspace: 'default' }
  const head = { v: 1, tenant: TENANT, key_id: KEY_ID, ...who, secret_hash, nkey: null } as const
  return { ...head, status: 'active', created_at: NOW, changed_at: NOW, ...change }
}

function statementOf(record: AgentRecord, change: Partial<AgentStatement> = {}): AgentStatement {
  const { tenant, key_id } = record
  const record_hash = agentRecordHash(sha256, record)
  const head = { typ: 'trustgw/agent/1', tenant, key_id, record_hash } as const
  return { ...head, admin: 'ada', at: NOW, nonce: 'A'.repeat(22), ...change }
}

/** An executor that pinned one admin (ada) and one approver (ana), and a bucket that anyone may write. */
class Board {
  readonly world = new World()
  readonly clock = new ManualClock(NOW)
  readonly records: RecordStore = this.world.gateway.records({
    home: 'data',
    bucket: 'agent_notices',
  })
  readonly admin = new SoftwareAuthenticator({ algorithm: 'ES256', rpId: RP_ID, origin: ORIGIN })
  readonly dir: string
  changes = 0

  constructor(dir: string) {
    this.dir = dir
  }

  async pinAdmin(): Promise<void> {
    const { credentialId: credential_id, publicKey: public_key } = this.admin
    const pin = this.world.pin({ person: 'ada', roles: ['admin'], credential_id, public_key })
    assert.ok((await addPin(join(this.dir, 'pins.json'), pin)).ok)
  }

  async open(pins = 'pins.json'): Promise<AgentBook> {
    const book = new AgentBook({
      tenants: [TENANT],
      profile: PROFILE,
      records: this.records,
      dir: join(this.dir, 'agents'),
      disk: nodeDisk,
      pins: new PinRegistry(join(this.dir, pins)),
      auditOf: () => undefined,
      onChanged: () => {
        this.changes += 1
      },
      sha256,
      clock: this.clock,
      logger: silentLogger,
    })
    await book.start()
    return book
  }

  notice(
    record: AgentRecord,
    of: {
      readonly statement?: AgentStatement
      readonly by?: SoftwareAuthenticator
      readonly over?: SignedStatement
    } = {},
  ): AgentNotice {
    const { statement = statementOf(record), by = this.admin } = of
    const assertion = by.assert(statementHash(sha256, of.over ?? statement))
    return { v: 1, statement, record, assertion }
  }

  async put(notice: AgentNotice, key = agentKey(TENANT, notice.record.key_id)): Promise<void> {
    const bytes = utf8Encode(canonicalize(agentNoticeJson(notice)))
    assert.ok((await this.records.create(key, bytes)).ok)
  }
}

async function withBoard(use: (board: Board) => Promise<void>): Promise<void> {
  const temp = await tempDir()
  try {
    const board = new Board(temp.path)
    assert.ok((await addPin(join(temp.path, 'pins.json'), board.world.pin())).ok)
    await use(board)
  } finally {
    await temp.remove()
  }
}

test('an agent that a pinned admin registered is vouched for, and stays so without that pin', async () => {
  await withBoard(async (board) => {
    await board.pinAdmin()
    const record = recordOf({ limits: { until: null, tools: ['shop.*'], calls_per_minute: 5 } })
    await board.put(board.notice(record))
    const book = await board.open()
    assert.deepEqual(book.vouched(TENANT), [agentRecordHash(sha256, record)])
    assert.equal(board.changes, 1)
    await book.stop()
    const later = await board.open('no-such-pins.json')
    assert.deepEqual(later.vouched(TENANT), [agentRecordHash(sha256, record)])
    assert.deepEqual(later.vouched(OTHER), [])
    await later.stop()
  })
})

test('an agent waits for the pin of its admin', async () => {
  await withBoard(async (board) => {
    await board.put(board.notice(recordOf()))
    const book = await board.open()
    assert.deepEqual(book.vouched(TENANT), [])
    await board.pinAdmin()
    board.clock.advance(AGENT_RETRY_MS)
    await until(() => book.vouched(TENANT).length === 1)
    await book.stop()
  })
})

test('nobody else registers one, and no other signature of an admin does', async () => {
  const record = recordOf()
  const makers: { readonly [why: string]: (board: Board) => AgentNotice } = {
    'an approver': (board) =>
      board.notice(record, {
        by: board.world.approver,
        statement: statementOf(record, { admin: 'ana' }),
      }),
    "an approver in the admin's name": (board) =>
      board.notice(record, { by: board.world.approver }),
    'a stranger': (board) =>
      board.notice(record, {
        by: new SoftwareAuthenticator({ algorithm: 'ES256', rpId: RP_ID, origin: ORIGIN }),
      }),
    'a freeze': (board) =>
      board.notice(record, {
        over: {
          typ: 'trustgw/freeze/1',
          tenant: TENANT,
          scope: { kind: 'agent', name: 'clerk' },
          reason_hash: hashText(sha256, 'x'),
          counter: 1,
          by: 'ada',
          at: NOW,
          nonce: 'A'.repeat(22),
        },
      }),
    'another record': (board) => ({
      ...board.notice(record),
      record: { ...record, agent: 'boss' },
    }),
    'a record with other limits': (board) => ({
      ...board.notice(
        recordOf({ limits: { until: NOW + 1, tools: null, calls_per_minute: null } }),
      ),
      record,
    }),
    'the registration of another key': (board) =>
      board.notice(record, {
        statement: statementOf(record, { key_id: 'ponmlkjihgfedcba' }),
      }),
    'a revoked record': (board) => board.notice(recordOf({ status: 'revoked' })),
    'one without a secret': (board) => board.notice(recordOf({ secret_hash: null })),
    'one of another tenant': (board) => board.notice(recordOf({ tenant: OTHER })),
  }
  for (const [why, make] of Object.entries(makers)) {
    await withBoard(async (board) => {
      await board.pinAdmin()
      await board.put(make(board))
      const book = await board.open()
      assert.deepEqual(book.vouched(TENANT), [], why)
      await book.stop()
    })
  }
  await withBoard(async (board) => {
    await board.pinAdmin()
    await board.put(board.notice(record), agentKey(TENANT, 'another-place'))
    const book = await board.open()
    assert.deepEqual(book.vouched(TENANT), [], 'in the place of another key')
    await book.stop()
  })
})
