/** The JSON Schema of a policy file, for completion and checks in editors (Taplo, VS Code). */
import type { JsonObject } from '@trustgw/protocol'
import { LIMITS_MAX, POLICY_MAX_RULES } from './ast.ts'
import { defaultsSchema, limitSyntax, ruleSyntax } from './rule-syntax.ts'

/** Made of the same table that the parser reads by; the parser refuses a little more. */
export function policySchema(): JsonObject {
  return {
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
}
