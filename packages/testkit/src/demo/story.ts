import { idempotencyKey, parseActionId, parseTenantId } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { AgentClient, type OpenedContext } from '../agent-client.ts'
import type { CardFacts, PortalDriver } from '../portal-driver.ts'
import { until } from '../process-table.ts'
import { type LedgerRefund, paidRefunds } from '../shop-view.ts'
import type { RunningSystem } from '../system.ts'
import { TAMPERINGS, type TailedEvent, tailEvents, verify, verifySpoilt } from './audit-check.ts'

const REFUND = {
  order_id: 'ord_1001',
  amount: '250.00',
  currency: 'EUR',
  reason: 'Desk lamp arrived broken',
} as const
const SECOND = { ...REFUND, amount: '180.00', reason: 'Customer changed their mind' } as const
const DENIAL = 'Not in the return period'
const PERSON = 'Alex Morgan'
const STORY_EVENTS: readonly string[] = [
  'proposed',
  'evaluated',
  'approval_requested',
  'approved',
  'grant_issued',
  'started',
  'succeeded',
]

/** What the story is played with; a step ends with what was seen. */
export interface Stage {
  readonly system: RunningSystem
  readonly portal: PortalDriver
  readonly step: <T>(title: string, act: () => Promise<readonly [T, string]>) => Promise<T>
}

/** Real actions that the attacks take after. */
export interface Played {
  readonly refundAction: string
  readonly readAction: string
}

/** The governed calls and the person, from the first tool to the result. */
export async function playStory(stage: Stage): Promise<Played> {
  const { system, step } = stage
  const agent = await AgentClient.connect(system.mcp, system.apiKey ?? '')
  try {
    await readFile(stage, agent)
    await enrol(stage)
    const shop = await step('The agent opens the shop', async () => {
      const context = await agent.switchContext('shop')
      return [context, `switch_context shop: ${context.tools.length} tools`]
    })
    const refundAction = await approvedRefund(stage, agent, shop)
    await deniedRefund(stage, agent, shop)
    const readAction = await readOrder(stage)
    return { refundAction, readAction }
  } finally {
    await agent.close()
  }
}

async function readFile({ step }: Stage, agent: AgentClient): Promise<void> {
  await step('The agent looks around', async () => {
    const bundles = await agent.bundles()
    return [undefined, expect(bundles.join(', '), 'files, memory, shop', 'list_bundles')]
  })
  await step('A read is allowed at once', async () => {
    const context = await agent.switchContext('files')
    const began = performance.now()
    const answer = await agent.callTool(context, 'files.read_text_file', {
      path: await welcomePath(agent, context),
    })
    if (answer.isError || answer.text.length === 0) throw new Error(answer.text)
    const [first = ''] = answer.text.split('\n')
    return [undefined, `welcome.txt: “${first}” in ${Math.round(performance.now() - began)} ms`]
  })
}

/** The server says itself which folder it may touch. */
async function welcomePath(agent: AgentClient, context: OpenedContext): Promise<string> {
  const listed = await agent.callTool(context, 'files.list_allowed_directories', {})
  const folder = listed.text.split('\n').find((line) => line.startsWith('/'))
  if (folder === undefined) throw new Error(`no folder in: ${listed.text}`)
  return `${folder}/welcome.txt`
}

async function enrol({ system, portal, step }: Stage): Promise<void> {
  await step('A person enrols by the one-time link', async () => {
    const shown = await portal.enrol(system.enrolmentLink ?? '', PERSON)
    const count = await portal.passkeys()
    if (count !== 2) throw new Error(`${count} passkeys were made`)
    const pinned = pinnedOf((await system.line('pinned'))['pinned'])
    if (shown === '' || shown !== pinned) {
      throw new Error(`the portal shows ${shown}, the supervisor pinned ${pinned}`)
    }
    await portal.goToApprovals()
    return [undefined, `two passkeys; portal and supervisor show the same ${shown}`]
  })
}

function pinnedOf(value: unknown): string {
  const found =
    typeof value === 'object' && value !== null && 'fingerprint' in value ? value.fingerprint : ''
  return typeof found === 'string' ? found : ''
}

async function approvedRefund(
  stage: Stage,
  agent: AgentClient,
  shop: OpenedContext,
): Promise<string> {
  const { system, portal, step } = stage
  const id = await step('The agent asks for a refund of 250.00 EUR', async () => {
    const answer = await agent.callTool(shop, 'shop.refund', { ...REFUND })
    const action = pendingOf(answer)
    return [action, `held, then pending_approval with action ${action}`]
  })
  await step('The card is there, live, without a reload', async () => {
    const card = await portal.card(id)
    checkCard(card)
    if (!(await portal.isStillTheSamePage())) throw new Error('the page was loaded again')
    return [
      undefined,
      `${card.agent}, ${card.tool}, ${card.amount}, 4 arguments, rule ${card.rule}, ${card.timeLeft} left`,
    ]
  })
  await step('The person approves with the passkey', async () => {
    await portal.approve()
    return [undefined, 'the challenge was the hash of exactly this action']
  })
  await step('The refund runs, once, with its idempotency key', async () => {
    const answer = await ended(agent, id)
    if (answer.isError) throw new Error(answer.text)
    const paid = await paidRefunds(system)
    return [undefined, checkPaid(paid, id)]
  })
  return id
}

