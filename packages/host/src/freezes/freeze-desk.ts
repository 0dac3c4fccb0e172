/** Where people freeze, and admins thaw: begin, then sign with the approval passkey. */
import {
  canonicalize,
  type FreezeNotice,
  type FreezeScope,
  type FreezeStatement,
  freezeNoticeJson,
  type Hash,
  hashText,
  type JsonObject,
  POLICY_ADMIN_ROLE,
  sealFreezeNotice,
  statementHash,
  statementJson,
  type TenantId,
  type ThawStatement,
  utf8Encode,
} from '@trustgw/protocol'
import { BusFault, sha256, storeNotice } from '@trustgw/runtime'
import { CEREMONY_TTL_MS, CeremonyBook } from '../ceremony/ceremony-book.ts'
import type { AssertionResponse } from '../ceremony/passkey-response.ts'
import { type RelyingParty, signedBy } from '../ceremony/passkeys.ts'
import { newNonce } from '../crypto.ts'
import type { HostDeps, HostKey } from '../deps.ts'
import { type Refused, refused } from '../http/problem.ts'
import type { PersonRecord } from '../people/person.ts'
import type { Session } from '../session/session-desk.ts'

export interface FreezeDeskDeps {
  readonly tenant: TenantId
  readonly party: RelyingParty
  /** What this host believes. */
  readonly freezes: HostDeps['freezes']
  /** The bucket `freezes`. */
  readonly freezeRecords: HostDeps['freezeRecords']
  readonly hostKey: HostKey
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
  readonly audit: HostDeps['audit']
  readonly log: HostDeps['log']
}

/** What a person wants. */
export type FreezeWish =
  | {
      readonly order: 'freeze'
      readonly scope: FreezeScope
      readonly reason: string
      /** No thaw ends it; for admins. */
      readonly final?: true
    }
  | { readonly order: 'thaw'; readonly freeze: Hash; readonly reason: string }

/** A statement that was shown to one person in one session. */
interface Open {
  readonly statement: FreezeStatement | ThawStatement
  readonly reason: string
  readonly sid: string
}

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

/**
 * The host seals what a passkey signed, so that planes without pins hear of it too (spec/protocol.md §4
 * "Freeze and thaw"). Its seal alone freezes and never thaws: executors check the passkey of a thaw
 * against their own pins.
 */
export class FreezeDesk {
  readonly #deps: FreezeDeskDeps
  readonly #open = new CeremonyBook<Open>()

  constructor(deps: FreezeDeskDeps) {
    this.#deps = deps
  }

  /** What stands still, the oldest first, with whole statements: a reader hashes them itself. */
  list(): JsonObject {
    const { freezes, tenant } = this.#deps
    return {
      freezes: freezes.standing(tenant).map(({ statement, reason, vouched, isFinal }) => ({
        statement: statementJson(statement),
        reason,
        vouched,
        final: isFinal,
      })),
    }
  }

  /** The statement that the passkey will sign. */
  begin(session: Session, wish: FreezeWish): Answer {
    const blocked = this.#objection(session.person, wish)
    if (blocked !== undefined) return blocked
    const { clock, party, random } = this.#deps
    const at = clock.now()
    const nonce = newNonce(random)
    const statement = this.#statement(wish, { by: session.person.person, at, nonce })
    const expires_at = at + CEREMONY_TTL_MS
    this.#open.open(nonce, { statement, reason: wish.reason, sid: session.sid }, expires_at)
    return {
      ok: true,
      json: {
        statement: statementJson(statement),
        nonce,
        expires_at,
        rp_id: party.rpId,
        credential_ids: session.person.approval.map(({ id }) => id),
      },
    }
  }

  /** Stores what was signed. `BusFault` where it could not be: nothing stands still then. */
  async finish(session: Session, nonce: string, given: AssertionResponse): Promise<Answer> {
    const { clock, freezes, party, tenant } = this.#deps
    const open = this.#open.take(nonce, clock.now())
    if (open === undefined || open.sid !== session.sid) return refused('ceremony_unknown')
    const { statement, reason } = open
    if (statement.by !== session.person.person) return refused('ceremony_unknown')
    const assertion = await signedBy(party, statement, session.person, given)
    if (assertion === undefined) return await this.#refuse(statement)
    const blocked = this.#objection(session.person, wishOf(statement, reason))
    if (blocked !== undefined) return blocked
    await this.#carryOut(
      sealFreezeNotice(sha256, { statement, reason, assertion }, this.#deps.hostKey),
    )
    const hash = statementHash(sha256, statement)
    const standing = freezes.standing(tenant).map((one) => one.hash)
    return { ok: true, json: { hash, standing } }
  }

