import { type CompiledLayers, type Flip, type Replay, replay } from '@trustgw/core'
import type { JsonObject } from '@trustgw/protocol'
import {
  type Command,
  type Context,
  EXIT_DONE,
  EXIT_FAILED,
  flagText,
  UsageFault,
} from '../../command.ts'
import { type Style, table, visible } from '../../terminal.ts'
import { jsonText } from '../audit-text.ts'
import { type Contracts, contractsOf, type Past, pastOf } from './past.ts'
import { type Recorded, saving, withRecorded } from './recorded.ts'
import { DEVELOPMENT_FLAG, LOWER_LAYER_FLAGS, loadLayers, operands } from './sources.ts'
import { TOOLS_FLAG } from './tools.ts'
import { decidedText, sideJson } from './words.ts'

export const POLICY_REPLAY: Command = {
  name: 'policy replay',
  text: 'decide the recorded proposals again under another policy',
  usage:
    'policy replay NEW [--since 30d] [--from FILE [--tools FILE]] [--tenant FILE] [--workspace FILE] [--agent FILE]',
  flags: {
    since: {
      type: 'string',
      value: 'AGE',
      text: 'proposals of the last 30d (default), 12h, 45m, or all',
    },
    from: {
      type: 'string',
      value: 'FILE',
      text: 'actions as they are stored, one a line, not the installation',
    },
    ...TOOLS_FLAG,
    save: {
      type: 'string',
      value: 'FILE',
      text: 'write the actions read to a new file, for --from',
    },
    ...LOWER_LAYER_FLAGS,
    ...DEVELOPMENT_FLAG,
  },
  examples: [
    'trustgw policy replay policy.new.toml --since 30d',
    'trustgw policy replay policy.new.toml --from actions.ndjson --tools tools.json --json',
  ],
  run: replayRecorded,
}

const SINCE_DEFAULT = '30d'
const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])
/** Actions decided before the next ones are read. */
const BATCH_ACTIONS = 256
/** Between two lines that say how far it is. */
const PROGRESS_MS = 2_000
/** Flips of one direction that a text lists one by one; JSON has all. */
const SHOWN_MAX = 50

interface Turned {
  readonly flip: Flip
  readonly tool: string
  readonly contract: Past['contract']
  /** Facts that the record does not hold, which counted as unknown. */
  readonly uncertain: readonly string[]
}

interface Report {
  readonly from: string
  readonly since: string
  decided: number
  readonly turned: Turned[]
  /** How many actions lack a fact, and how many cannot be decided for a reason. */
  readonly uncertain: Replay['uncertain'][number][]
  readonly undecidable: Replay['undecidable'][number][]
  /** Decided with a contract that has changed since. */
  changed: number
}

async function replayRecorded(context: Context): Promise<number> {
  const [file = ''] = operands(context, ['NEW'])
  const since = flagText(context, 'since') ?? SINCE_DEFAULT
  const oldest = Date.now() - ageOf(since)
  const { layers } = await loadLayers(context, file)
  const report = await withRecorded(context, (recorded) =>
    replayAll(context, recorded, { layers, since, oldest }),
  )
  report.turned.sort((a, b) => weight(a) - weight(b))
  if (context.json) context.terminal.out(jsonText(reportJson(file, report)))
  else
    for (const line of reportLines(file, report, context.terminal.style)) context.terminal.out(line)
  return report.turned.some(({ flip }) => flip.direction === 'wider') ? EXIT_FAILED : EXIT_DONE
}

function ageOf(since: string): number {
  if (since === 'all') return Number.POSITIVE_INFINITY
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([mhd])$/.exec(since) ?? []
  const age = Number(count) * (UNIT_MS.get(unit) ?? 0)
  if (age === 0) throw new UsageFault('--since is an age such as 30d, 12h or 45m, or all')
  return age
}

const weight = ({ flip, uncertain }: Turned): number =>
  (flip.direction === 'wider' ? 0 : 2) + (uncertain.length > 0 ? 1 : 0)

interface Asked {
  readonly layers: CompiledLayers
  readonly since: string
  readonly oldest: number
}

async function replayAll(
  context: Context,
  recorded: Recorded,
  { layers, since, oldest }: Asked,
): Promise<Report> {
  const report: Report = {
    from: recorded.from,
    since,
    decided: 0,
    turned: [],
    uncertain: [],
    undecidable: [],
    changed: 0,
  }
  const contracts: Contracts = contractsOf(recorded.tools)
  let batch: Past[] = []
  let said = Date.now()
  const save = flagText(context, 'save')
  const { actions } = recorded
  for await (const action of save === undefined ? actions : saving(actions, save)) {
    if (!action.ok) {
      report.undecidable.push({ action_id: action.where, why: `unreadable: ${action.why}` })
      continue
    }
    if (action.record.proposal.received_at < oldest) continue
    batch.push(pastOf(action.record, contracts, layers))
    if (batch.length < BATCH_ACTIONS) continue
    take(report, layers, batch)
    batch = []
    if (context.terminal.interactive && Date.now() - said > PROGRESS_MS) {
      said = Date.now()
      context.terminal.err(`… ${report.decided} actions`)
    }
  }
  take(report, layers, batch)
  return report
}

