import { canonicalize, type Json, type JsonObject } from '@trustgw/protocol'
import {
  approverOf,
  hashOf,
  listAt,
  numberOf,
  objectAt,
  payloadOf,
  readJson,
  textOf,
} from './evidence.ts'
import type { Finding, Invariant } from './findings.ts'
import type { Sent } from './hub.ts'
import { type Asked, askedBy, COUPONS_MAX, EPOCH, PEOPLE, TENANT } from './installation.ts'
import type { People, Verdict } from './people.ts'
import type { SideEffect } from './shop.ts'

/** A grant as it reached an executor, with what came along. */
export interface Invocation {
  readonly sent: Sent
  readonly token: string
  readonly claims: JsonObject
  readonly message: JsonObject
}

/** A grant may be used a moment after its end, by an executor whose clock lags (spec/protocol.md §4). */
const CLOCK_SLACK_MS = 100_000
/** A grant is claimed and entered within its life and the tries of the claim. */
const USED_WITHIN_MS = 60_000
const CLEARANCES = ['auto_approved', 'human_approved', 'elevated_approval'] as const

/** Every grant that the gateway's key signed and that reached an executor. */
export function invocationsOf(sent: readonly Sent[]): readonly Invocation[] {
  return sent.flatMap((one) => {
    if (!one.subject.startsWith('exec.v1.')) return []
    const message = readJson(one.data)
    const token = textOf(message, 'grant')
    const claims = payloadOf(token, { typ: 'execution-grant+jwt', kid: 'grant' })
    if (message === undefined || claims === undefined) return []
    return [{ sent: one, token, claims, message }]
  })
}

/** At most one effect for each action, whatever became of messages and processes. */
export function checkOnce(ledger: readonly SideEffect[]): readonly Finding[] {
  const seen = new Map<string, SideEffect>()
  return ledger.flatMap((effect) => {
    const before = seen.get(effect.idempotency_key)
    seen.set(effect.idempotency_key, effect)
    if (before === undefined) return []
    const detail = `${effect.tool} by ${before.by} at ${before.at} and by ${effect.by} at ${effect.at}`
    return [{ invariant: 'one effect at most', detail } as const]
  })
}

export interface Grounds {
  readonly ledger: readonly SideEffect[]
  readonly invocations: readonly Invocation[]
  readonly verdicts: People['verdicts']
  /** When an executor told that it pinned an epoch. */
  readonly pinned: readonly { readonly by: string; readonly epoch: number; readonly at: number }[]
}

/** Each effect had a grant, the people whom policy asks for, and policy's leave. */
export function checkGrounds(grounds: Grounds): readonly Finding[] {
  const findings = grounds.ledger.flatMap((effect) => checkEffect(effect, grounds))
  return [...findings, ...checkCoupons(grounds)]
}

function checkEffect(effect: SideEffect, grounds: Grounds): readonly Finding[] {
  const { tool, by, at } = effect
  const find = (invariant: Invariant, why: string): Finding => ({
    invariant,
    detail: `${tool} by ${by} at ${at.toFixed(3)}: ${why}`,
  })
  const grants = grounds.invocations.filter((one) => isFor(one, effect))
  if (grants.length === 0) return [find('no effect without its grant', 'no grant reached it')]
  const problems = grants.map((one) => problemOf(one, effect, grounds))
  // One of them is enough: which of two good ones was used is not told by the effect.
  if (problems.includes(undefined)) return []
  return problems.flatMap((problem) =>
    problem === undefined ? [] : [find(problem.invariant, problem.detail)],
  )
}

function isFor({ sent, claims }: Invocation, effect: SideEffect): boolean {
  return (
    sent.to === effect.by &&
    sent.at <= effect.at &&
    textOf(claims, 'idempotency_key') === effect.idempotency_key
  )
}

function problemOf(
  invocation: Invocation,
  effect: SideEffect,
  grounds: Grounds,
): Finding | undefined {
  const { claims, message } = invocation
  const grant = grantProblem(claims, effect)
  if (grant !== undefined) return { invariant: 'no effect without its grant', detail: grant }
  const epoch = numberOf(claims, 'policy_epoch')
  const newer = grounds.pinned.some(
    (pin) => pin.by === effect.by && pin.epoch > epoch && pin.at + USED_WITHIN_MS < effect.at,
  )
  if (newer) return { invariant: 'no effect outside policy', detail: `epoch ${epoch} is over` }
  const args = readJson(Buffer.from(effect.arguments_text))
  const asked = askedBy(epoch, `shop.${effect.tool}`, Number(textOf(args, 'amount')))
  if (asked === undefined) {
    return { invariant: 'no effect outside policy', detail: `epoch ${epoch} denies it` }
  }
  const tier = numberOf(objectAt(message, 'decision'), 'tier')
  if (!(tier >= asked.tier) || textOf(claims, 'clearance') !== CLEARANCES[tier]) {
    return { invariant: 'no effect outside policy', detail: `tier ${tier}, asked ${asked.tier}` }
  }
  const people = peopleProblem(invocation, asked, { effect, verdicts: grounds.verdicts })
  return people === undefined
    ? undefined
    : { invariant: 'no effect without its people', detail: people }
}

