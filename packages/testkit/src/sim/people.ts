import type { ApprovalDesk, Session } from '@trustgw/host'
import {
  type ActionId,
  type ApprovalRequest,
  approvalStatement,
  contractHash,
  hashText,
  type JsonObject,
  makeId,
  preconditionHash,
  statementHash,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { Chance } from './chance.ts'
import { textOf } from './evidence.ts'
import { PEOPLE, RP_ID, type SimPerson, TENANT } from './installation.ts'
import type { HostParty } from './parties.ts'
import type { Process, Room } from './processes.ts'

/** What a person really decided, and on what. */
export interface Verdict {
  readonly at: number
  readonly person: string
  readonly action: ActionId
  readonly verdict: 'approve' | 'deny'
  readonly tool: string
  readonly input_hash: string
  readonly tier: number
}

const VISIT_MIN_MS = 800
const VISIT_MAX_MS = 6_000
/** A second visit to the same request: late, or once more. */
const AGAIN_MAX_MS = 90_000

/** People in front of the portal: they approve, deny, think too long, and press twice. */
export class People {
  readonly verdicts: Verdict[] = []
  readonly #room: Room
  readonly #chance: Chance
  readonly #hosts: readonly Process<HostParty>[]
  #until = 0

  constructor(room: Room, chance: Chance, hosts: readonly Process<HostParty>[]) {
    this.#room = room
    this.#chance = chance
    this.#hosts = hosts
  }

  begin(until: number): void {
    this.#until = until
    for (const person of PEOPLE) this.#visitLater(person)
  }

  #visitLater(person: SimPerson): void {
    const pause = this.#chance.between(VISIT_MIN_MS, VISIT_MAX_MS)
    this.#room.loop.after(pause, `${person.name} looks at the portal`, () => {
      const desk = this.#desk()
      if (desk !== undefined) this.#look(person, desk)
      if (this.#room.loop.now < this.#until) this.#visitLater(person)
    })
  }

  #desk(): ApprovalDesk | undefined {
    const open = this.#hosts.flatMap(({ party }) => (party === undefined ? [] : [party.approvals]))
    return open.length === 0 ? undefined : this.#chance.pick(open)
  }

  #look(person: SimPerson, desk: ApprovalDesk): void {
    const pending = desk.pending()
    if (pending.length === 0) return
    const request = this.#chance.pick(pending)
    const dice = this.#chance.next()
    if (dice < 0.55) this.#approve(person, desk, request)
    else if (dice < 0.65) this.#deny(person, desk, request)
    if (dice < 0.1 || dice > 0.9) {
      const pause = this.#chance.between(0, AGAIN_MAX_MS)
      this.#room.loop.after(pause, `${person.name} comes back to ${request.action_id}`, () => {
        const later = this.#desk()
        if (later !== undefined) this.#approve(person, later, request)
      })
    }
  }

  #approve(person: SimPerson, desk: ApprovalDesk, request: ApprovalRequest): void {
    void this.#begun(person, desk, request).catch((error: unknown) => {
      this.#room.loop.say(`${person.name} could not approve: ${String(error)}`)
    })
  }

  async #begun(person: SimPerson, desk: ApprovalDesk, request: ApprovalRequest): Promise<void> {
    const { action_id: id } = request
    const session = sessionOf(person)
    const begun = await desk.begin(session, id)
    if (!begun.ok) return
    const signed = sign(person, request, begun.json)
    this.#note(person, request, 'approve')
    const given = await desk.approve(session, id, signed)
    this.#room.loop.say(`${person.name} approved ${id}: ${given.ok ? 'stored' : 'refused'}`)
  }

  #deny(person: SimPerson, desk: ApprovalDesk, request: ApprovalRequest): void {
    this.#note(person, request, 'deny')
    desk.deny(sessionOf(person), request.action_id, 'no').then(
      ({ ok }) => {
        this.#room.loop.say(`${person.name} denied ${request.action_id}: ${ok}`)
      },
      (error: unknown) => {
        this.#room.loop.say(`${person.name} could not deny: ${String(error)}`)
      },
    )
  }

  #note(person: SimPerson, request: ApprovalRequest, verdict: Verdict['verdict']): void {
    this.verdicts.push({
      at: this.#room.loop.now,
      person: person.name,
      action: request.action_id,
      verdict,
      tool: request.contract.id,
      input_hash: hashText(sha256, request.arguments),
      tier: request.decision.tier,
    })
  }
}

/** What the browser does: it hashes what it shows, and the passkey signs the statement over it. */
function sign(
  { name, passkey }: SimPerson,
  request: ApprovalRequest,
  begun: JsonObject,
): Parameters<ApprovalDesk['approve']>[2] {
  const nonce = textOf(begun, 'nonce')
  if (request.decision.tier < 2) return { nonce, assertion: null }
  const { decide_by, run_by } = request
  const computed = {
    contract_hash: contractHash(sha256, request.contract),
    input_hash: hashText(sha256, request.arguments),
    precondition_hash: preconditionHash(sha256, request.precondition),
  }
  const statement = approvalStatement(request, computed, {
    approver: name,
    verdict: 'approve',
    nonce,
    decide_by,
    run_by,
  })
  const made = passkey.assert(statementHash(sha256, statement))
  return {
    nonce,
    assertion: {
      id: made.credential_id,
      rawId: made.credential_id,
      type: 'public-key',
      response: {
        clientDataJSON: made.client_data_json,
        authenticatorData: made.authenticator_data,
        signature: made.signature,
      },
    },
  }
}

function sessionOf({ name, roles, passkey }: SimPerson): Session {
  return {
    kind: 'portal',
    sid: makeId('session', new Uint8Array(16)),
    authLevel: 5,
    authTime: 1,
    expiresAt: Number.MAX_SAFE_INTEGER,
    renewed: undefined,
    person: {
      v: 1,
      tenant: TENANT,
      person: name,
      name,
      roles,
      login: [],
      approval: [
        {
          id: passkey.credentialId,
          public_key: passkey.publicKey,
          rp_id: RP_ID,
          transports: [],
          created_at: 1,
        },
      ],
      enrolments: [],
      updated_at: 1,
    },
  }
}
