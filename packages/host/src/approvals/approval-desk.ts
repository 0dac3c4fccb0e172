import {
  type ActionEvent,
  type ActionId,
  APPROVAL_STATEMENT_TYP,
  type ApprovalDecision,
  type ApprovalEvidence,
  type ApprovalRequest,
  type ApprovalStatement,
  approvalRequestJson,
  approvalStatement,
  approvalStatementJson,
  type ComputedHashes,
  countsIn,
  countsThrough,
  type JsonObject,
  judgeApprover,
  ok,
  refuse,
  signJws,
  type TenantId,
  type ToolContract,
} from '@trustgw/protocol'
import { CEREMONY_TTL_MS, CeremonyBook } from '../ceremony/ceremony-book.ts'
import type { AssertionResponse } from '../ceremony/passkey-response.ts'
import { type RelyingParty, signedBy } from '../ceremony/passkeys.ts'
import { newNonce } from '../crypto.ts'
import type { HostDeps, HostKey } from '../deps.ts'
import { type Refused, refused } from '../http/problem.ts'
import type { PersonRecord } from '../people/person.ts'
import {
  type ApprovalRecord,
  clausesAt,
  givenOf,
  mayBeStopped,
  runsByItself,
  withDecision,
} from './approval-record.ts'
import type { ApprovalStore } from './approval-store.ts'
import { checkRequest } from './check-request.ts'
import { channelOf, type Decider } from './decider.ts'
import type { DecisionCourier, Delivered } from './decision-courier.ts'
import { earlierApprovals } from './earlier-approvals.ts'

/** How long an answer to a person waits for the gateway's; the decision is stored anyway. */
export const VERDICT_WAIT_MS = 4_000
/** From this tier up an approval is a passkey's signature (spec/protocol.md §1 rule 2). */
export const PASSKEY_TIER = 2
/** An undecided approval is put away this long after its deadline. */
export const EXPIRED_AFTER_MS = 60_000

export interface ApprovalDeskDeps {
  readonly tenant: TenantId
  readonly party: RelyingParty
  /** Where what takes a passkey is approved: the portal, or the page on an origin of its own. */
  readonly signedOn: 'portal' | 'page'
  readonly store: ApprovalStore
  readonly courier: DecisionCourier
  readonly hostKey: HostKey
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
  readonly audit: HostDeps['audit']
  readonly log: HostDeps['log']
}

/** A nonce that was given out: for one action as it was asked for, to one person, in one session. */
interface OpenApproval {
  readonly actionId: ActionId
  readonly requestedAt: number
  readonly approver: string
  readonly sid: string
}

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

/** What a person sends to approve; `null` where the tier asks for no passkey. */
export interface ApprovalProof {
  readonly nonce: string
  readonly assertion: AssertionResponse | null
}

/** Where people decide. The one path to a decision: begin, then approve; or deny. */
export class ApprovalDesk {
  readonly #deps: ApprovalDeskDeps
  readonly #open = new CeremonyBook<OpenApproval>()

  constructor(deps: ApprovalDeskDeps) {
    this.#deps = deps
  }

  /** Requests that wait for people, the most urgent first. */
  pending(): readonly ApprovalRequest[] {
    const now = this.#deps.clock.now()
    return this.#deps.store
      .open()
      .filter(({ state, request }) => state === 'pending' && now < request.decide_by)
      .map(({ request }) => request)
      .sort((a, b) => a.decide_by - b.decide_by)
  }