function take(report: Report, layers: CompiledLayers, batch: readonly Past[]): void {
  const { decided, flips, uncertain, undecidable } = replay(
    layers,
    batch.map(({ past }) => past),
  )
  const byId = new Map(batch.map((one) => [one.past.action_id, one]))
  const lacking = new Map(uncertain.map(({ action_id, facts }) => [action_id, facts]))
  report.decided += decided
  report.uncertain.push(...uncertain)
  report.undecidable.push(...undecidable)
  report.changed += batch.filter(({ contract }) => contract === 'changed').length
  for (const flip of flips) {
    const one = byId.get(flip.action_id)
    report.turned.push({
      flip,
      tool: one?.past.record.tool_id ?? '',
      contract: one?.contract ?? 'gone',
      uncertain: lacking.get(flip.action_id) ?? [],
    })
  }
}

function reportJson(policy: string, report: Report): JsonObject {
  const { from, since, decided, turned, uncertain, undecidable, changed } = report
  return {
    policy,
    from,
    since,
    decided,
    wider: turned.filter(({ flip }) => flip.direction === 'wider').length,
    narrower: turned.filter(({ flip }) => flip.direction === 'narrower').length,
    contract_changed: changed,
    flips: turned.map(({ flip, tool, contract, uncertain: facts }) => ({
      action_id: flip.action_id,
      tool,
      direction: flip.direction,
      before: sideJson(flip.before),
      after: { ...sideJson(flip.after), unknown: [...flip.after.unknown] },
      contract,
      uncertain: [...facts],
    })),
    uncertain: uncertain.map(({ action_id, facts }) => ({ action_id, facts: [...facts] })),
    undecidable: undecidable.map(({ action_id, why }) => ({ action_id, why })),
  }
}

function reportLines(policy: string, report: Report, style: Style): readonly string[] {
  const { decided, turned, uncertain, undecidable, changed, since } = report
  const age = since === 'all' ? '' : ` of the last ${since}`
  const actions = `${decided} recorded action${decided === 1 ? '' : 's'}`
  const notes = [
    ...(changed > 0 ? [`${changed} decided with a contract that has changed since`] : []),
    ...counted(uncertain.flatMap(({ facts }) => facts)).map(
      ([fact, count]) =>
        `${count} uncertain: the record does not hold ${fact}, which counts as unknown`,
    ),
  ]
  return [
    `${style.bold(visible(policy))}: ${actions}${age} decided again`,
    ...flipLines(report, 'wider', style),
    ...flipLines(report, 'narrower', style),
    ...(turned.length === 0 ? [style.good('No decision differs.')] : []),
    ...(notes.length + undecidable.length === 0 ? [] : ['']),
    ...notes.map((note) => `${style.accent('note')}: ${visible(note)}`),
    ...counted(undecidable.map(({ why }) => why)).map(
      ([why, count]) =>
        `${style.warn('warning')}: ${count} cannot be decided again: ${visible(why)}`,
    ),
  ]
}

function counted(texts: readonly string[]): readonly (readonly [text: string, count: number])[] {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a)
}

function flipLines(
  { turned }: Report,
  direction: Flip['direction'],
  style: Style,
): readonly string[] {
  const own = turned.filter(({ flip }) => flip.direction === direction)
  if (own.length === 0) return []
  const title =
    direction === 'wider' ? style.bad(`Wider: ${own.length}`) : `Narrower: ${own.length}`
  const rows = own.length > SHOWN_MAX ? groupRows(own) : own.map(flipRow)
  return [
    '',
    style.bold(title),
    table(rows),
    ...(own.length > SHOWN_MAX ? [style.dim('  an example of each; --json lists all')] : []),
  ]
}

const flipRow = ({ flip, tool, contract, uncertain }: Turned): readonly string[] => [
  `  ${flip.action_id}`,
  visible(tool),
  `${decidedText(flip.before)} → ${decidedText(flip.after)}`,
  uncertain.length === 0 ? '' : visible(`uncertain: ${uncertain.join(', ')}`),
  contract === 'changed' ? 'contract changed' : '',
]

/** One row, with how many, for all that differ in the action id only. */
function groupRows(turned: readonly Turned[]): readonly (readonly string[])[] {
  const groups = new Map<string, { readonly row: readonly string[]; count: number }>()
  for (const one of turned) {
    const row = flipRow(one)
    const key = JSON.stringify(row.slice(1))
    const group = groups.get(key) ?? { row, count: 0 }
    group.count += 1
    groups.set(key, group)
  }
  return [...groups.values()]
    .sort((a, b) => b.count - a.count)
    .slice(0, SHOWN_MAX)
    .map(({ row, count }) => [`  ${count} ×`, ...row.slice(1), (row[0] ?? '').trim()])
}
