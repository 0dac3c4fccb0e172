import {
  type ActionId,
  approvalDecisionAnswerShape,
  type JsonObject,
  OUTCOME_DECISION_TYP,
  type OutcomeDecision,
  outcomeDecisionJson,
  outcomeObjection,
  parseJsonObject,
  readShape,
  signJws,
  storedKey,
  subject,
  type TenantId,
  type UnsettledAction,
  unsettledActionJson,
  unsettledActionShape,
  utf8Encode,
} from '@trustgw/protocol'
import { BusFault, RECORD_VALUE_MAX_BYTES, sha256 } from '@trustgw/runtime'
import type { HostDeps, HostKey } from '../deps.ts'
import { type Refused, refused } from '../http/problem.ts'
import type { Session } from '../session/session-desk.ts'

/** Actions listed at once, those that wait longest first. */
export const OUTCOMES_LISTED_MAX_COUNT = 200
/** How long a person waits for the gateway's answer; without one they send it again. */
const DELIVERY_TIMEOUT_MS = 8_000
const ANSWER_MAX_BYTES = 4_096

export interface OutcomeDeskDeps {
  readonly tenant: TenantId
  /** The bucket `unsettled`, which the gateway writes. */
  readonly unsettled: HostDeps['unsettled']
  readonly bus: HostDeps['bus']
  readonly audit: HostDeps['audit']
  readonly clock: HostDeps['clock']
  readonly log: HostDeps['log']
  readonly hostKey: HostKey
}

/** What a person found out about a run. */
export interface Finding {
  readonly jti: UnsettledAction['jti']
  readonly outcome: OutcomeDecision['outcome']
  readonly reason: string
}

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

/** Where people settle what was entered and ended unseen (spec/protocol.md §5). */
export class OutcomeDesk {
  readonly #deps: OutcomeDeskDeps

  constructor(deps: OutcomeDeskDeps) {
    this.#deps = deps
  }

  async list(): Promise<JsonObject> {
    const { tenant, unsettled } = this.#deps
    const stored = await unsettled.list(tenant)
    const actions = stored.slice(0, OUTCOMES_LISTED_MAX_COUNT).flatMap(({ value }) => {
      const action = this.#read(value)
      return action === undefined ? [] : [unsettledActionJson(action)]
    })
    return { actions }
  }

  /**
   * Records who said so, then tells the gateway; done when it has stored it. `BusFault` when it does not
   * answer: nothing is kept here, the person says it again.
   */
  async settle(session: Session, id: ActionId, finding: Finding): Promise<Answer> {
    const { tenant, unsettled, audit, clock } = this.#deps
    const stored = await unsettled.get(`${tenant}.${storedKey(sha256, id)}`)
    const action = stored === undefined ? undefined : this.#read(stored.value)
    if (action?.action_id !== id || action.jti !== finding.jti) return refused('not_unsettled')
    const { person, roles } = session.person
    const objection = outcomeObjection(action, person, roles)
    if (objection !== null) return refused(objection)
    await audit.append('outcome_given', {
      actor: { kind: 'human', id: person },
      action_id: id,
      payload: { jti: action.jti, outcome: finding.outcome },
    })
    const { jti, outcome, reason } = finding
    const decided_at = clock.now()
    const said = { v: 1, action_id: id, tenant, jti, outcome, person, roles, reason } as const
    return await this.#deliver({ ...said, decided_at })
  }

  async #deliver(decision: OutcomeDecision): Promise<Answer> {
    const { tenant, bus, hostKey } = this.#deps
    const payload = outcomeDecisionJson(decision)
    const token = signJws({ typ: OUTCOME_DECISION_TYP, kid: hostKey.kid, payload }, hostKey.sign)
    const data = await bus.request(subject('approval_outcome', { tenant }), utf8Encode(token), {
      timeoutMs: DELIVERY_TIMEOUT_MS,
    })
    const parsed = parseJsonObject(data, { maxBytes: ANSWER_MAX_BYTES })
    const read = parsed.ok ? readShape(approvalDecisionAnswerShape, parsed.value) : parsed
    if (!read.ok) throw new BusFault('store_malformed', 'answer to an outcome')
    if (read.value.status === 'accepted') return { ok: true, json: { state: read.value.state } }
    return refused('not_unsettled', read.value.code)
  }

  #read(value: Uint8Array): UnsettledAction | undefined {
    const { tenant, log } = this.#deps
    const parsed = parseJsonObject(value, { maxBytes: RECORD_VALUE_MAX_BYTES })
    const read = parsed.ok ? readShape(unsettledActionShape, parsed.value) : parsed
    if (read.ok && read.value.tenant === tenant) return read.value
    log.warn('unsettled_unreadable', { reason: read.ok ? 'tenant' : read.reason })
    return undefined
  }
}
