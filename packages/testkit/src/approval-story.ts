import type { ActionEvent, ApprovalRequest } from '@trustgw/protocol'
import { eventOf, REFUND, requestOf, type ToolFixture } from './approval-requests.ts'

const TRANSFER: ToolFixture = { ...REFUND, id: 'bank.transfer', title: 'Send a transfer' }

/** What the gateway tells of a refund that came after a look at its order. */
const TOLD = {
  origins: [{ pointer: '/order_id', origins: ['tool_result:shop.get_order'] }],
  chain: { depth: 2, tools: ['shop.find_orders', 'shop.get_order'], complete: true },
}

const AMOUNTS: Readonly<Record<string, string>> = {
  [REFUND.id]: '250.00 EUR',
  'bank.transfer': '18400.00 EUR',
}

/** What is told of a request that waits. */
export function pendingEvent(request: ApprovalRequest, revision: number): ActionEvent {
  const amount = AMOUNTS[request.contract.id] ?? null
  return eventOf(request, 'pending_approval', revision, { amount })
}

/** Requests and events that look like a working day. */
export function storyRequests(now: number): Record<string, ApprovalRequest> {
  const refund = requestOf({
    number: 1,
    tool: REFUND_BOUND,
    now,
    ageS: 95,
    leftS: 505,
    onBehalfOf: 'grace',
    input: {
      order_id: 'ord_20418',
      amount: '250.00',
      currency: 'EUR',
      reason: 'Parcel arrived damaged, photos in ticket 8812',
      notify_customer: true,
    },
    precondition: {
      tool: 'shop.get_order',
      arguments: { order: 'ord_20418' },
      values: { '/status': 'paid', '/total': '250.00 EUR' },
    },
    ...TOLD,
  })
  const odd = requestOf({
    number: 2,
    tool: TRANSFER,
    now,
    ageS: 220,
    leftS: 44,
    agent: 'invoice-bot',
    ruleId: 'new-payees',
    reason: 'The payee has never been paid before.',
    input: {
      amount: '18400.00',
      currency: 'EUR',
      payee: { name: 'Аcme Supplies Ltd', iban: 'DE89 3704 0044 0532 0130 00' },
      reference: 'Invoice \u202E2026-1183\u202C paid\u200B in full',
      receipt_to: 'billing@acme-suppliers.example',
      memo: `${'Terms of delivery as agreed. '.repeat(60)}Send the goods to gate 4.`,
    },
  })
  const file = requestOf({
    number: 3,
    tool: { id: 'files.write_file', title: 'Write a file', operation: 'update' },
    now,
    ageS: 30,
    leftS: 870,
    tier: 1,
    agent: 'docs-agent',
    ruleId: 'writes-ask',
    reason: 'Changes to shared files need a click.',
    input: { path: '/handbook/returns.md', content: '# Returns\n\nWithin 30 days.\n' },
  })
  return { refund, odd, file }
}

const REFUND_BOUND: ToolFixture = {
  ...REFUND,
  precondition: {
    tool: 'shop.get_order',
    arguments: { order: { pointer: '/order_id' } },
    select: ['/status', '/total'],
    title: 'The order as it is now',
  },
}

function refundOf(
  now: number,
  of: { number: number; order: string; amount: string; hours: number; reason: string },
): ApprovalRequest {
  return requestOf({
    number: of.number,
    tool: REFUND_BOUND,
    now: now - of.hours * 3_600_000,
    onBehalfOf: 'grace',
    input: {
      order_id: of.order,
      amount: of.amount,
      currency: 'EUR',
      reason: of.reason,
      notify_customer: true,
    },
    precondition: {
      tool: 'shop.get_order',
      arguments: { order: of.order },
      values: { '/status': 'paid', '/total': `${of.amount} EUR` },
    },
    ...TOLD,
  })
}

/** Calls of the same tools that people approved before. */
export function storyEarlier(now: number): ApprovalRequest[] {
  const refunds = ['20.00', '35.50', '12.00', '80.00', '19.90', '64.00', '41.25', '80.00'].map(
    (amount, at) =>
      refundOf(now, {
        number: 200 + at,
        order: `ord_${20_400 + at}`,
        amount,
        hours: 3 + at * 7,
        reason: `Late delivery, ticket ${8_700 + at}`,
      }),
  )
  const transfers = ['1200.00', '1840.00', '960.00', '1500.00'].map((amount, at) =>
    requestOf({
      number: 240 + at,
      tool: TRANSFER,
      now: now - (at + 1) * 86_400_000,
      agent: 'invoice-bot',
      input: {
        amount,
        currency: 'EUR',
        payee: { name: 'Acme Supplies Ltd', iban: 'DE02 1203 0000 0000 2020 51' },
        reference: `Invoice 2026-11${40 + at} paid in full`,
        receipt_to: 'billing@acme-supplies.example',
        memo: 'Terms of delivery as agreed.',
      },
    }),
  )
  return [...refunds, ...transfers]
}

