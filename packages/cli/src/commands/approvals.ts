import { asObject, type Json, type JsonObject, parseJson, storedKey } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { type Command, type Context, EXIT_DONE } from '../command.ts'
import { openData } from '../install/data.ts'
import { assertHere, tenantOf } from '../install/install.ts'
import { table, visible } from '../terminal.ts'

const RECORD_MAX = { maxBytes: 1_048_576, maxDepth: 80 } as const

/** Reads the stored actions with the provisioning identity, for as long as one command takes. */
export const APPROVALS_LIST: Command = {
  name: 'approvals list',
  text: 'list the actions that wait for a person',
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

async function listApprovals(context: Context): Promise<number> {
  const { terminal } = context
  const waiting = await pendingActions(context)
  if (context.json) terminal.out(JSON.stringify({ approvals: waiting }))
  else if (waiting.length === 0) terminal.out('Nothing waits for a person.')
  else {
    const rows = waiting.map((w) => [
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
    terminal.out(`Decide in the portal: ${(await context.settings()).host.origin}`)
  }
  return EXIT_DONE
}

async function pendingActions(context: Context): Promise<readonly Waiting[]> {
  const settings = await context.settings()
  await assertHere(settings)
  const tenant = tenantOf(settings)
  const link = await openData(settings)
  try {
    const open = await link.records({ home: 'own', bucket: 'open_actions' }).list(tenant)
    const actions = link.records({ home: 'own', bucket: 'actions' })
    const found: Waiting[] = []
    for (const entry of open) {
      const id = new TextDecoder().decode(entry.value)
      const stored = await actions.get(`${tenant}.${storedKey(sha256, 'a', id)}`)
      const waiting = stored === undefined ? undefined : waitingOf(id, stored.value)
      if (waiting !== undefined) found.push(waiting)
    }
    return found
  } finally {
    await link.bus.drain()
  }
}

function waitingOf(id: string, bytes: Uint8Array): Waiting | undefined {
  const parsed = parseJson(bytes, RECORD_MAX)
  const record = parsed.ok ? asObject(parsed.value) : undefined
  const state = member(record, 'state')
  if (record === undefined || state?.['kind'] !== 'pending_approval') return undefined
  const decision = member(record, 'decision')
  const principal = member(decision, 'principal')
  const decideBy = state['decide_by']
  return {
    action_id: id,
    tool: text(decision?.['tool_id']),
    agent: text(principal?.['subject']),
    amount: textOrNull(member(record, 'tool')?.['amount']),
    tier: typeof decision?.['tier'] === 'number' ? decision['tier'] : 0,
    rule: text(decision?.['rule_id']),
    decide_by: typeof decideBy === 'number' ? new Date(decideBy).toISOString() : '',
  }
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
