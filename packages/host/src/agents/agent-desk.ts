/** Where an admin registers agents: begin, then sign with the approval passkey. */
import {
  AGENT_RECORD_MAX_BYTES,
  AGENT_RECORD_TYP,
  type AgentRecord,
  type AgentStatement,
  agentKey,
  agentNoticeJson,
  agentRecordHash,
  agentRecordJson,
  agentRecordShape,
  canonicalize,
  type Hash,
  type JsonObject,
  POLICY_ADMIN_ROLE,
  readAgentNotice,
  readShape,
  statementJson,
  type TenantId,
  type ToolRegistry,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { CEREMONY_TTL_MS, CeremonyBook } from '../ceremony/ceremony-book.ts'
import type { AssertionResponse } from '../ceremony/passkey-response.ts'
import { type RelyingParty, signedBy } from '../ceremony/passkeys.ts'
import { newNonce } from '../crypto.ts'
import type { HostDeps } from '../deps.ts'
import type { PortalNews } from '../freezes/tell-portals.ts'
import { type Refused, refused } from '../http/problem.ts'
import type { PeopleStore } from '../people/people-store.ts'
import type { PersonRecord } from '../people/person.ts'
import type { Session } from '../session/session-desk.ts'

const WORKSPACE = 'default'

export interface AgentDeskDeps {
  readonly tenant: TenantId
  readonly party: RelyingParty
  readonly people: PeopleStore
  /** The bucket `agents`: what the operator registered. */
  readonly agents: HostDeps['agents']
  /** The bucket `agent_notices`. */
  readonly agentNotices: HostDeps['agentNotices']
  readonly freezes: HostDeps['freezes']
  readonly registries: () => Promise<readonly ToolRegistry[]>
  readonly trust: HostDeps['trust']
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
  readonly audit: HostDeps['audit']
  readonly tell: PortalNews
  readonly log: HostDeps['log']
}

/** A credential that an admin wants; the key itself is made by, and known to, their browser alone. */
export type AgentWish = Pick<AgentRecord, 'key_id' | 'agent' | 'title' | 'on_behalf_of'> &
  Required<Pick<AgentRecord, 'roles' | 'scopes' | 'skill_level' | 'limits'>> & {
    readonly secret_hash: Hash
  }

interface Open {
  readonly statement: AgentStatement
  readonly record: AgentRecord
  readonly sid: string
}

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

/**
 * The host carries what an admin's passkey signed and makes nothing known itself: a gateway believes
 * executors, and each of them the pins that it has (spec/protocol.md §4 "Agents").
 */
export class AgentDesk {
  readonly #deps: AgentDeskDeps
  readonly #open = new CeremonyBook<Open>()

  constructor(deps: AgentDeskDeps) {
    this.#deps = deps
  }

  /** Every credential, and which executors vouch for it; the secret's hash is nobody's business. */
  async list(): Promise<JsonObject> {
    const { tenant, agents, agentNotices } = this.#deps
    const registries = await this.#deps.registries()
    const byOperator = (await agents.list(tenant)).flatMap(({ key, value }) => {
      const record = this.#readRecord(key, value)
      return record === undefined ? [] : [{ record, by: 'operator', profiles: null }]
    })
    const taken = new Set(byOperator.map(({ record }) => record.key_id))
    const byAdmin = (await agentNotices.list(tenant)).flatMap(({ value }) => {
      const read = readAgentNotice(value, sha256)
      if (!read.ok || taken.has(read.value.record.key_id)) return []
      const { record, statement } = read.value
      const profiles = registries
        .filter((registry) => registry.agents.includes(statement.record_hash))
        .map(({ profile }) => profile)
      return [{ record, by: statement.admin, profiles }]
    })
    const profiles = registries.map(({ profile }) => profile)
    const found = [...byOperator, ...byAdmin].map((one) => ({
      ...shown(one.record),
      by: one.by,
      profiles: one.profiles,
    }))
    return { agents: found, profiles }
  }

  async begin(session: Session, wish: AgentWish): Promise<Answer> {
    const { tenant, clock, party, random } = this.#deps
    const blocked = mayRegister(session.person) ?? (await this.#objection(wish))
    if (blocked !== undefined) return blocked
    const at = clock.now()
    const nonce = newNonce(random)
    const record: AgentRecord = {
      v: 1,
      tenant,
      ...wish,
      workspace: WORKSPACE,
      nkey: null,
      status: 'active',
      created_at: at,
      changed_at: at,
    }
    const statement: AgentStatement = {
      typ: 'trustgw/agent/1',
      tenant,
      key_id: wish.key_id,
      record_hash: agentRecordHash(sha256, record),
      admin: session.person.person,
      at,
      nonce,
    }
    const expires_at = at + CEREMONY_TTL_MS
    this.#open.open(nonce, { statement, record, sid: session.sid }, expires_at)
    return {
      ok: true,
      json: {
        statement: statementJson(statement),
        record: agentRecordJson(record),
        nonce,
        expires_at,
        rp_id: party.rpId,
        credential_ids: session.person.approval.map(({ id }) => id),
      },
    }
  }

  /** Recorded, then stored; `BusFault` where it could not be. */
  async finish(session: Session, nonce: string, given: AssertionResponse): Promise<Answer> {
    const { clock, party, audit, agentNotices, tell } = this.#deps
    const open = this.#open.take(nonce, clock.now())
    if (open === undefined || open.sid !== session.sid) return refused('ceremony_unknown')
    const { statement, record } = open
    if (statement.admin !== session.person.person) return refused('ceremony_unknown')
    const blocked = mayRegister(session.person)
    if (blocked !== undefined) return blocked
    const { agent, key_id, on_behalf_of } = record
    const event = {
      actor: { kind: 'human', id: statement.admin },
      payload: { agent, key_id, record_hash: statement.record_hash, for: on_behalf_of },
    } as const
    const assertion = await signedBy(party, statement, session.person, given)
    if (assertion === undefined) {
      const payload = { ...event.payload, reason: 'signature_refused' }
      await audit.append('agent_refused', { ...event, payload })
      return refused('signature_refused')
    }
    await audit.append('agent_registered', event)
    const notice = agentNoticeJson({ v: 1, statement, record, assertion })
    const key = agentKey(statement.tenant, key_id)
    const stored = await agentNotices.create(key, utf8Encode(canonicalize(notice)))
    if (!stored.ok) return refused('agent_exists')
    tell('agents')
    return { ok: true, json: { key_id } }
  }

  async #objection({ agent, key_id, on_behalf_of }: AgentWish): Promise<Refused | undefined> {
    const { tenant, agents, agentNotices, freezes, people } = this.#deps
    if (freezes.isRevoked(tenant, { agent, key: key_id })) return refused('revoked_for_good')
    const person = on_behalf_of
    if (person !== null && !(await people.list()).some((one) => one.person === person)) {
      return refused('unknown_person')
    }
    const key = agentKey(tenant, key_id)
    const isThere = (await agents.get(key)) ?? (await agentNotices.get(key))
    return isThere === undefined ? undefined : refused('agent_exists')
  }

  #readRecord(key: string, value: Uint8Array): AgentRecord | undefined {
    const { tenant, trust, log } = this.#deps
    const verified = verifyJws(value, {
      typ: AGENT_RECORD_TYP,
      maxBytes: AGENT_RECORD_MAX_BYTES,
      keyFor: trust.operatorKeyFor,
    })
    const read = verified.ok ? readShape(agentRecordShape, verified.value.payload) : verified
    if (read.ok && agentKey(tenant, read.value.key_id) === key) return read.value
    log.warn('agent_record_refused', { key, reason: read.ok ? 'wrong_key' : read.reason })
    return undefined
  }
}

function mayRegister({ roles, approval }: PersonRecord): Refused | undefined {
  if (!roles.includes(POLICY_ADMIN_ROLE)) return refused('role_missing')
  return approval.length === 0 ? refused('no_approval_credential') : undefined
}

function shown(record: AgentRecord): JsonObject {
  const { secret_hash, nkey, ...rest } = agentRecordJson(record)
  return { ...rest, is_on_bus: nkey !== null, has_key: secret_hash !== null }
}