  async begin(by: Decider, actionId: ActionId): Promise<Answer> {
    const record = await this.#deps.store.find(actionId)
    if (record === undefined) return refused('unknown_action')
    const now = this.#deps.clock.now()
    const blocked = this.#objection(record, by, now)
    if (blocked !== undefined) return blocked
    const { request } = record
    const nonce = newNonce(this.#deps.random)
    const open = {
      actionId,
      requestedAt: request.requested_at,
      approver: by.person.person,
      sid: by.sid,
    }
    this.#open.open(nonce, open, Math.min(now + CEREMONY_TTL_MS, request.decide_by))
    return {
      ok: true,
      json: {
        approver: by.person.person,
        nonce,
        decide_by: request.decide_by,
        run_by: request.run_by,
        rp_id: this.#deps.party.rpId,
        credential_ids: by.person.approval.map(({ id }) => id),
      },
    }
  }

  async approve(by: Decider, actionId: ActionId, proof: ApprovalProof): Promise<Answer> {
    const now = this.#deps.clock.now()
    const open = this.#open.take(proof.nonce, now)
    if (open === undefined || !isFor(open, by, actionId)) return refused('ceremony_unknown')
    const record = await this.#deps.store.find(actionId)
    if (record === undefined) return refused('unknown_action')
    const blocked = this.#objection(record, by, now)
    if (blocked !== undefined) return blocked
    const { request } = record
    if (request.requested_at !== open.requestedAt) return refused('ceremony_unknown')
    const hashes = checkRequest(request, this.#deps.tenant, now)
    if (!hashes.ok) return refused('not_pending', hashes.reason)
    const statement = this.#statement(request, hashes.value, open.approver, proof.nonce)
    const evidence = await this.#evidence(statement, by.person, proof.assertion)
    if (evidence === undefined) return await this.#refuseAssertion(by, actionId)
    return await this.#decide(request, {
      v: 1,
      action_id: actionId,
      tenant: this.#deps.tenant,
      verdict: 'approve',
      approver: open.approver,
      roles: by.person.roles,
      channel: channelOf(by),
      reason: '',
      decided_at: now,
      evidence,
    })
  }

