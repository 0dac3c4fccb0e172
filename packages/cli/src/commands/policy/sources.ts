import { createReadStream } from 'node:fs'
import {
  type CompiledLayers,
  type CompiledPolicy,
  compilePolicy,
  type Finding,
  joinLayers,
  LAYERS,
  type LayerName,
  type Policy,
  parsePolicy,
} from '@trustgw/core'
import { type Json, type JsonRefusal, parseJson } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { type Context, type Flag, flagText, InputFault, UsageFault } from '../../command.ts'

/** Above what a policy may hold, so that one that is too long is still named as such. */
const TEXT_MAX_BYTES = 8_388_608
const STDIN = '-'

/** A file as it was read. */
export interface Source {
  /** As the user named it. */
  readonly file: string
  readonly text: string
}

export interface LoadedPolicy {
  readonly source: Source
  readonly layer: LayerName
  readonly policy: Policy
  readonly compiled: CompiledPolicy
}

/** A policy or another input that is wrong, in a command that needs it whole. */
export class RefusedFault extends InputFault {
  readonly source: Source
  readonly findings: readonly Finding[]
  constructor(source: Source, findings: readonly Finding[]) {
    super('input_refused', `${source.file} does not load`)
    this.name = 'RefusedFault'
    this.source = source
    this.findings = findings
  }
}

export const DEVELOPMENT_FLAG: { readonly [name: string]: Flag } = {
  development: { type: 'boolean', text: 'as development mode reads it: default "allow" loads' },
}

export const LAYER_FLAG: { readonly [name: string]: Flag } = {
  layer: {
    type: 'string',
    value: 'LAYER',
    text: 'platform (default), tenant, workspace or agent: only platform has a default',
  },
}

/** Policies of lower layers, to be decided together with the platform's. */
export const LOWER_LAYER_FLAGS: { readonly [name: string]: Flag } = {
  tenant: { type: 'string', value: 'FILE', text: "the tenant's policy as well" },
  workspace: { type: 'string', value: 'FILE', text: "the workspace's policy as well" },
  agent: { type: 'string', value: 'FILE', text: "the agent's policy as well" },
}

/** The text of a file, or of the standard input for `-`. `InputFault` says why there is none. */
export async function readSource(file: string, maxBytes: number = TEXT_MAX_BYTES): Promise<Source> {
  const shown = file === STDIN ? '<stdin>' : file
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of chunksOf(file)) {
      length += chunk.length
      if (length > maxBytes)
        throw new InputFault('too_long', `${shown}: more than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    throw unreadable(shown, error)
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    return { file: shown, text: text.decode(Buffer.concat(chunks)) }
  } catch (error) {
    throw new InputFault('not_text', `${shown} is not UTF-8 text`, { cause: error })
  }
}

async function* chunksOf(file: string): AsyncGenerator<Uint8Array> {
  if (file === STDIN && process.stdin.readableEnded) {
    throw new InputFault('stdin_twice', 'the standard input can be read once only')
  }
  const stream: AsyncIterable<unknown> = file === STDIN ? process.stdin : createReadStream(file)
  for await (const chunk of stream) {
    if (chunk instanceof Uint8Array) yield chunk
  }
}

const WHY: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EISDIR', 'it is a folder'],
  ['EACCES', 'permission denied'],
])

function unreadable(file: string, error: unknown): Error {
  if (error instanceof InputFault) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  return new InputFault(code, `${file} cannot be read: ${WHY.get(code) ?? code}`, { cause: error })
}

const JSON_MAX_DEPTH = 80

const JSON_PROBLEMS: Readonly<Record<JsonRefusal, string>> = {
  json_syntax: 'not JSON',
  json_too_deep: `nested deeper than ${JSON_MAX_DEPTH} levels`,
  json_too_large: 'too long',
  json_invalid_utf8: 'not UTF-8',
  json_lone_surrogate: 'half of a surrogate pair',
  json_noncharacter: 'a character that means nothing',
  json_number_not_exact: 'a number that is no exact double',
  json_duplicate_name: 'the same name twice',
}

/** The value of a JSON file; `RefusedFault` with the place of what is wrong. */
export async function readJson(
  file: string,
  maxBytes: number,
): Promise<{ readonly source: Source; readonly value: Json }> {
  const source = await readSource(file, maxBytes)
  const json = parseJson(source.text, { maxBytes, maxDepth: JSON_MAX_DEPTH })
  if (json.ok) return { source, value: json.value }
  const offset = Number(/^char (\d+)$/.exec(json.detail ?? '')?.[1] ?? 0)
  const before = source.text.slice(0, offset)
  const line = before.split('\n').length
  const column = offset - before.lastIndexOf('\n')
  const message = JSON_PROBLEMS[json.reason]
  throw new RefusedFault(source, [{ file: source.file, line, column, key: '', message }])
}

/** The lines of a file, one at a time, each at most `maxChars` long. */
export async function* readLines(file: string, maxChars: number): AsyncGenerator<string> {
  const shown = file === STDIN ? '<stdin>' : file
  const text = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  try {
    for await (const chunk of chunksOf(file)) {
      const lines = (rest + text.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > maxChars) throw new InputFault('too_long', `${shown}: a line is too long`)
      yield* lines
    }
    rest += text.decode()
  } catch (error) {
    if (error instanceof TypeError) throw new InputFault('not_text', `${shown} is not UTF-8 text`)
    throw unreadable(shown, error)
  }
  if (rest !== '') yield rest
}

export function layerOf(context: Context): LayerName {
  const written = flagText(context, 'layer') ?? 'platform'
  const layer = LAYERS.find((name) => name === written)
  if (layer === undefined) throw new UsageFault(`--layer is one of ${LAYERS.join(', ')}`)
  return layer
}

/** One policy, ready to decide, or everything that is wrong with it. */
export function readPolicy(
  context: Context,
  source: Source,
  layer: LayerName,
): LoadedPolicy | RefusedFault {
  const development = context.flags['development'] === true
  const parsed = parsePolicy(source.text, { file: source.file, development, layer })
  if (!parsed.ok) return new RefusedFault(source, parsed.findings)
  return {
    source,
    layer,
    policy: parsed.value,
    compiled: compilePolicy(parsed.value, sha256, { layer }),
  }
}

/** `RefusedFault` when it does not load. */
export async function loadPolicy(
  context: Context,
  file: string,
  layer: LayerName,
): Promise<LoadedPolicy> {
  const read = readPolicy(context, await readSource(file), layer)
  if (read instanceof RefusedFault) throw read
  return read
}

export interface LoadedLayers {
  readonly layers: CompiledLayers
  /** The platform's first. */
  readonly policies: readonly LoadedPolicy[]
}

/** The platform's policy and those that the flags name. */
export async function loadLayers(context: Context, platform: string): Promise<LoadedLayers> {
  const policies = [await loadPolicy(context, platform, 'platform')]
  for (const layer of LAYERS.filter((name) => name !== 'platform')) {
    const file = flagText(context, layer)
    if (file !== undefined) policies.push(await loadPolicy(context, file, layer))
  }
  return {
    layers: joinLayers(
      policies.map(({ compiled }) => compiled),
      sha256,
    ),
    policies,
  }
}

/** Exactly the operands that a command takes. */
export function operands(context: Context, names: readonly string[]): readonly string[] {
  const { positionals } = context
  const missing = names[positionals.length]
  if (missing !== undefined) throw new UsageFault(`${missing} is missing`)
  if (positionals.length > names.length) {
    throw new UsageFault(`"${positionals[names.length]}" is one too many`)
  }
  return positionals
}
