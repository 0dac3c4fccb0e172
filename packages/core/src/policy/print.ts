/** A policy as a file again: `parsePolicy` of it gives the same policy. */
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '@trustgw/protocol'
import type { Policy } from './ast.ts'
import { limitSyntax, ruleSyntax, writeDefaults } from './rule-syntax.ts'

const bareKey = /^[A-Za-z0-9_-]+$/

/** TOML's basic strings take every escape that JSON writes. */
const tomlText = (text: string): string => JSON.stringify(text)
const tomlKey = (name: string): string => (bareKey.test(name) ? name : tomlText(name))

function tomlNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER) return String(value)
  const text = String(value)
  return /[.e]/.test(text) ? text.replace(/^([0-9-]+)e/, '$1.0e') : `${text}.0`
}

/** A value on one line. Objects become inline tables. */
export function tomlValue(value: Json): string {
  if (typeof value === 'string') return tomlText(value)
  if (typeof value === 'number') return tomlNumber(value)
  if (value === null) throw new TypeError('TOML has no null')
  if (isJsonArray(value)) return `[${value.map(tomlValue).join(', ')}]`
  if (!isJsonObject(value)) return String(value)
  const members = Object.entries(value).map(
    ([name, item]) => `${tomlKey(name)} = ${tomlValue(item)}`,
  )
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}

function table(header: string, members: JsonObject): string {
  const nested: [string, JsonObject][] = []
  const lines: string[] = []
  for (const [name, value] of Object.entries(members)) {
    if (name === 'match' && isJsonObject(value)) nested.push([name, value])
    else lines.push(`${tomlKey(name)} = ${tomlValue(value)}`)
  }
  const below = nested.map(([name, value]) => {
    const own = header.replace(/[[\]]/g, '')
    return `\n${table(`[${own}.${name}]`, value)}`
  })
  return [header, ...lines].join('\n') + below.join('') + (below.length === 0 ? '\n' : '')
}

const asTable = (value: Json): JsonObject => (isJsonObject(value) ? value : {})

/** The policy as TOML. Comments and the order of keys of the file it came from are not kept. */
export function printPolicy(policy: Policy): string {
  const parts = [
    'version = 1\n',
    table('[defaults]', asTable(writeDefaults(policy.defaults))),
    ...policy.rules.map((rule) => table('[[rules]]', asTable(ruleSyntax.write(rule)))),
    ...policy.limits.map((limit) => table('[[limits]]', asTable(limitSyntax.write(limit)))),
  ]
  return parts.join('\n')
}
