import {
  canonicalize,
  type FreezeStatement,
  freezeKey,
  freezeNoticeJson,
  type Hash,
  hashText,
  sealFreezeNotice,
  statementHash,
  type ThawStatement,
  utf8Encode,
} from '@trustgw/protocol'
import { FreezeBook, sha256, silentLogger, verifyNoticeSeal } from '@trustgw/runtime'
import type { Body } from './body.ts'
import type { Chance } from './chance.ts'
import { EPOCH, PUBLIC_KEYS, signer, TENANT } from './installation.ts'
import type { Room } from './processes.ts'

/** The freezes that a plane without pins follows, as its process does. */
export async function followFreezes({ life, link, disk }: Body): Promise<FreezeBook> {
  const { clock } = life
  const book = new FreezeBook({
    tenants: [TENANT],
    records: link.records({ home: 'data', bucket: 'freezes' }),
    dir: `/${life.name}/freezes`,
    disk,
    verify: (notice) => Promise.resolve(verifyNoticeSeal(notice, PUBLIC_KEYS, clock.now())),
    news: () => undefined,
    sha256,
    clock,
    log: silentLogger,
  })
  await book.start()
  return book
}

/** What an operator stopped, and from when on it could go again. */
export interface Stop {
  readonly hash: Hash
  /** Undefined: everything. */
  readonly tool: string | undefined
  thawedAt: number
}

const TOOLS = ['shop.note', 'shop.refund', 'shop.payout', 'shop.ship'] as const
const REASON = 'something is odd'
const REASON_HASH: Hash = hashText(sha256, REASON)

/** The operator, who stops a tool or everything for a while. */
export class Operator {
  readonly stops: Stop[] = []
  readonly #room: Room

  constructor(room: Room) {
    this.#room = room
  }

  /** Stops something within `ms` and lets it go again within as much. */
  plan(chance: Chance, ms: number): void {
    const { loop } = this.#room
    const tool = chance.happens(0.7) ? chance.pick(TOOLS) : undefined
    const [from, standing] = [chance.between(1_000, ms), chance.between(500, 2 * ms)]
    loop.after(from, `the operator freezes ${tool ?? 'everything'}`, () => void this.#freeze(tool))
    loop.after(from + standing, 'the operator thaws', () => void this.#thaw())
  }

  async #freeze(tool: string | undefined): Promise<void> {
    const hash = await this.#store({
      typ: 'trustgw/freeze/1',
      tenant: TENANT,
      scope: tool === undefined ? { kind: 'tenant' } : { kind: 'tool', name: tool },
      reason_hash: REASON_HASH,
      counter: 1,
      ...this.#said(),
    })
    this.stops.push({ hash, tool, thawedAt: Number.POSITIVE_INFINITY })
  }

  async #thaw(): Promise<void> {
    for (const stop of this.stops) {
      const typ = 'trustgw/thaw/1'
      const said = {
        typ,
        tenant: TENANT,
        freeze_hash: stop.hash,
        reason_hash: REASON_HASH,
      } as const
      await this.#store({ ...said, ...this.#said() })
      stop.thawedAt = this.#room.loop.now
    }
  }

  #said(): Pick<FreezeStatement, 'by' | 'at' | 'nonce'> {
    const { now, events } = this.#room.loop
    const nonce = Buffer.from(String(events).padStart(16, '0')).toString('base64url')
    return { by: 'operator', at: EPOCH + Math.floor(now), nonce }
  }

  async #store(statement: FreezeStatement | ThawStatement): Promise<Hash> {
    const { direct, durables } = this.#room
    const said = { statement, reason: REASON, assertion: null }
    const notice = sealFreezeNotice(sha256, said, signer('operator'))
    const hash = statementHash(sha256, statement)
    const bytes = utf8Encode(canonicalize(freezeNoticeJson(notice)))
    const records = direct.records({ home: 'data', bucket: 'freezes' })
    const stored = await records.create(freezeKey(TENANT, hash), bytes)
    if (!stored.ok) throw new Error('a notice was not stored')
    await durables.appended('KV_freezes', stored.revision)
    return hash
  }
}