export function tampered(request: ApprovalRequest): ApprovalRequest {
  return { ...request, arguments: request.arguments.replace('250.00', '25.00') }
}

export function storyEvents(now: number): readonly ActionEvent[] {
  const make = (
    number: number,
    state: ActionEvent['state'],
    minutes: number,
    more: Partial<ActionEvent> & { title?: string } = {},
  ): ActionEvent => {
    const base = requestOf({
      number,
      tool: REFUND,
      now,
      input: {},
      agent: more.agent ?? 'support-agent',
    })
    return eventOf(base, state, 100 - number, { at: now - minutes * 60_000, reason: '', ...more })
  }
  const allowed = { operation: 'read', tier: 0, rule_id: 'reads' } as const
  return [
    make(20, 'executing', 0, { amount: '42.00 EUR', reason: 'Approved by Ada Lovelace' }),
    make(21, 'succeeded', 2, { ...allowed, tool_id: 'files.read_text_file', agent: 'docs-agent' }),
    make(22, 'denied', 6, { amount: '900.00 EUR', reason: 'Denied by Ada Lovelace: wrong amount' }),
    make(23, 'succeeded', 9, { ...allowed, tool_id: 'shop.get_order' }),
    make(24, 'expired', 31, { amount: '120.00 EUR', reason: 'Nobody decided in time' }),
    make(25, 'failed', 44, {
      tool_id: 'shop.update_customer',
      operation: 'update',
      reason: 'The shop answered 409: order is closed',
    }),
    make(26, 'unknown_outcome', 58, {
      amount: '65.00 EUR',
      reason: 'The connection dropped after the request was sent',
      on_behalf_of: 'grace',
    }),
    make(27, 'refused', 75, {
      tool_id: 'memory.delete_entities',
      operation: 'delete',
      agent: 'research-agent',
      reason: 'The tool changed after it was approved',
    }),
    make(28, 'succeeded', 130, { amount: '19.90 EUR', reason: 'Approved by Ada Lovelace' }),
    make(29, 'cancelled', 190, {
      tool_id: 'shop.create_order',
      operation: 'create',
      reason: 'The agent withdrew it',
    }),
  ]
}

/** Keys of an installation that rotated once. */
export function storyKeys(now: number): object {
  const day = 86_400_000
  const key = (kid: string, role: string, component: string, sinceDays: number): object => ({
    kid,
    role,
    component,
    status: 'active',
    since: now - sinceDays * day,
    until: null,
    fingerprint: '3f1c 9a70 5be2 41d8',
  })
  const ended = { status: 'ended', until: now - 2 * day, fingerprint: '88d0 17c3 f2aa 6e05' }
  return {
    epoch: 7,
    signed_by: 'delegate',
    keys: [
      key('grant-8c1f0a2e', 'grant', 'gateway', 3),
      key('audit-51be77d0', 'audit', 'gateway', 40),
      key('host-2f09c4b1', 'host', 'host', 40),
      key('result-9de1a730', 'result', 'exec-default', 40),
      { ...key('grant-17a2c9f4', 'grant', 'gateway', 40), ...ended },
    ],
  }
}

export function storyInstallation(now: number): object {
  const process = (name: string, pid: number, restarts = 0, state = 'running'): object => ({
    name,
    pid,
    state,
    started_at: now - 754_000,
    restarts,
    last_end: restarts === 0 ? null : 'exit 1',
    version: name === 'nats-server' ? '2.11.4' : '0.1.0',
  })
  return {
    processes: [
      process('nats-server', 4120),
      process('gateway', 4131),
      process('host', 4133),
      process('executor', 4137, 1),
      process('log', 4140),
    ],
    bus: { version: '2.11.4', connected: true, port: 4222, websocket_port: 9222 },
    isolation: [
      {
        name: 'Accounts on the bus',
        in_force: true,
        detail: 'Each process has its own account and key; no crossing but the listed ones.',
      },
      { name: 'Separate processes', in_force: true, detail: 'Five processes, one supervisor.' },
      {
        name: 'Separate system users',
        in_force: false,
        detail:
          'All processes run as the same user, so a process taken over can read the others’ files.',
      },
    ],
    mode: 'development',
    versions: { trustgw: '0.1.0', node: 'v20.20.2' },
    state_dir: '/home/ada/shop-agent/.trustgw',
  }
}
