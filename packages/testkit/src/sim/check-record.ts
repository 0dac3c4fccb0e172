import { verifyWriterChains } from '@trustgw/core'
import {
  type AuditEvent,
  auditEventShape,
  type JwsVerifier,
  parseJson,
  readShape,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { Invocation } from './check-effects.ts'
import { textOf } from './evidence.ts'
import type { Finding } from './findings.ts'
import { PUBLIC_KEYS } from './installation.ts'
import type { Room } from './processes.ts'
import type { SideEffect } from './shop.ts'
import type { States } from './states.ts'

/** An event and the moment at which the stream had it. */
export interface Recorded {
  readonly event: AuditEvent
  readonly at: number
}

const KEYS = ['gateway', 'host', 'exec-connector'] as const

/** The stream AUDIT, in its order. */
export async function readRecord({ direct, durables }: Room): Promise<readonly Recorded[]> {
  const reader = direct.reader({ home: 'data', stream: 'AUDIT' })
  const recorded: Recorded[] = []
  for (let seq = 1; ; seq += 1) {
    const message = await reader.getBySeq(seq)
    if (message === undefined) return recorded
    const json = parseJson(message.data)
    const event = json.ok ? readShape(auditEventShape, json.value) : json
    if (!event.ok) throw new TypeError(`no event at ${seq}`)
    recorded.push({ event: event.value, at: durables.storedAt('AUDIT', seq) })
  }
}

function keyFor({ kid, writer }: Pick<AuditEvent, 'kid' | 'writer'>): JwsVerifier | undefined {
  const component = KEYS.find((name) => writer.startsWith(`${name}/`))
  return component === undefined ? undefined : PUBLIC_KEYS.keyFor({ role: 'audit', component })(kid)
}

/** Every writer's chain holds, link by link. */
export function checkChains(record: readonly Recorded[]): readonly Finding[] {
  const events = record.map(({ event }) => event)
  return verifyWriterChains(sha256, keyFor, events).map(({ problem, writer, seq }) =>
    missing(`the chain of ${writer} at ${seq}: ${problem}`),
  )
}

/** Effects, grants and ends have their events, and those before them came before them. */
export function checkEvents(
  record: readonly Recorded[],
  of: {
    readonly ledger: readonly SideEffect[]
    readonly invocations: readonly Invocation[]
    readonly states: States
  },
): readonly Finding[] {
  const has = (type: string, action: string, before: number, jti?: string): boolean =>
    record.some(
      ({ event, at }) =>
        event.type === type &&
        event.action_id === action &&
        at <= before &&
        (jti === undefined || event.payload['jti'] === jti),
    )
  const grants = of.invocations.flatMap(({ claims, sent }) => {
    const [action, jti] = [textOf(claims, 'action_id'), textOf(claims, 'jti')]
    const isRecorded =
      has('grant_issued', action, sent.sentAt, jti) && has('evaluated', action, sent.sentAt)
    return isRecorded ? [] : [missing(`grant ${jti} of ${action} left before it was recorded`)]
  })
  const effects = of.ledger.flatMap((effect) => {
    const invocation = of.invocations.find(
      ({ claims }) => textOf(claims, 'idempotency_key') === effect.idempotency_key,
    )
    const action = textOf(invocation?.claims, 'action_id')
    return has('started', action, effect.at)
      ? []
      : [missing(`${effect.tool} of ${action} was not on record when it happened`)]
  })
  const ends = of.states.records.flatMap(({ proposal, state }) => {
    const type = END_EVENTS[state.kind]
    const isTold = type === undefined || has(type, proposal.action_id, Number.POSITIVE_INFINITY)
    return isTold ? [] : [missing(`${proposal.action_id} is ${state.kind} without an event`)]
  })
  return [...grants, ...effects, ...ends]
}

const END_EVENTS: { readonly [state: string]: string } = {
  denied: 'denied',
  succeeded: 'succeeded',
  failed: 'failed',
  refused: 'refused',
  expired: 'expired',
  cancelled: 'cancelled',
  needs_human: 'needs_human',
  reconciled_succeeded: 'reconciled',
  reconciled_failed: 'reconciled',
}

function missing(detail: string): Finding {
  return { invariant: 'everything is on record', detail }
}