function grantProblem(claims: JsonObject, effect: SideEffect): string | undefined {
  const key = hashOf(`${TENANT}\n${textOf(claims, 'action_id')}`)
  if (key !== effect.idempotency_key) return 'the grant is for another action'
  if (textOf(claims, 'tool_name') !== `shop.${effect.tool}`) return 'the grant is for another tool'
  if (textOf(claims, 'input_hash') !== hashOf(effect.arguments_text)) {
    return 'the grant is for other arguments'
  }
  if (textOf(claims, 'aud') !== 'connector') return 'the grant is for another profile'
  const now = EPOCH + effect.at
  const begins = numberOf(claims, 'nbf') * 1000 - CLOCK_SLACK_MS
  const ends = numberOf(claims, 'exp') * 1000 + USED_WITHIN_MS + CLOCK_SLACK_MS
  return now < begins || now > ends ? 'the grant is not for this time' : undefined
}

function peopleProblem(
  { claims, message }: Invocation,
  asked: Asked,
  of: { readonly effect: SideEffect; readonly verdicts: readonly Verdict[] },
): string | undefined {
  const decision = objectAt(message, 'decision')
  const initiators = [
    decision?.['on_behalf_of'],
    textOf(objectAt(decision, 'principal'), 'subject'),
  ]
  const statement = statementOf(claims, decision)
  const evidence = listAt(message, 'approvals')
  const hashes = evidence.map((one) => hashOf(canonicalize(one)))
  if (canonicalize(hashes) !== canonicalize(listAt(claims, 'approvals'))) {
    return 'the grant names other evidence'
  }
  const signed = evidence.map((one) => approverOf(one, statement))
  if (signed.includes(undefined)) return 'evidence that does not hold'
  const kinds = evidence.map((one: Json) => textOf(objectAt(one), 'kind'))
  if (asked.tier === 2 && kinds.some((kind) => kind !== 'passkey')) return 'no passkey'
  const counting = new Set(
    signed.filter(
      (name) =>
        name !== undefined &&
        !initiators.includes(name) &&
        hasRole(name, asked.roles) &&
        didApprove(name, claims, of),
    ),
  )
  return counting.size >= asked.quorum
    ? undefined
    : `${counting.size} of ${asked.quorum} people approved it`
}

function hasRole(name: string, roles: readonly string[]): boolean {
  const person = PEOPLE.find((one) => one.name === name)
  return person !== undefined && (roles.length === 0 || roles.some((r) => person.roles.includes(r)))
}

/** What the person really did, not what a message says. */
function didApprove(
  name: string,
  claims: JsonObject,
  { effect, verdicts }: { readonly effect: SideEffect; readonly verdicts: readonly Verdict[] },
): boolean {
  return verdicts.some(
    (verdict) =>
      verdict.verdict === 'approve' &&
      verdict.person === name &&
      verdict.action === textOf(claims, 'action_id') &&
      verdict.input_hash === textOf(claims, 'input_hash') &&
      verdict.tool === textOf(claims, 'tool_name') &&
      verdict.at <= effect.at,
  )
}

/** The statement without what each approver adds to it. */
function statementOf(claims: JsonObject, decision: JsonObject | undefined): JsonObject {
  const of = (name: string): Json => claims[name] ?? null
  return {
    typ: 'trustgw/approval/1',
    action_id: of('action_id'),
    tenant: of('tenant_id'),
    workspace: of('workspace_id'),
    principal: decision?.['principal'] ?? null,
    on_behalf_of: decision?.['on_behalf_of'] ?? null,
    credential_ref: of('credential_ref'),
    tool_id: of('tool_name'),
    contract_hash: of('contract_hash'),
    input_hash: of('input_hash'),
    precondition_hash: of('precondition_hash'),
    rule_id: of('rule_id'),
    policy_fingerprint: of('policy_fingerprint'),
    tier: decision?.['tier'] ?? null,
    verdict: 'approve',
  }
}

/** The limit of coupons, counted at the shop. */
function checkCoupons({ ledger, invocations }: Grounds): readonly Finding[] {
  const given = new Map<string, Set<string>>()
  for (const { tool, idempotency_key: key } of ledger) {
    if (tool !== 'coupon') continue
    const grant = invocations.find(({ claims }) => textOf(claims, 'idempotency_key') === key)
    const agent = textOf(grant?.claims, 'sub')
    given.set(agent, (given.get(agent) ?? new Set()).add(key))
  }
  return [...given].flatMap(([agent, keys]) => {
    if (keys.size <= COUPONS_MAX) return []
    const detail = `${keys.size} coupons by ${agent}, at most ${COUPONS_MAX}`
    return [{ invariant: 'no effect outside policy', detail } as const]
  })
}
