import { checkGrounds, checkOnce, type Invocation, invocationsOf } from './check-effects.ts'
import { checkFreezes } from './check-freezes.ts'
import { checkPreconditions } from './check-preconditions.ts'
import { checkChains, checkEvents, type Recorded, readRecord } from './check-record.ts'
import { hashOf } from './evidence.ts'
import type { Finding } from './findings.ts'
import type { Sent } from './hub.ts'
import { SHOP_SECRET, TENANT } from './installation.ts'
import { readStates, type States } from './states.ts'
import type { World } from './world-parts.ts'

export interface Checked {
  readonly findings: readonly Finding[]
  /** Actions that ran and ended otherwise, where a clock was far off. */
  readonly late: number
}

/** Everything that does not hold in a world that came to rest. */
export async function checkWorld(world: World): Promise<Checked> {
  const { room, shop, people } = world
  const { ledger } = shop
  const { sent } = room.hub
  const invocations = invocationsOf(sent)
  const record = await readRecord(room)
  const states = await readStates(room)
  const pinned = pinsOf(record)
  const truth = checkTruth(world, states)
  const findings = [
    ...checkOnce(ledger),
    ...checkGrounds({ ledger, invocations, verdicts: people.verdicts, pinned }),
    ...checkRest(world, states),
    ...checkPreconditions(shop, invocations),
    ...checkFreezes(record, { ledger, stops: world.operator.stops }),
    ...truth.findings,
    ...checkChains(record),
    ...checkEvents(record, { ledger, invocations, states }),
    ...checkSecrets(sent, invocations),
  ]
  return { findings, late: truth.late }
}

function pinsOf(record: readonly Recorded[]): Parameters<typeof checkGrounds>[0]['pinned'] {
  return record.flatMap(({ event, at }) => {
    const epoch = event.payload['epoch']
    if (event.type !== 'policy_pinned' || typeof epoch !== 'number') return []
    return [{ by: event.writer.slice(event.writer.indexOf('/') + 1), epoch, at }]
  })
}

/** What was accepted is there, and ended or waits for a person with a reason. */
function checkRest({ agents }: World, { records, open, left }: States): readonly Finding[] {
  const invariant = 'everything accepted comes to rest'
  const known = new Set(records.map(({ proposal }) => proposal.action_id))
  const lost = agents.accepted.flatMap(({ id, tool }) =>
    known.has(id)
      ? []
      : [{ invariant, detail: `${id} (${tool}) was accepted and is gone` } as const],
  )
  const stuck = open.map(
    ({ proposal, state }) =>
      ({
        invariant,
        detail: `${proposal.action_id} (${proposal.tool_id}) is still ${state.kind}`,
      }) as const,
  )
  const silent = records.flatMap(({ proposal, state }) =>
    state.kind === 'needs_human' && state.reason === ''
      ? [{ invariant, detail: `${proposal.action_id} waits without a reason` } as const]
      : [],
  )
  const unsettled = left.map(
    (id) => ({ invariant, detail: `${id} ended and stands among the open ones` }) as const,
  )
  return [...lost, ...stuck, ...silent, ...unsettled]
}

const DONE: ReadonlySet<string> = new Set(['succeeded', 'reconciled_succeeded'])

/**
 * The stored end says what happened, as the shop's ledger does. With a clock that is far off, another end of
 * what was done is let pass and counted: a gateway takes a grant as lapsed that still runs.
 */
function checkTruth({ shop, clocksAgree }: World, { records }: States): Checked {
  const happened = new Set(shop.ledger.map(({ idempotency_key: key }) => key as string))
  const findings: Finding[] = []
  let late = 0
  for (const { proposal, state } of records) {
    const { action_id: id, tool_id: tool } = proposal
    const did = happened.has(hashOf(`${TENANT}\n${id}`))
    // A read leaves nothing behind by which it could be told.
    if (tool === 'shop.stock' || state.kind === 'needs_human') continue
    if (did === DONE.has(state.kind)) continue
    if (did && !clocksAgree) {
      late += 1
      continue
    }
    const what = did ? 'did it' : 'did not do it'
    const detail = `${id} (${tool}) is ${state.kind}, and the shop ${what}`
    findings.push({ invariant: 'what is stored is what happened', detail })
  }
  return { findings, late }
}

/** Who may see neither credentials nor grants: agents, people's portals and the host behind them. */
function isReader({ to, subject }: Sent): boolean {
  const isAgent = to === 'scout' || to === 'clerk'
  return isAgent || to.startsWith('host') || subject.startsWith('ui.v1.')
}

function checkSecrets(
  sent: readonly Sent[],
  invocations: readonly Invocation[],
): readonly Finding[] {
  const secrets = new Map([[SHOP_SECRET, 'the credential']])
  for (const { token } of invocations) secrets.set(token, 'a grant')
  return sent.filter(isReader).flatMap((one) => {
    const text = Buffer.from(one.data).toString()
    return [...secrets].flatMap(([secret, name]) =>
      text.includes(secret)
        ? [
            {
              invariant: 'no secret leaves',
              detail: `${name} went to ${one.to}: ${one.subject}`,
            } as const,
          ]
        : [],
    )
  })
}
