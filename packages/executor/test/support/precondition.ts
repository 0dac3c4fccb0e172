import {
  contractJson,
  type Hash,
  hashText,
  type JsonObject,
  noPreconditionHash,
  type PreconditionRule,
  preconditionHash,
  preconditionValue,
  type ToolContract,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { Connector, RunOutcome, ToolRun } from '../../src/connectors/connector.ts'
import { VectorFile } from './make-vectors.ts'
import { REFUND, World } from './world.ts'

const RULE: PreconditionRule = {
  tool: 'shop.get_order',
  arguments: { order_id: { pointer: '/order_id' } },
  select: ['/remaining', '/items/0/state'],
  title: 'What remains of the order',
}
/** The tool of the world, bound to what remains of the order. */
export const BOUND: ToolContract = { ...REFUND, precondition: RULE }
export const READ: ToolContract = {
  ...REFUND,
  id: 'shop.get_order',
  title: 'Get an order',
  operation: 'read',
  input_schema: {
    type: 'object',
    properties: { order_id: { type: 'string' } },
    required: ['order_id'],
    additionalProperties: false,
  },
}
export const ORDER: JsonObject = { remaining: '250.00', items: [{ state: 'paid' }], seen: 1 }
const ARGUMENTS = { amount: '250.00', order_id: 'ord_1001' }

export function boundHash(order: JsonObject = ORDER): Hash {
  const found = preconditionValue(RULE, ARGUMENTS, order)
  if (!found.ok) throw new TypeError('test data')
  return preconditionHash(sha256, found.value)
}

/** A world in which approvals and grants are bound to the order as it is. */
export function boundWorld(): World {
  const world = new World(BOUND)
  world.tools.replace([BOUND, READ])
  world.precondition = boundHash()
  return world
}

/** An upstream that answers every read so, and says what it was asked. */
export class ReadDouble implements Connector {
  readonly id = 'shop'
  readonly bundle = { id: 'shop', title: 'Shop', description: 'The shop' }
  readonly runs: ToolRun[] = []
  answer: RunOutcome

  constructor(output: JsonObject = ORDER) {
    this.answer = { kind: 'succeeded', output, provider_reference: null }
  }

  contracts(): readonly ToolContract[] {
    return [BOUND, READ]
  }

  run(run: ToolRun): Promise<RunOutcome> {
    this.runs.push(run)
    return Promise.resolve(this.answer)
  }

  reconcile(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  provesAbsence(): boolean {
    return false
  }

  start(): Promise<void> {
    return Promise.resolve()
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }

  onChanged(): void {
    // It never does.
  }
}

/** The content of `vectors/admission/precondition.json`, with fresh keys and ids. */
export async function makePreconditionVectors(): Promise<JsonObject> {
  const world = boundWorld()
  const file = new VectorFile(world)
  const none = noPreconditionHash(sha256)
  const add = file.addReading.bind(file)
  for (const tier of [0, 1, 2] as const) {
    await add(`bound to what stands, tier ${tier}`, 'admitted', ORDER, { tier })
    const less = { ...ORDER, remaining: '10.00' }
    await add(`a value changed, tier ${tier}`, 'precondition_changed', less, { tier })
    const claims = { precondition_hash: none }
    await add(`bound to nothing, tier ${tier}`, 'precondition_differs', ORDER, { tier, claims })
  }
  await add('what is not bound changed', 'admitted', { ...ORDER, seen: 2 }, {})
  await add(
    'a bound value of another type',
    'precondition_changed',
    { ...ORDER, remaining: 250 },
    {},
  )
  await add('a bound value is null', 'precondition_changed', { ...ORDER, remaining: null }, {})
  await add('a bound value is gone', 'precondition_changed', { items: ORDER['items'] ?? [] }, {})
  await add(
    'an item before the bound one',
    'precondition_changed',
    {
      ...ORDER,
      items: [{ state: 'open' }, { state: 'paid' }],
    },
    {},
  )
  await add(
    'a bound value grew beyond what is shown',
    'precondition_changed',
    {
      ...ORDER,
      remaining: '2'.repeat(17_000),
    },
    {},
  )
  // The grant says what stands now; people approved something else.
  const decision = world.decision('{"amount":"250.00","order_id":"ord_1001"}', { source: 'mcp' })
  const shown = world.statement(decision, {
    precondition_hash: boundHash({ ...ORDER, remaining: '900.00' }),
  })
  await add('approved with another value than the grant has', 'assertion_other_action', ORDER, {
    decision,
    evidence: [world.passkeyEvidence(shown)],
  })
  const nothing = world.statement(decision, { precondition_hash: none })
  await add('approved as bound to nothing', 'assertion_other_action', ORDER, {
    decision,
    evidence: [world.passkeyEvidence(nothing)],
  })
  await add('vouched for with another value', 'host_statement_other_action', ORDER, {
    tier: 1,
    ...vouched(world),
  })
  await add('a hash of something else', 'precondition_changed', ORDER, {
    tier: 0,
    claims: { precondition_hash: hashText(sha256, 'other') },
  })
  const document = await file.document(
    'Granted actions of a tool with a precondition, what its read gives when each comes, and what an executor makes of them, steps 1 to 5 of spec/protocol.md section 4.',
  )
  return { ...document, read: contractJson(READ) }
}

function vouched(world: World): {
  readonly decision: object
  readonly evidence: readonly [ReturnType<World['hostEvidence']>]
} {
  const decision = world.decision('{"amount":"250.00","order_id":"ord_1001"}', { source: 'nats' })
  const statement = world.statement(decision, { precondition_hash: noPreconditionHash(sha256) })
  return { decision, evidence: [world.hostEvidence(statement)] }
}
