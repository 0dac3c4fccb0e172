import { readFile } from 'node:fs/promises'
import {
  type ActionView,
  actionViewShape,
  asObject,
  canonicalize,
  isJsonArray,
  type Json,
  parseJson,
  parseJsonObject,
  readShape,
} from '@trustgw/protocol'
import {
  type Command,
  CommandFault,
  type Context,
  EXIT_DONE,
  EXIT_FAILED,
  flagText,
  UsageFault,
} from '../command.ts'
import { table, visible } from '../terminal.ts'

const EXIT_REFUSED = 126
const EXIT_NO_TOOL = 127
const EXIT_CANCELLED = 130
const WAIT_MS = 25_000
const REQUEST_TIMEOUT_MS = 65_000

const keyFlags = {
  'key-file': {
    type: 'string',
    value: 'FILE',
    text: 'file with the agent key; else TRUSTGW_API_KEY',
  },
} as const

export const TOOL_COMMANDS: readonly Command[] = [
  {
    name: 'tool list',
    text: 'list the tools that an agent may propose',
    usage: 'tool list [--key-file FILE]',
    flags: keyFlags,
    examples: [
      'TRUSTGW_API_KEY=tgk_… trustgw tool list',
      'trustgw tool list --key-file agent.key --json',
    ],
    run: listTools,
  },
  {
    name: 'tool run',
    text: 'propose one call and wait for its end',
    usage: 'tool run TOOL [\'{"json":"arguments"}\'] [--key-file FILE] [--no-wait]',
    flags: {
      ...keyFlags,
      'no-wait': { type: 'boolean', text: 'answer at once, also while a person decides' },
    },
    examples: [
      'trustgw tool run files.list_allowed_directories',
      'trustgw tool run shop.get_order \'{"order_id":"ord_1001"}\'',
    ],
    run: runTool,
  },
]

async function apiKey(context: Context): Promise<string> {
  const file = flagText(context, 'key-file')
  const key =
    file === undefined ? context.invocation.env['TRUSTGW_API_KEY'] : await readFile(file, 'utf8')
  if (key === undefined || key.trim() === '') {
    throw new UsageFault('an agent key is needed: set TRUSTGW_API_KEY or give --key-file')
  }
  return key.trim()
}

interface Answer {
  readonly status: number
  readonly body: Json
}

async function call(
  context: Context,
  method: string,
  path: string,
  body?: string,
): Promise<Answer> {
  const { gateway } = await context.settings()
  const key = await apiKey(context)
  const response = await fetch(`${gateway.public_url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw new CommandFault(
      'gateway_unreachable',
      `the gateway at ${gateway.public_url} does not answer: is it running? Start it with trustgw up`,
      { cause: error },
    )
  })
  const parsed = parseJson(await response.text(), { maxBytes: 4 * 1024 * 1024, maxDepth: 80 })
  return { status: response.status, body: parsed.ok ? parsed.value : null }
}

async function listTools(context: Context): Promise<number> {
  const { status, body } = await call(context, 'GET', '/v1/tools/list')
  const { terminal } = context
  if (status !== 200) return refused(context, { status, body })
  if (context.json) {
    terminal.out(canonicalize(body))
    return EXIT_DONE
  }
  const tools = asObject(body)?.['tools']
  const rows = (tools !== undefined && isJsonArray(tools) ? tools : []).map((tool) => {
    const members = asObject(tool) ?? {}
    return ['name', 'id', 'operation', 'title'].flatMap((name) => {
      const value = members[name]
      return typeof value === 'string' ? [visible(value)] : []
    })
  })
  terminal.out(rows.length === 0 ? 'No tools: is an executor running?' : table(rows))
  return EXIT_DONE
}

async function runTool(context: Context): Promise<number> {
  const wait = context.flags['no-wait'] !== true
  const first = await call(
    context,
    'POST',
    '/v1/actions/propose',
    proposalOf(context, wait ? WAIT_MS : 0),
  )
  const view = viewOf(first)
  if (view === undefined) return refused(context, first)
  return show(context, wait ? await ended(context, view) : view)
}

function proposalOf(context: Context, wait_ms: number): string {
  const [tool, text = '{}'] = context.positionals
  if (tool === undefined) throw new UsageFault('which tool? see trustgw tool list')
  const args = parseJsonObject(text)
  if (args.ok) return canonicalize({ tool, arguments: args.value, wait_ms })
  throw new UsageFault(`the arguments are not a JSON object (${args.reason} ${args.detail ?? ''})`)
}

async function ended(context: Context, first: ActionView): Promise<ActionView> {
  let view = first
  if (isWaiting(view)) waitingNote(context, view)
  while (isWaiting(view)) {
    const next = await call(context, 'GET', `/v1/actions/${view.action_id}?wait=25s`)
    view = viewOf(next) ?? view
  }
  return view
}

function isWaiting(view: ActionView): boolean {
  return view.poll_after_s !== null && view.status !== 'needs_human'
}

function viewOf(answer: Answer): ActionView | undefined {
  const read = readShape(actionViewShape, answer.body)
  return read.ok ? read.value : undefined
}

function waitingNote(context: Context, view: ActionView): void {
  const { err, style } = context.terminal
  err(style.dim(`${view.action_id} ${view.status}: ${visible(view.reason ?? 'waiting')} …`))
}

/** Every state of an action as the exit code of `tool run`. */
const EXIT_OF_STATE: { readonly [S in ActionView['status']]?: number } = {
  succeeded: EXIT_DONE,
  reconciled_succeeded: EXIT_DONE,
  denied: EXIT_REFUSED,
  refused: EXIT_REFUSED,
  cancelled: EXIT_CANCELLED,
  expired: EXIT_CANCELLED,
  failed: EXIT_FAILED,
  reconciled_failed: EXIT_FAILED,
  unknown_outcome: EXIT_FAILED,
  needs_human: EXIT_FAILED,
}

function show(context: Context, view: ActionView): number {
  // What still waits was asked for with --no-wait: the answer is the action id.
  const code = EXIT_OF_STATE[view.status] ?? EXIT_DONE
  if (context.json) context.terminal.out(canonicalize({ ...view }))
  else showText(context, view, code)
  return code
}

function showText(context: Context, view: ActionView, code: number): void {
  const { terminal } = context
  const { good, bad, warn } = terminal.style
  const paint = code !== EXIT_DONE ? bad : view.poll_after_s === null ? good : warn
  const reason = view.reason === null ? '' : `: ${visible(view.reason)}`
  terminal.err(`${paint(view.status)} ${view.action_id}${reason}`)
  if (view.result !== null) terminal.out(JSON.stringify(view.result, null, 2))
}

function refused(context: Context, answer: Answer): number {
  const problem = asObject(answer.body) ?? {}
  const code = typeof problem['code'] === 'string' ? problem['code'] : 'unexpected_answer'
  const detail = typeof problem['detail'] === 'string' ? `: ${visible(problem['detail'])}` : ''
  if (context.json)
    context.terminal.out(canonicalize({ status: answer.status, problem: answer.body }))
  else context.terminal.err(`trustgw: refused (${answer.status} ${visible(code)})${detail}`)
  return code === 'unknown_tool' ? EXIT_NO_TOOL : EXIT_FAILED
}
