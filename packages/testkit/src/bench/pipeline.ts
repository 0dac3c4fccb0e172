/**
 * What a call costs before policy is asked, each beside the plain way: strict parsing beside
 * `JSON.parse`, canonical form and hash beside `JSON.stringify` and hash, schema validation beside
 * parsing; and the slowest pattern of a schema on text made to be slow.
 */
import { canonicalize, type Json, parseJson } from '@trustgw/protocol'
import { AjvSchemaCompiler, sha256 } from '@trustgw/runtime'
import { median } from './stats.ts'

export interface PipelineRow {
  readonly what: string
  readonly beside: string
  readonly bytes: number
  /** CPU time of one, in microseconds. */
  readonly us: number
  readonly beside_us: number
  /** Of the two, round by round, then the median. */
  readonly ratio: number
}

export interface PatternRow {
  readonly pattern: string
  /** The registration refuses it, so it takes no time. */
  readonly refused: boolean
  readonly ms: number
}

export interface Pipeline {
  readonly rows: readonly PipelineRow[]
  readonly patterns: readonly PatternRow[]
}

const ROUNDS = 9
const ROUND_MS = 60
const HOSTILE_CHARS = 100_000

const DOCUMENT_BYTES = [200, 2_048, 65_536]
/** The aims are about arguments of this size. */
export const TYPICAL_BYTES = 2_048

/** Of the documents below; a pattern is searched in each item by an engine without worst cases. */
function schemaOf(pattern: string | null): Json {
  const item: Json = {
    type: 'object',
    additionalProperties: false,
    required: ['sku', 'title', 'quantity', 'cents'],
    properties: {
      sku: { type: 'string', maxLength: 32, ...(pattern === null ? {} : { pattern }) },
      title: { type: 'string', maxLength: 200 },
      quantity: { type: 'integer', minimum: 1 },
      cents: { type: 'integer', minimum: 0 },
      tags: { type: 'array', items: { type: 'string' }, maxItems: 16 },
      gift: { type: ['boolean', 'null'] },
    },
  }
  return {
    type: 'object',
    additionalProperties: false,
    required: ['customer', 'items'],
    properties: {
      customer: { type: 'string', maxLength: 64 },
      note: { type: 'string' },
      items: { type: 'array', items: item },
    },
  }
}

function validatorOf(value: Json, pattern: string | null): Work {
  const compiled = new AjvSchemaCompiler().compile(schemaOf(pattern))
  if (!compiled.ok || compiled.value.check(value) !== undefined) {
    throw new Error('the schema is wrong, or the document')
  }
  return () => compiled.value.check(value) ?? 'valid'
}

/** An order of about so many bytes, its members not in canonical order. */
function documentOf(bytes: number): string {
  const items: Json[] = []
  let text = ''
  for (let at = 0; text.length < bytes; at++) {
    items.push({
      title: `Blue cup, number ${at}, with a "handle" on the left`,
      sku: `CU-${1_000 + at}`,
      quantity: 1 + (at % 7),
      cents: 1_250 + 5 * at,
      tags: ['kitchen', 'blue'],
      gift: at % 3 === 0 ? null : at % 2 === 0,
    })
    text = JSON.stringify({ items, customer: 'cus_81723', note: 'leave it at the door, café side' })
  }
  return text
}

/** Gives something of its work, so that none is optimised away. */
export type Work = () => unknown

function cpuUs(work: Work): number {
  const before = process.cpuUsage()
  const until = performance.now() + ROUND_MS
  let count = 0
  let kept: unknown
  while (performance.now() < until) {
    for (let i = 0; i < 8; i++) kept = work()
    count += 8
  }
  if (kept === undefined) throw new Error('no work was done')
  const { user, system } = process.cpuUsage(before)
  return (user + system) / count
}

export interface Pair {
  readonly what: string
  readonly beside: string
  readonly bytes: number
  readonly ours: Work
  readonly theirs: Work
}

/** In turn, so that what else the machine does falls on both; the first round only warms. */
export function compare({ what, beside, bytes, ours, theirs }: Pair): PipelineRow {
  const rounds = Array.from({ length: ROUNDS + 1 }, () => [cpuUs(ours), cpuUs(theirs)] as const)
  const counted = rounds.slice(1)
  return {
    what,
    beside,
    bytes,
    us: median(counted.map(([us]) => us)),
    beside_us: median(counted.map(([, us]) => us)),
    ratio: median(counted.map(([us, beside_us]) => us / beside_us)),
  }
}

function pairs(size: number): readonly Pair[] {
  const text = documentOf(size)
  const bytes = new TextEncoder().encode(text)
  const parsed = parseJson(text)
  if (!parsed.ok) throw new Error('the document is wrong')
  const { value } = parsed
  const besideParse = {
    bytes: bytes.length,
    beside: 'JSON.parse of text',
    theirs: (): unknown => JSON.parse(text),
  }
  const pattern = '^[A-Z]{2}-[0-9]+$'
  return [
    { ...besideParse, what: 'strict parse of bytes', ours: () => parseJson(bytes) },
    { ...besideParse, what: 'strict parse of text', ours: () => parseJson(text) },
    {
      what: 'canonical form and SHA-256',
      beside: 'JSON.stringify and SHA-256',
      bytes: bytes.length,
      ours: () => sha256(canonicalize(value)),
      theirs: () => sha256(JSON.stringify(value)),
    },
    { ...besideParse, what: 'schema validation', ours: validatorOf(value, null) },
    { ...besideParse, what: 'schema with patterns', ours: validatorOf(value, pattern) },
  ]
}

const run = (text: string): string => text.repeat(HOSTILE_CHARS / text.length)

/** Patterns that are exponential or quadratic in engines that go back, and some large ones. */
const HOSTILE: readonly (readonly [pattern: string, text: string])[] = [
  ['^(a+)+$', `${run('a')}!`],
  ['^(a|a)*$', `${run('a')}!`],
  ['^(?:(?:a*)*)*$', `${run('a')}!`],
  ['(x+x+)+y', run('x')],
  ['\\s+$', `${run(' ')}x`],
  ['^([a-zA-Z0-9._-]+)*@([a-z]+\\.)+com$', run('a')],
  ['^(([a-z])+.)+[A-Z]([a-z])+$', run('a')],
  ['(.*a){20}$', `${run('a')}!`],
  ['^(.{1,200}){1,5}$', run('a')],
  ['(a?){500}a{500}$', `${run('a')}!`],
  ['^(\\p{L}+\\s?)+!$', run('é')],
  ['^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$', run('a')],
]

/** The second of two, since the first compiles; CPU time, whatever else the machine does. */
function hostile(): readonly PatternRow[] {
  return HOSTILE.map(([pattern, text]) => {
    const compiled = new AjvSchemaCompiler().compile({ type: 'string', pattern })
    if (!compiled.ok) return { pattern, refused: true, ms: 0 }
    compiled.value.check(text)
    const before = process.cpuUsage()
    compiled.value.check(text)
    const { user, system } = process.cpuUsage(before)
    return { pattern, refused: false, ms: (user + system) / 1e3 }
  })
}

export function measurePipeline(): Pipeline {
  return { rows: DOCUMENT_BYTES.flatMap(pairs).map(compare), patterns: hostile() }
}
