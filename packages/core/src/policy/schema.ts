/** The JSON Schema of a policy file, for completion and checks in editors (Taplo, VS Code). */
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '@trustgw/protocol'
import { LIMITS_MAX, POLICY_MAX_RULES } from './ast.ts'
import { defaultsSchema, limitSyntax, ruleSyntax } from './rule-syntax.ts'

/** Parts at least this long that stand in several places are written once. */
const SHARED_MIN_CHARS = 200

function count(value: Json, counts: Map<string, number>): void {
  if (typeof value !== 'object' || value === null) return
  if (isJsonObject(value)) {
    const text = JSON.stringify(value)
    const known = counts.get(text) ?? 0
    counts.set(text, known + 1)
    // What stands inside a part that is shared already is no second use.
    if (known > 0 && text.length >= SHARED_MIN_CHARS) return
  }
  for (const item of Object.values(value)) count(item, counts)
}

class Sharing {
  readonly defs = new Map<string, Json>()
  readonly #names = new Map<string, string>()
  readonly #counts = new Map<string, number>()

  constructor(schema: JsonObject) {
    count(schema, this.#counts)
  }

  replace(value: Json): Json {
    if (isJsonArray(value)) return value.map((item) => this.replace(item))
    if (!isJsonObject(value)) return value
    const text = JSON.stringify(value)
    const isSchema = typeof value['type'] === 'string' || Array.isArray(value['anyOf'])
    const isShared = text.length >= SHARED_MIN_CHARS && (this.#counts.get(text) ?? 0) > 1
    return isSchema && isShared ? this.#reference(text, value) : this.members(value)
  }

  members(value: JsonObject): JsonObject {
    const replaced = Object.entries(value).map(
      ([name, item]) => [name, this.replace(item)] as const,
    )
    return Object.fromEntries(replaced)
  }

  #reference(text: string, value: JsonObject): Json {
    let name = this.#names.get(text)
    if (name === undefined) {
      name = `part${this.#names.size + 1}`
      this.#names.set(text, name)
      this.defs.set(name, this.members(value))
    }
    return { $ref: `#/$defs/${name}` }
  }
}

/** Made of the same table that the parser reads by; the parser refuses a little more. */
export function policySchema(): JsonObject {
  const schema: JsonObject = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Trust Gateway policy',
    type: 'object',
    properties: {
      version: { const: 1 },
      defaults: defaultsSchema,
      rules: { type: 'array', items: ruleSyntax.schema, maxItems: POLICY_MAX_RULES },
      limits: { type: 'array', items: limitSyntax.schema, maxItems: LIMITS_MAX },
    },
    required: ['version'],
    additionalProperties: false,
  }
  const sharing = new Sharing(schema)
  const body = sharing.members(schema)
  return { ...body, $defs: Object.fromEntries(sharing.defs) }
}
