import { resolve } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { contradictionsOf } from './contradictions.ts'
import {
  definitionOf,
  isSettingKey,
  SETTING_KEYS,
  SETTINGS_FILE_MAX_BYTES,
  SETTINGS_FILE_VARIABLE,
  type SettingKey,
  type Settings,
} from './definition.ts'
import { derive } from './derive.ts'
import type { SettingDefinition, SettingValue } from './kind.ts'
import { nearestName } from './nearest.ts'
import type { SettingsProblem } from './problem.ts'
import { kindInWords, rawOfVariable, readValue } from './values.ts'

export type SettingsOutcome =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly SettingsProblem[] }

export interface SettingsSources {
  /** The text of `trustgw.toml`; `undefined` where there is none. */
  readonly toml: string | undefined
  /** The environment; a variable wins over the file. */
  readonly env: { readonly [name: string]: string | undefined }
  /** What relative paths start from: the working directory. */
  readonly baseDir: string
}

/**
 * Reads the settings, or says everything that is wrong with them at once. Without a mode it is
 * production, which refuses development conveniences by name. NOT checked: that files, keys and
 * ports are there (`trustgw init`, `doctor` and each process's start do).
 */
export function readSettings(sources: SettingsSources): SettingsOutcome {
  const problems: SettingsProblem[] = []
  const raw = new Map<SettingKey, Given>()
  for (const [key, value] of fileEntries(sources.toml ?? '', problems)) {
    if (isSettingKey(key)) raw.set(key, { value, from: key })
    else problems.push(unknown('unknown_key', key, SETTING_KEYS))
  }
  for (const [key, value, from] of variableEntries(sources.env, problems)) {
    raw.set(key, { value, from })
  }
  const development = raw.get('mode')?.value === 'development'
  const values = readValues(raw, development, problems)
  return finish(values, problems, sources.baseDir)
}

interface Given {
  readonly value: unknown
  /** The setting or variable that said so. */
  readonly from: string
}

function readValues(
  raw: ReadonlyMap<SettingKey, Given>,
  development: boolean,
  problems: SettingsProblem[],
): ReadonlyMap<SettingKey, SettingValue> {
  const values = new Map<SettingKey, SettingValue>()
  for (const key of SETTING_KEYS) {
    const definition = definitionOf(key)
    const from = raw.get(key)?.from ?? key
    const value = readValue(definition, rawValue(definition, raw.get(key), development))
    if (value === undefined) problems.push(wrongValue(key, from))
    else values.set(key, value)
    const loose = definition.developmentOnly === true && value !== definition.default
    if (loose && !development) problems.push(developmentOnly(key, from))
  }
  return values
}

function rawValue(
  definition: SettingDefinition,
  given: Given | undefined,
  development: boolean,
): unknown {
  if (given !== undefined) return given.value
  return development ? (definition.development ?? definition.default) : definition.default
}

function finish(
  values: ReadonlyMap<SettingKey, SettingValue>,
  problems: readonly SettingsProblem[],
  baseDir: string,
): SettingsOutcome {
  if (problems.length > 0) return { ok: false, problems }
  const settings = derive(nested(values), (path, base) => resolve(base ?? baseDir, path))
  const contradictions = contradictionsOf(settings)
  return contradictions.length > 0
    ? { ok: false, problems: contradictions }
    : { ok: true, settings }
}

function nested(values: ReadonlyMap<SettingKey, SettingValue>): Settings {
  const tree: Record<string, unknown> = {}
  const sections: Record<string, Record<string, unknown>> = {}
  for (const [key, value] of values) {
    const [section = '', name] = key.split('.')
    if (name === undefined) {
      tree[section] = value
      continue
    }
    const members = sections[section] ?? {}
    members[name] = value
    sections[section] = members
  }
  const whole = { ...tree, ...sections }
  if (!isSettings(whole, values)) throw new TypeError('the settings table is incomplete')
  return whole
}

/** Each value came from the reader of its own setting, so completeness is all that is left. */
function isSettings(
  value: object,
  values: ReadonlyMap<SettingKey, SettingValue>,
): value is Settings {
  return Object.keys(value).length > 0 && SETTING_KEYS.every((key) => values.has(key))
}

function* fileEntries(
  toml: string,
  problems: SettingsProblem[],
): Generator<readonly [string, unknown]> {
  if (Buffer.byteLength(toml) > SETTINGS_FILE_MAX_BYTES) {
    problems.push({ reason: 'file_too_large', where: 'file', message: 'The file is too large.' })
    return
  }
  const tables = parseToml(toml, problems)
  for (const [name, value] of Object.entries(tables)) {
    if (isTable(value)) {
      for (const [inner, leaf] of Object.entries(value)) yield [`${name}.${inner}`, leaf]
    } else {
      yield [name, value]
    }
  }
}

function parseToml(toml: string, problems: SettingsProblem[]): object {
  try {
    return parse(toml)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const message = `Line ${error.line}, column ${error.column}: not valid TOML.`
    problems.push({ reason: 'toml_syntax', where: 'file', message })
    return {}
  }
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
  )
}

function* variableEntries(
  env: SettingsSources['env'],
  problems: SettingsProblem[],
): Generator<readonly [SettingKey, unknown, string]> {
  const keys = new Map(SETTING_KEYS.map((key) => [definitionOf(key).env, key]))
  for (const [name, value] of Object.entries(env)) {
    const key = keys.get(name)
    if (value === undefined || name === SETTINGS_FILE_VARIABLE) continue
    if (key !== undefined) yield [key, rawOfVariable(definitionOf(key), value), name]
    else if (name.startsWith('TRUSTGW_')) {
      problems.push(unknown('unknown_variable', name, keys.keys()))
    }
  }
}

function unknown(
  reason: 'unknown_key' | 'unknown_variable',
  where: string,
  known: Iterable<string>,
): SettingsProblem {
  const nearest = nearestName(where, known)
  const hint = nearest === undefined ? '' : ` Did you mean \`${nearest}\`?`
  return { reason, where, message: `There is no setting \`${where}\`.${hint}` }
}

function wrongValue(key: SettingKey, where: string): SettingsProblem {
  const message = `\`${where}\` must be ${kindInWords(definitionOf(key))}.`
  return { reason: 'wrong_value', where, message }
}

function developmentOnly(key: SettingKey, where: string): SettingsProblem {
  const message = `\`${where}\` is for development only: remove it, or set \`mode = "development"\`.`
  return { reason: 'development_only', where: key, message }
}