  /** A denial needs no passkey: what restricts is accepted on the host's word (§1 rule 3). */
  async deny(by: Decider, actionId: ActionId, reason: string): Promise<Answer> {
    const record = await this.#deps.store.find(actionId)
    if (record === undefined) return refused('unknown_action')
    const now = this.#deps.clock.now()
    const blocked = mayBeStopped(record)
      ? isAsked(record, by.person, now)
      : mayDecide(record, by.person, now)
    if (blocked !== undefined) return blocked
    return await this.#decide(record.request, {
      v: 1,
      action_id: actionId,
      tenant: this.#deps.tenant,
      verdict: 'deny',
      approver: by.person.person,
      roles: by.person.roles,
      channel: channelOf(by),
      reason,
      decided_at: now,
      evidence: null,
    })
  }

  /** What this person may do with a request, or what waits to run; undefined: it is not theirs to decide. */
  choices(record: ApprovalRecord, by: Decider): { readonly mayApprove: boolean } | undefined {
    const now = this.#deps.clock.now()
    if (mayBeStopped(record))
      return isAsked(record, by.person, now) === undefined ? { mayApprove: false } : undefined
    if (mayDecide(record, by.person, now) !== undefined) return undefined
    return { mayApprove: this.#objection(record, by, now) === undefined }
  }

  /** One request with the action's state, as far as the host knows it, and who approved so far. */
  async show(actionId: ActionId, event: ActionEvent | undefined): Promise<Answer> {
    const record = await this.#deps.store.find(actionId)
    if (record === undefined) return refused('unknown_action')
    const state = event === undefined ? stateOf(record) : laterOf(record, event)
    const given = givenOf(record).map(({ approver, roles }) => ({ approver, roles: [...roles] }))
    return { ok: true, json: { ...approvalRequestJson(record.request), state, given } }
  }

  /** What was approved of the same tool before; `eventOf` says what became of it. */
  async earlier(
    actionId: ActionId,
    eventOf: (id: ActionId) => ActionEvent | undefined,
  ): Promise<Answer> {
    const record = await this.#deps.store.find(actionId)
    if (record === undefined) return refused('unknown_action')
    return { ok: true, json: await earlierApprovals(this.#deps.store, record.request, eventOf) }
  }

  /** The contract with which an approval was asked for, whatever became of it. */
  async contractOf(actionId: ActionId): Promise<ToolContract | undefined> {
    return (await this.#deps.store.find(actionId))?.request.contract
  }

  /** An action that went on without us: its approval is put away. */
  async follow(event: ActionEvent): Promise<void> {
    const open = this.#deps.store
      .open()
      .find(({ request }) => request.action_id === event.action_id)
    if (open?.state !== 'pending' || event.at <= open.request.requested_at) return
    if (waitsForPeople(open, event)) return
    await this.#close(event.action_id, open.request.requested_at, event.state)
  }

  /** Puts away what was left undecided after its deadline. */
  async sweep(): Promise<void> {
    const now = this.#deps.clock.now()
    for (const { state, request } of this.#deps.store.open()) {
      if (state !== 'pending' || now < request.decide_by + EXPIRED_AFTER_MS) continue
      await this.#close(request.action_id, request.requested_at, 'expired')
    }
  }

  async #close(actionId: ActionId, requestedAt: number, state: string): Promise<void> {
    await this.#deps.store.change(actionId, (record) => {
      const same = record.state === 'pending' && record.request.requested_at === requestedAt
      return ok(same ? { ...record, state: 'closed', closed_by: state } : record)
    })
  }

  #objection(record: ApprovalRecord, by: Decider, now: number): Refused | undefined {
    const { decision } = record.request
    const blocked = mayDecide(record, by.person, now) ?? mayApprove(record, by.person, now)
    if (blocked !== undefined) return blocked
    // What takes a passkey is begun nowhere but on the page that shows the card that is signed.
    if (by.kind !== this.#deps.signedOn && decision.tier >= PASSKEY_TIER)
      return refused('page_needed')
    const counts = countsThrough(decision, 'approve', channelOf(by))
    return counts ? undefined : refused('channel_not_named')
  }

  /** Stores the verdict where none was (the first one wins), then brings it to the gateway. */
  async #decide(request: ApprovalRequest, decision: ApprovalDecision): Promise<Answer> {
    const { store, courier, clock } = this.#deps
    const stored = await store.change(request.action_id, (record) =>
      record.request.requested_at === request.requested_at
        ? withDecision(record, decision)
        : refuse('not_pending'),
    )
    if (!stored.ok) return refused(stored.reason, stored.detail)
    const delivering = courier.deliver(request.action_id, decision)
    const delivered = await soon(delivering, clock)
    if (delivered?.delivery === 'refused') return refused('not_pending', delivered.answer ?? '')
    if (delivered?.delivery === 'abandoned') return refused('too_late')
    const state = delivered?.answer ?? stateOf(stored.value)
    return { ok: true, json: { state, delivered: delivered !== undefined } }
  }

  #statement(
    request: ApprovalRequest,
    hashes: ComputedHashes,
    approver: string,
    nonce: string,
  ): ApprovalStatement {
    const { decide_by, run_by } = request
    return approvalStatement(request, hashes, {
      approver,
      verdict: 'approve',
      nonce,
      decide_by,
      run_by,
    })
  }

  async #evidence(
    statement: ApprovalStatement,
    person: PersonRecord,
    given: AssertionResponse | null,
  ): Promise<ApprovalEvidence | undefined> {
    const { approver, nonce, decide_by, run_by } = statement
    const common = { approver, nonce, decide_by, run_by }
    if (statement.tier < PASSKEY_TIER) {
      return given === null
        ? { ...common, kind: 'host', statement: this.#vouch(statement) }
        : undefined
    }
    if (given === null) return undefined
    const assertion = await signedBy(this.#deps.party, statement, person, given)
    return assertion === undefined ? undefined : { ...common, kind: 'passkey', assertion }
  }

  /** Tier 1: the host's word over the same statement (spec/protocol.md §4 step 4). */
  #vouch(statement: ApprovalStatement): string {
    const { kid, sign } = this.#deps.hostKey
    const payload = approvalStatementJson(statement)
    return signJws({ typ: APPROVAL_STATEMENT_TYP, kid, payload }, sign)
  }

  async #refuseAssertion(by: Decider, actionId: ActionId): Promise<Refused> {
    await this.#deps.audit.append('approval_refused', {
      actor: { kind: 'human', id: by.person.person },
      action_id: actionId,
      payload: { code: 'assertion_refused' },
    })
    return refused('assertion_refused')
  }
}

