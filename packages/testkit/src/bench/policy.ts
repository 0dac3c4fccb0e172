/** `npm run bench -- policy`: every engine with every policy, each in a process of its own. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import {
  arrayShape,
  booleanShape,
  objectShape,
  parseJson,
  readShape,
  type Shape,
  stringShape,
} from '@trustgw/protocol'
import type { Pipeline } from './pipeline.ts'
import { ENGINES, type EngineName } from './policy-engines.ts'
import type { CellMeasured } from './policy-measure.ts'
import { NAMES, type NamesMeasured } from './policy-names.ts'
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
  readonly names: NamesMeasured
  readonly pipeline: Pipeline
}

interface Progress {
  (text: string): void
}

interface Cell {
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

const text: Shape<string> = stringShape({ max: 1_000, characters: 'any' })
const number: Shape<number> = {
  description: { type: 'number' },
  read: (value) =>
    typeof value === 'number'
      ? { ok: true, value }
      : { ok: false, reason: 'shape', detail: '#: value' },
}
const cellShape: Shape<CellMeasured> = objectShape({
  per_cpu_second: number,
  per_wall_second: number,
  p50_us: number,
  p99_us: number,
  samples: number,
  compile_ms: number,
  rss_mb: number,
  answers: arrayShape(text, { max: 10_000 }),
})
const namesShape: Shape<NamesMeasured> = objectShape({
  names: number,
  heap_before_mb: number,
  heap_settled_mb: number,
  heap_most_mb: number,
  rss_mb: number,
})
const pipelineShape: Shape<Pipeline> = objectShape({
  rows: arrayShape(
    objectShape({
      what: text,
      beside: text,
      bytes: number,
      us: number,
      beside_us: number,
      ratio: number,
    }),
    { max: 100 },
  ),
  patterns: arrayShape(objectShape({ pattern: text, refused: booleanShape(), ms: number }), {
    max: 100,
  }),
})

interface Script {
  readonly file: string
  readonly flags: readonly string[]
  readonly args: readonly string[]
}

/** What a process of the benchmark printed. */
async function runScript<T>({ file, flags, args }: Script, shape: Shape<T>): Promise<T> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const options = { timeout: CELL_MS, maxBuffer: OUTPUT_MAX_BYTES }
  const { stdout } = await run(process.execPath, [...flags, path, ...args], options)
  const parsed = parseJson(stdout.trim(), { maxBytes: OUTPUT_MAX_BYTES })
  const read = parsed.ok ? readShape(shape, parsed.value) : parsed
  if (!read.ok) throw new Error(`${file} ${args.join(' ')}: ${read.detail ?? read.reason}`)
  return read.value
}

/** One engine with one policy; decides the first `answers` calls for comparing. */
async function measureCell(cell: Cell, answers: number): Promise<CellMeasured> {
  const flags = cell.engine === 'cedar' ? CEDAR_FLAGS : []
  const args = [cell.engine, cell.shape, String(cell.rules), String(answers)]
  return runScript({ file: './policy-cell.js', flags, args }, cellShape)
}

/** The engine asked about so many tools that nobody knows. */
export async function measureInvented(names: number): Promise<NamesMeasured> {
  const args = ['names', String(names)]
  return runScript({ file: './policy-cell.js', flags: ['--expose-gc'], args }, namesShape)
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
    ...SIZES.flatMap((rules) => ENGINES.map((engine): Cell => ({ engine, shape: 'usual', rules }))),
    ...own.map(([shape, rules]): Cell => ({ engine: 'trust-gateway', shape, rules })),
  ]
}

const titleOf = ({ engine, shape }: Cell): string =>
  shape === 'usual' ? engine : `${engine} ${shape}`

/** `Error` at the first call that two engines decide differently. */
export function agree(rules: number, given: ReadonlyMap<string, readonly string[]>): Agreement {
  const [first, ...others] = [...given]
  if (first === undefined || others.length === 0) throw new Error('nothing to compare')
  const [firstName, answers] = first
  for (const [name, theirs] of others) {
    const differs = answers.findIndex((answer, index) => answer !== theirs[index])
    if (differs !== -1 || theirs.length !== answers.length) {
      const said = `${firstName} "${answers[differs] ?? ''}", ${name} "${theirs[differs] ?? ''}"`
      throw new Error(`${rules} rules, call ${differs}: ${said}`)
    }
  }
  return { rules, compared: answers.length }
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

function rowOf(cell: Cell, passes: readonly CellMeasured[]): PolicyRow {
  const middle = (of: (pass: CellMeasured) => number): number => median(passes.map(of))
  return {
    engine: titleOf(cell),
    rules: cell.rules,
    decisions_per_second: Math.round(middle((pass) => pass.per_cpu_second)),
    p50_us: rounded(
      middle((pass) => pass.p50_us),
      2,
    ),
    p99_us: rounded(
      middle((pass) => pass.p99_us),
      2,
    ),
    rss_mb: rounded(
      middle((pass) => pass.rss_mb),
      1,
    ),
    compile_ms: rounded(
      middle((pass) => pass.compile_ms),
      1,
    ),
    decisions_per_wall_second: Math.round(middle((pass) => pass.per_wall_second)),
    samples: passes.reduce((sum, { samples }) => sum + samples, 0),
  }
}

/**
 * Cells take turns, each pass begun by another, so that what else the machine does falls on all;
 * medians over the passes. The engines' decisions are compared in the first.
 */
export async function measurePolicy(quick: boolean, say: Progress): Promise<PolicyBench> {
  const all = cells()
  const passes = new Map<Cell, CellMeasured[]>(all.map((cell) => [cell, []]))
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
  const names = await measureInvented(NAMES)
  say('parsing, canonical form, schemas')
  const pipeline = await runScript(
    { file: './pipeline-cell.js', flags: [], args: [] },
    pipelineShape,
  )
  const rows = all.map((cell) => rowOf(cell, passes.get(cell) ?? []))
  return { rows, agreement, names, pipeline }
}
