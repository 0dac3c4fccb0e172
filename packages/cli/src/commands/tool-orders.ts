import { contractChanges, type Json } from '@trustgw/protocol'
import {
  type Command,
  CommandFault,
  type Context,
  EXIT_DONE,
  flagText,
  UsageFault,
} from '../command.ts'
import { assertHere, tenantOf } from '../install/install.ts'
import { type KnownTool, ToolOrders } from '../install/tool-orders.ts'
import { table, visible } from '../terminal.ts'

const reasonFlag = {
  reason: { type: 'string', value: 'TEXT', text: 'goes on the order' },
} as const

export const TOOL_ORDER_COMMANDS: readonly Command[] = [
  {
    name: 'tool contracts',
    text: 'list the tools that were ever served, and which are in quarantine',
    usage: 'tool contracts',
    examples: ['trustgw tool contracts', 'trustgw tool contracts --json'],
    run: listContracts,
  },
  {
    name: 'tool quarantine',
    text: 'stop a tool until it is released',
    usage: 'tool quarantine TOOL [--reason TEXT]',
    flags: reasonFlag,
    examples: ["trustgw tool quarantine shop.refund --reason 'looks odd'"],
    run: quarantine,
  },
  {
    name: 'tool release',
    text: 'show what changed about a tool; with its hash, let it be called again',
    usage: 'tool release TOOL [--contract HASH] [--reason TEXT]',
    flags: {
      ...reasonFlag,
      contract: { type: 'string', value: 'HASH', text: 'the contract that you looked at' },
    },
    examples: [
      'trustgw tool release shop.refund',
      'trustgw tool release shop.refund --contract sha256:…',
    ],
    run: release,
  },
]

async function withOrders<T>(
  context: Context,
  task: (orders: ToolOrders) => Promise<T>,
): Promise<T> {
  const settings = await context.settings()
  await assertHere(settings)
  const orders = await ToolOrders.open(settings, tenantOf(settings))
  try {
    return await task(orders)
  } finally {
    await orders.close()
  }
}

function listContracts(context: Context): Promise<number> {
  const { terminal } = context
  return withOrders(context, async (orders) => {
    const tools = await orders.list()
    if (context.json) {
      const shown = tools.map(({ trust, contract_hash, quarantine: why }) => ({
        tool: trust.tool_id,
        contract_hash,
        quarantine: why,
      }))
      terminal.out(JSON.stringify({ tools: shown }))
    } else if (tools.length === 0) terminal.out('No tool was ever served.')
    else {
      const rows = tools.map(({ trust, contract_hash, quarantine: why }) => [
        visible(trust.tool_id),
        why ?? 'callable',
        contract_hash,
      ])
      terminal.out(table([['TOOL', 'STATE', 'CONTRACT'], ...rows]))
    }
    return EXIT_DONE
  })
}

function quarantine(context: Context): Promise<number> {
  return withOrders(context, async (orders) => {
    const tool = await named(context, orders)
    const { tool_id } = tool.trust
    const reason = flagText(context, 'reason') ?? ''
    await orders.order({ tool_id, order: 'quarantine', contract_hash: tool.contract_hash, reason })
    say(context, tool_id, 'quarantined')
    return EXIT_DONE
  })
}

function release(context: Context): Promise<number> {
  return withOrders(context, async (orders) => {
    const tool = await named(context, orders)
    const { tool_id } = tool.trust
    const looked = flagText(context, 'contract')
    if (looked === undefined) return showChanges(context, tool)
    if (looked !== tool.contract_hash) {
      throw new CommandFault('contract_differs', `${visible(tool_id)} has another contract by now`)
    }
    const reason = flagText(context, 'reason') ?? ''
    await orders.order({ tool_id, order: 'release', contract_hash: tool.contract_hash, reason })
    say(context, tool_id, 'released')
    return EXIT_DONE
  })
}

async function named(context: Context, orders: ToolOrders): Promise<KnownTool> {
  const [id] = context.positionals
  if (id === undefined) throw new UsageFault('which tool? see trustgw tool contracts')
  const tool = (await orders.list()).find(({ trust }) => trust.tool_id === id)
  if (tool === undefined) throw new CommandFault('no_such_tool', `no tool ${visible(id)} is known`)
  return tool
}

function showChanges(context: Context, tool: KnownTool): number {
  const { terminal } = context
  const changes = contractChanges(tool.trust.accepted, tool.contract)
  if (context.json) {
    terminal.out(
      JSON.stringify({ tool: tool.trust.tool_id, contract_hash: tool.contract_hash, changes }),
    )
    return EXIT_DONE
  }
  const rows = changes.map(({ pointer, before, after }) => [
    visible(pointer),
    textOf(before),
    textOf(after),
  ])
  terminal.out(
    rows.length === 0
      ? 'Its contract did not change.'
      : table([['PLACE', 'BEFORE', 'NOW'], ...rows]),
  )
  terminal.out(
    `Release it: trustgw tool release ${visible(tool.trust.tool_id)} --contract ${tool.contract_hash}`,
  )
  return EXIT_DONE
}

function textOf(value: Json | undefined): string {
  return value === undefined
    ? '-'
    : visible(typeof value === 'string' ? value : JSON.stringify(value))
}

function say(context: Context, tool: string, done: 'quarantined' | 'released'): void {
  const { json, terminal } = context
  terminal.out(json ? JSON.stringify({ tool, [done]: true }) : `${visible(tool)} is ${done}.`)
}