function isFor(open: OpenApproval, by: Decider, actionId: ActionId): boolean {
  return open.actionId === actionId && open.approver === by.person.person && open.sid === by.sid
}

/** Whether this person may decide at all on what is asked: time, state, role. */
function mayDecide(record: ApprovalRecord, person: PersonRecord, now: number): Refused | undefined {
  if (record.state !== 'pending') return refused('not_pending')
  if (now >= record.request.decide_by) return refused('too_late')
  return isAsked(record, person, now)
}

/** Whether the person's role is asked for. What runs by itself may be stopped by whoever approves at all. */
function isAsked(
  { request }: ApprovalRecord,
  person: PersonRecord,
  now: number,
): Refused | undefined {
  if (runsByItself(request))
    return person.approval.length > 0 ? undefined : refused('no_approval_credential')
  const covered = clausesAt(request, now).some((clause) => countsIn(clause, person.roles))
  return covered ? undefined : refused('role_missing')
}

/** What an approval needs beyond a denial. */
function mayApprove(
  record: ApprovalRecord,
  person: PersonRecord,
  now: number,
): Refused | undefined {
  const { decision } = record.request
  if (runsByItself(record.request)) return refused('not_pending', 'nobody has to approve it')
  const initiator = decision.on_behalf_of ?? decision.principal.subject
  if (initiator === person.person) return refused('initiator_cannot_approve')
  const gave = record.decisions.some((given) => given.decision.approver === person.person)
  if (gave) return refused('not_pending', 'you approved already')
  const adds = judgeApprover(clausesAt(record.request, now), givenOf(record), person.roles)
  if (adds === 'not_needed' || adds === 'not_yet') return refused(`approver_${adds}`)
  // Whoever holds no passkey for approvals is no approver, at tier 1 neither.
  return person.approval.length === 0 ? refused('no_approval_credential') : undefined
}

function waitsForPeople({ request }: ApprovalRecord, { state }: ActionEvent): boolean {
  if (runsByItself(request) && (state === 'authorized' || state === 'scheduled')) return true
  return state === 'proposed' || state === 'preparing' || state === 'pending_approval'
}

/** The state in the words of an action's life (spec/protocol.md §5). */
function stateOf(record: ApprovalRecord): string {
  const words = {
    pending: runsByItself(record.request) ? 'scheduled' : 'pending_approval',
    approved: 'authorized',
    denied: 'denied',
    closed: record.closed_by ?? 'expired',
  } as const
  return words[record.state]
}

/** While the event still says that people are awaited, the host may know better. */
function laterOf(record: ApprovalRecord, event: ActionEvent): string {
  return waitsForPeople(record, event) ? stateOf(record) : event.state
}

/** What came of a delivery, or `undefined` when that takes longer than a person should wait. */
async function soon(
  delivering: Promise<Delivered | undefined>,
  clock: HostDeps['clock'],
): Promise<Delivered | undefined> {
  const cancel: (() => void)[] = []
  const late = new Promise<undefined>((resolve) => {
    cancel.push(clock.setTimer(VERDICT_WAIT_MS, () => resolve(undefined)))
  })
  try {
    return await Promise.race([delivering, late])
  } finally {
    for (const stop of cancel) stop()
  }
}
