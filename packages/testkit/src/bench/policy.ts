/** `npm run bench -- policy`: every engine with every policy, each in a process of its own. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { asObject, isJsonArray, type Json, type JsonObject, parseJsonObject } from '@trustgw/protocol'
import { ENGINES, type EngineName } from './policy-engines.ts'
import type { ShapeName } from './policy-shapes.ts'
import { median, rotated } from './stats.ts'

export interface PolicyRow {
  readonly engine: string
  readonly rules: number
  /** For each second of CPU that the engine's process used. */
  readonly decisions_per_second: number
  readonly p50_us: number
  readonly p99_us: number
  /** Of the engine's process, at the end. */
  readonly rss_mb: number
  readonly compile_ms: number
  readonly decisions_per_wall_second: number
  /** Decisions timed for p50 and p99, in all passes together. */
  readonly samples: number
}

export interface Agreement {
  readonly rules: number
  /** Calls that every engine decided, with the same effect, tier and rule. */
  readonly compared: number
}

export interface PolicyBench {
  readonly rows: readonly PolicyRow[]
  readonly agreement: readonly Agreement[]
  readonly names: JsonObject
  readonly pipeline: JsonObject
}

export interface Progress {
  (text: string): void
}

export interface Cell {
  readonly engine: EngineName
  readonly shape: ShapeName
  readonly rules: number
}

const PASSES = 3
const SIZES = [10, 100, 1_000, 10_000]
/** Calls that are compared at each size: a slow engine takes some 50 ms for one at the largest. */
const COMPARED = new Map([
  [10, 1_024],
  [100, 1_024],
  [1_000, 256],
  [10_000, 64],
])
const CELL_MS = 180_000
const OUTPUT_MAX_BYTES = 4 * 1_048_576

/**
 * V8 of Node 20 can abort the process in calls between JavaScript and WebAssembly that it has
 * inlined ("Deoptimizer::DoComputeBuiltinContinuation").
 */
const CEDAR_FLAGS = ['--no-turbo-inline-js-wasm-calls']

const run = promisify(execFile)

/** What a process of the benchmark printed. */
export async function runCell(
  script: string,
  flags: readonly string[],
  args: readonly string[],
): Promise<JsonObject> {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const options = { timeout: CELL_MS, maxBuffer: OUTPUT_MAX_BYTES }
  const { stdout } = await run(process.execPath, [...flags, file, ...args], options)
  const parsed = parseJsonObject(stdout, { maxBytes: OUTPUT_MAX_BYTES })
  if (!parsed.ok) throw new Error(`${script} ${args.join(' ')}: ${parsed.reason}`)
  return parsed.value
}

/** Reads a number that a cell printed. */
export function numberIn(value: Json | undefined, name: string): number {
  const found = value === undefined ? undefined : asObject(value)?.[name]
  if (typeof found !== 'number') throw new Error(`a cell printed no ${name}`)
  return found
}

interface Pass {
  readonly figures: JsonObject
  readonly answers: readonly Json[]
}

export async function measureCell(cell: Cell, answers: number): Promise<Pass> {
  const flags = cell.engine === 'cedar' ? CEDAR_FLAGS : []
  const args = [cell.engine, cell.shape, String(cell.rules), String(answers)]
  const figures = await runCell('./policy-cell.js', flags, args)
  const given = figures['answers'] ?? null
  return { figures, answers: isJsonArray(given) ? given : [] }
}

/** Every engine with the usual policy; ours also with the shapes that are its own. */
function cells(): readonly Cell[] {
  const own: readonly (readonly [ShapeName, number])[] = [
    ['flat', 1_000],
    ['flat', 10_000],
    ['cold', 1_000],
    ['cold', 10_000],
    ['worst', 1_000],
    ['worst', 10_000],
  ]
  return [
    ...SIZES.flatMap((rules) =>
      ENGINES.map((engine): Cell => ({ engine, shape: 'usual', rules })),
    ),
    ...own.map(([shape, rules]): Cell => ({ engine: 'trust-gateway', shape, rules })),
  ]
}

const titleOf = ({ engine, shape }: Cell): string =>
  shape === 'usual' ? engine : `${engine} ${shape}`

/** `Error` at the first call that two engines decide differently. */
export function agree(
  rules: number,
  given: ReadonlyMap<string, readonly Json[]>,
): Agreement {
  const [first, ...others] = [...given]
  if (first === undefined || others.length === 0) throw new Error('nothing to compare')
  const [firstName, answers] = first
  for (const [name, theirs] of others) {
    const differs = answers.findIndex((answer, index) => answer !== theirs[index])
    if (differs !== -1 || theirs.length !== answers.length) {
      const said = `${firstName} "${String(answers[differs])}", ${name} "${String(theirs[differs])}"`
      throw new Error(`${rules} rules, call ${differs}: ${said}`)
    }
  }
  return { rules, compared: answers.length }
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

function rowOf(cell: Cell, passes: readonly Pass[]): PolicyRow {
  const all = (name: string): readonly number[] =>
    passes.map(({ figures }) => numberIn(figures, name))
  return {
    engine: titleOf(cell),
    rules: cell.rules,
    decisions_per_second: Math.round(median(all('per_cpu_second'))),
    p50_us: rounded(median(all('p50_us')), 2),
    p99_us: rounded(median(all('p99_us')), 2),
    rss_mb: rounded(median(all('rss_mb')), 1),
    compile_ms: rounded(median(all('compile_ms')), 1),
    decisions_per_wall_second: Math.round(median(all('per_wall_second'))),
    samples: all('samples').reduce((sum, one) => sum + one, 0),
  }
}

/**
 * Cells take turns, each pass begun by another, so that what else the machine does falls on all;
 * medians over the passes. The engines' decisions are compared in the first.
 */
export async function measurePolicy(quick: boolean, say: Progress): Promise<PolicyBench> {
  const all = cells()
  const passes = new Map<Cell, Pass[]>(all.map((cell) => [cell, []]))
  const count = quick ? 1 : PASSES
  for (let pass = 0; pass < count; pass++) {
    for (const cell of rotated(all, pass * 7)) {
      say(`pass ${pass + 1} of ${count}: ${titleOf(cell)}, ${cell.rules} rules`)
      const answers = pass === 0 && cell.shape === 'usual' ? (COMPARED.get(cell.rules) ?? 0) : 0
      passes.get(cell)?.push(await measureCell(cell, answers))
    }
  }
  const agreement = SIZES.map((rules) => {
    const compared = all.filter((cell) => cell.shape === 'usual' && cell.rules === rules)
    const given = compared.map(
      (cell) => [titleOf(cell), passes.get(cell)?.[0]?.answers ?? []] as const,
    )
    return agree(rules, new Map(given))
  })
  say('a million invented tool names')
  const names = await runCell('./policy-cell.js', ['--expose-gc'], ['names'])
  say('parsing, canonical form, schemas')
  const pipeline = await runCell('./pipeline-cell.js', [], [])
  return { rows: all.map((cell) => rowOf(cell, passes.get(cell) ?? [])), agreement, names, pipeline }
}
