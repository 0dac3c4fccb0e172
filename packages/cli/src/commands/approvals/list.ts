import { type CardLine, inkLine, reviewRequest, timeLeft } from '@trustgw/card'
import {
  type ApprovalRequest,
  asObject,
  formatMoney,
  type Json,
  type JsonObject,
  parseJson,
  storedKey,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { hostApi } from '../../approvals/host-api.ts'
import { layoutCard } from '../../approvals/layout.ts'
import { findSession, type TerminalSession } from '../../approvals/session-file.ts'
import { type Command, type Context, EXIT_DONE } from '../../command.ts'
import { openData } from '../../install/data.ts'
import { assertHere, tenantOf } from '../../install/install.ts'
import { table, visible } from '../../terminal.ts'

const RECORD_MAX = { maxBytes: 1_048_576, maxDepth: 80 } as const

/**
 * What waits, as the host tells a signed-in terminal. Where nobody is signed in and the installation
 * is here, the stored actions, with the provisioning identity and for as long as one command takes.
 */
export const APPROVALS_LIST: Command = {
  name: 'approvals list',
  text: 'list what waits for a person; without a login also calls that ended unseen',
  usage: 'approvals list',
  examples: ['trustgw approvals list', 'trustgw approvals list --json'],
  run: listApprovals,
}

interface Waiting {
  readonly action_id: string
  readonly tool: string
  readonly agent: string
  readonly amount: string | null
  readonly tier: number
  readonly rule: string
  readonly decide_by: string
}

/** A call that ended unseen, and what asking the provider came to. */
interface Unseen {
  readonly action_id: string
  readonly tool: string
  readonly agent: string
  readonly amount: string | null
  readonly reconciled: string
  readonly since: string
}

interface Open {
  readonly approvals: readonly Waiting[]
  readonly unsettled: readonly Unseen[]
}

async function listApprovals(context: Context): Promise<number> {
  const session = await findSession(context.invocation)
  return session === undefined ? await listStored(context) : await listAsked(context, session)
}

async function listStored(context: Context): Promise<number> {
  const { terminal } = context
  const open = await waitingForPeople(context)
  if (context.json) {
    terminal.out(JSON.stringify(open))
    return EXIT_DONE
  }
  const { approvals, unsettled } = open
  if (approvals.length + unsettled.length === 0) {
    terminal.out('Nothing waits for a person.')
    return EXIT_DONE
  }
  if (approvals.length > 0) {
    const rows = approvals.map((w) => [
      w.action_id,
      visible(w.tool),
      visible(w.agent),
      w.amount ?? '-',
      String(w.tier),
      visible(w.rule),
      w.decide_by,
    ])
    terminal.out(
      table([['ACTION', 'TOOL', 'AGENT', 'AMOUNT', 'TIER', 'RULE', 'DECIDE BY'], ...rows]),
    )
  }
  if (unsettled.length > 0) {
    const rows = unsettled.map((u) => [
      u.action_id,
      visible(u.tool),
      visible(u.agent),
      u.amount ?? '-',
      visible(u.reconciled),
      u.since,
    ])
    terminal.out(table([['ENDED UNSEEN', 'TOOL', 'AGENT', 'AMOUNT', 'ASKED', 'SINCE'], ...rows]))
  }
  const { host } = await context.settings()
  terminal.out(`Decide in the portal: ${host.origin}, or here after trustgw login`)
  return EXIT_DONE
}

async function listAsked(context: Context, session: TerminalSession): Promise<number> {
  const { json, terminal } = context
  const { approvals } = await hostApi(session.origin, session.token).list()
  const views = approvals.map((request) => viewOf(request, session))
  if (json) {
    terminal.out(JSON.stringify({ approvals: views }))
    return EXIT_DONE
  }
  if (views.length === 0) {
    terminal.out('Nothing waits for a person.')
    return EXIT_DONE
  }
  const now = Date.now()
  const sections = views.map((view, at) => ({
    title: null,
    lines: linesOf(view, approvals[at], now),
  }))
  terminal.out(layoutCard(sections, terminal))
  terminal.out('\nLook at one: trustgw approvals show ACTION')
  return EXIT_DONE
}

interface Listed extends Waiting {
  /** False: what the host sent does not fit its hashes, and nothing of it is to be believed. */
  readonly matches: boolean
}

function viewOf(request: ApprovalRequest, { tenant }: TerminalSession): Listed {
  const { action_id, contract, decision, decide_by } = request
  const reviewed = reviewRequest(request, tenant, sha256)
  const amount = reviewed.ok ? reviewed.value.amount : undefined
  return {
    action_id,
    tool: contract.id,
    agent: decision.principal.subject,
    amount: amount?.kind === 'money' ? formatMoney(amount.money) : null,
    tier: decision.tier,
    rule: decision.rule_id,
    decide_by: new Date(decide_by).toISOString(),
    matches: reviewed.ok,
  }
}

function linesOf(
  view: Listed,
  request: ApprovalRequest | undefined,
  now: number,
): readonly CardLine[] {
  const span = { startMs: request?.requested_at ?? 0, endMs: request?.decide_by ?? 0 }
  const head = [view.action_id, inkLine(view.tool), view.amount ?? ''].join('  ').trimEnd()
  const facts = [
    `tier ${view.tier}`,
    inkLine(view.agent),
    inkLine(view.rule),
    timeLeft(span, now).spoken,
  ]
  return [
    { name: null, text: head, tone: 'strong' },
    { name: null, text: `  ${facts.join(' · ')}`, tone: 'plain' },
    ...(view.matches
      ? []
      : [{ name: null, text: 'does not match what was proposed', tone: 'alarm' } as const]),
  ]
}

async function waitingForPeople(context: Context): Promise<Open> {
  const settings = await context.settings()
  await assertHere(settings)
  const tenant = tenantOf(settings)
  const link = await openData(settings)
  try {
    const open = await link.records({ home: 'own', bucket: 'open_actions' }).list(tenant)
    const actions = link.records({ home: 'own', bucket: 'actions' })
    const approvals: Waiting[] = []
    const unsettled: Unseen[] = []
    for (const entry of open) {
      const id = new TextDecoder().decode(entry.value)
      const stored = await actions.get(`${tenant}.${storedKey(sha256, 'a', id)}`)
      const record = stored === undefined ? undefined : readRecord(stored.value)
      const kind = member(record, 'state')?.['kind']
      if (kind === 'pending_approval') approvals.push(waitingOf(id, record))
      if (kind === 'needs_human') unsettled.push(unseenOf(id, record))
    }
    return { approvals, unsettled }
  } finally {
    await link.bus.drain()
  }
}

function readRecord(bytes: Uint8Array): JsonObject | undefined {
  const parsed = parseJson(bytes, RECORD_MAX)
  return parsed.ok ? asObject(parsed.value) : undefined
}

function callOf(
  id: string,
  record: JsonObject | undefined,
): Pick<Waiting, 'action_id' | 'tool' | 'agent' | 'amount'> {
  const decision = member(record, 'decision')
  return {
    action_id: id,
    tool: text(decision?.['tool_id']),
    agent: text(member(decision, 'principal')?.['subject']),
    amount: textOrNull(member(record, 'tool')?.['amount']),
  }
}

function unseenOf(id: string, record: JsonObject | undefined): Unseen {
  const state = member(record, 'state')
  return {
    ...callOf(id, record),
    reconciled: text(state?.['reason']),
    since: moment(state?.['since']),
  }
}

function waitingOf(id: string, record: JsonObject | undefined): Waiting {
  const decision = member(record, 'decision')
  return {
    ...callOf(id, record),
    tier: typeof decision?.['tier'] === 'number' ? decision['tier'] : 0,
    rule: text(decision?.['rule_id']),
    decide_by: moment(member(record, 'state')?.['decide_by']),
  }
}

function moment(value: Json | undefined): string {
  return typeof value === 'number' ? new Date(value).toISOString() : ''
}

function member(value: JsonObject | undefined, name: string): JsonObject | undefined {
  const found = value?.[name]
  return found === undefined ? undefined : asObject(found)
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : ''
}

function textOrNull(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null
}