function checkCard(card: CardFacts): void {
  expect(card.agent, 'first-agent', 'the agent on the card')
  expect(card.tool, 'shop.refund', 'the tool on the card')
  expect(card.amount, '250.00 EUR', 'the amount on the card')
  expect(card.rule, 'refund-large', 'the rule on the card')
  if (!/^\d+:\d\d/.test(card.timeLeft)) throw new Error(`time left: ${card.timeLeft}`)
  for (const [name, value] of Object.entries(REFUND)) {
    const shown = card.arguments[`/${name}`] ?? card.arguments[name] ?? ''
    expect(shown, value, `the argument ${name} on the card`)
  }
  expect(String(Object.keys(card.arguments).length), '4', 'the count of arguments')
}

function checkPaid(paid: readonly LedgerRefund[], action: string): string {
  const tenant = parseTenantId('main')
  const id = parseActionId(action)
  if (!tenant.ok || !id.ok) throw new TypeError('tenant or action')
  const key = idempotencyKey(sha256, tenant.value, id.value)
  const [refund] = paid
  if (paid.length !== 1 || refund === undefined) {
    throw new Error(`the shop paid ${paid.length} refunds`)
  }
  expect(refund.idempotency_key, key, "the key in the shop's ledger")
  expect(String(refund.amount_minor), '25000', "the amount in the shop's ledger")
  return `${refund.id} stands in the shop's ledger, exactly one refund of 250.00 EUR`
}

async function deniedRefund(
  { system, portal, step }: Stage,
  agent: AgentClient,
  shop: OpenedContext,
): Promise<void> {
  await step('A second refund is denied, with a reason', async () => {
    const id = pendingOf(await agent.callTool(shop, 'shop.refund', { ...SECOND }))
    await portal.open(id)
    await portal.card(id)
    await portal.deny(DENIAL)
    const answer = await ended(agent, id)
    if (!answer.isError || !answer.text.includes(DENIAL)) throw new Error(answer.text)
    const paid = await paidRefunds(system)
    expect(String(paid.length), '1', "the refunds in the shop's ledger")
    return [undefined, `the agent is told: “${answer.text}”`]
  })
}

/** A decision at tier 0 over REST, for the attacks. */
async function readOrder({ system, step }: Stage): Promise<string> {
  return step('REST takes the same proposals', async () => {
    const response = await fetch(`${system.gateway}/v1/actions/propose`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${system.apiKey ?? ''}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ tool: 'shop.get_order', arguments: { order_id: REFUND.order_id } }),
    })
    const view: unknown = await response.json()
    const id =
      typeof view === 'object' && view !== null && 'action_id' in view ? view.action_id : undefined
    if (response.status !== 200 || typeof id !== 'string') throw new Error(JSON.stringify(view))
    return [id, 'shop.get_order answers 200 at once']
  })
}

/** The record of what happened, and what becomes of it when somebody touches it. */
export async function checkRecord({ system, step }: Stage, played: Played): Promise<void> {
  await step('trustgw audit tail tells the whole story', async () => {
    let events: readonly TailedEvent[] = []
    await until('the log holds the whole story', async () => {
      events = (await tailEvents(system)).filter(
        ({ action_id }) => action_id === played.refundAction,
      )
      return STORY_EVENTS.every((type) => events.some((event) => event.type === type))
    })
    return [undefined, events.map(({ type }) => type).join(', ')]
  })
  await step('trustgw audit verify finds nothing wrong', async () => {
    const verdict = await verify(system)
    if (!verdict.ok) throw new Error(verdict.codes.join(', '))
    return [undefined, `${verdict.entries} entries, every chain, signature and root`]
  })
  for (const tampering of TAMPERINGS) {
    await step(`On a copy: ${tampering.name}`, async () => {
      const verdict = await verifySpoilt(system, tampering)
      if (verdict.ok) throw new Error('verify found nothing')
      if (!verdict.codes.includes(tampering.expected)) {
        throw new Error(`expected ${tampering.expected}, found ${verdict.codes.join(', ')}`)
      }
      return [undefined, `verify fails: ${verdict.codes.join(', ')}`]
    })
  }
}

/** After the attacks: the money, and the page that the person had open all the time. */
export async function checkEnd({ system, portal, step }: Stage): Promise<void> {
  await step('The shop paid what people approved, and nothing else', async () => {
    const paid = (await paidRefunds(system)).map(({ amount_minor }) => amount_minor)
    expect(paid.join(', '), '25000, 12000', "the amounts in the shop's ledger")
    if (portal.complaints.length > 0) throw new Error(portal.complaints.join('; '))
    return [undefined, '250.00 EUR of the story and 120.00 EUR of the control']
  })
}

interface Answer {
  readonly text: string
  readonly structured: Readonly<Record<string, unknown>>
  readonly isError: boolean
}

function pendingOf(answer: Answer): string {
  const { status, action_id } = answer.structured
  if (status !== 'pending_approval' || typeof action_id !== 'string') {
    throw new Error(`not pending: ${answer.text}`)
  }
  return action_id
}

const OPEN: readonly unknown[] = ['pending_approval', 'authorized', 'dispatched', 'executing']

/** Asks for the status, as the answer told the model to, until it has ended. */
async function ended(agent: AgentClient, id: string): Promise<Answer> {
  let answer = await agent.status(id)
  await until('the action ends', async () => {
    if (!OPEN.includes(answer.structured['status'])) return true
    answer = await agent.status(id)
    return !OPEN.includes(answer.structured['status'])
  })
  return answer
}

function expect(seen: string, wanted: string, what: string): string {
  if (seen !== wanted) throw new Error(`${what}: “${seen}” instead of “${wanted}”`)
  return seen
}