  /** What stops does not wait for the record; what lets go on is on record first. */
  async #carryOut(notice: FreezeNotice): Promise<void> {
    const { freezes, freezeRecords, log } = this.#deps
    const { statement } = notice
    const hash = statementHash(sha256, statement)
    const bytes = utf8Encode(canonicalize(freezeNoticeJson(notice)))
    if (statement.typ === 'trustgw/thaw/1') await this.#record(statement, hash)
    // The nonce is this host's, so nobody can have taken the place.
    const isStored = await storeNotice(freezeRecords, { notice, hash }, bytes)
    if (!isStored) throw new BusFault('store_refused', 'the place of a notice is taken')
    await freezes.offer(bytes)
    if (statement.typ === 'trustgw/thaw/1') return
    try {
      await this.#record(statement, hash)
    } catch {
      // It stands, whatever became of its record here; whoever believes it records it too.
      log.error('freeze_not_recorded', { freeze_hash: hash })
    }
  }

  async #record(statement: FreezeStatement | ThawStatement, hash: Hash): Promise<void> {
    const { reason_hash, by } = statement
    const actor = { kind: 'human', id: by } as const
    if (statement.typ === 'trustgw/thaw/1') {
      const { freeze_hash } = statement
      const payload = { thaw_hash: hash, freeze_hash, reason_hash }
      await this.#deps.audit.append('thaw_given', { actor, payload })
      return
    }
    const { scope } = statement
    const name = scope.kind === 'tenant' ? '' : scope.name
    const final = statement.final === true
    const payload = { freeze_hash: hash, scope: scope.kind, name, reason_hash, final }
    await this.#deps.audit.append('freeze_given', { actor, payload })
  }

  async #refuse(statement: FreezeStatement | ThawStatement): Promise<Refused> {
    await this.#deps.audit.append('freeze_refused', {
      actor: { kind: 'human', id: statement.by },
      payload: { reason: 'signature_refused', typ: statement.typ },
    })
    return refused('signature_refused')
  }

  /** Anybody who can sign may stop; only an admin may let go on, or stop for good. Executors judge by their own pins. */
  #objection(person: PersonRecord, wish: FreezeWish): Refused | undefined {
    const isForGood = wish.order === 'freeze' && wish.final === true
    if (wish.order === 'thaw' || isForGood) {
      if (!person.roles.includes(POLICY_ADMIN_ROLE)) return refused('role_missing')
    }
    if (wish.order === 'thaw') {
      const standing = this.#deps.freezes.standing(this.#deps.tenant)
      const found = standing.find(({ hash }) => hash === wish.freeze)
      if (found === undefined) return refused('not_frozen')
      if (found.isFinal) return refused('revoked_for_good')
    }
    return person.approval.length === 0 ? refused('no_approval_credential') : undefined
  }

  #statement(
    wish: FreezeWish,
    said: Pick<FreezeStatement, 'by' | 'at' | 'nonce'>,
  ): FreezeStatement | ThawStatement {
    const { freezes, tenant } = this.#deps
    const reason_hash = hashText(sha256, wish.reason)
    if (wish.order === 'thaw') {
      return { typ: 'trustgw/thaw/1', tenant, freeze_hash: wish.freeze, reason_hash, ...said }
    }
    const { scope, final } = wish
    const counter = freezes.count(tenant) + 1
    const forGood = final === true ? { final } : {}
    return { typ: 'trustgw/freeze/1', tenant, scope, reason_hash, counter, ...forGood, ...said }
  }
}

/** What was wished for, read back from what was signed. */
function wishOf(statement: FreezeStatement | ThawStatement, reason: string): FreezeWish {
  if (statement.typ === 'trustgw/thaw/1') {
    return { order: 'thaw', freeze: statement.freeze_hash, reason }
  }
  const { scope, final } = statement
  return { order: 'freeze', scope, reason, ...(final === undefined ? {} : { final }) }
}
