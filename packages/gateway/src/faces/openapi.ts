import {
  actionViewShape,
  describeShape,
  isJsonArray,
  isJsonObject,
  type Json,
  type JsonObject,
  proposeRequestShape,
  toolContractShape,
} from '@trustgw/protocol'
import { PROBLEM_TYPE, PROBLEMS, type ProblemCode } from './problem.ts'

const VIEW = ref('ActionView')

/** The OpenAPI 3.1 document of the REST face, made of the nouns' own shapes. */
export function openApiDocument(of: {
  readonly publicUrl: string
  readonly version: string
}): JsonObject {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Trust Gateway',
      version: of.version,
      description: 'Agents propose actions here. Approval routes exist on the host only.',
    },
    servers: [{ url: of.publicUrl }],
    security: [{ api_key: [] }],
    paths: paths(),
    components: {
      securitySchemes: { api_key: { type: 'http', scheme: 'bearer', bearerFormat: 'tgk_…' } },
      schemas: schemas(),
    },
  }
}

function paths(): JsonObject {
  return {
    '/v1/actions/propose': {
      post: operation({
        summary: 'Propose a tool call',
        parameters: [IDEMPOTENCY_KEY],
        requestBody: {
          required: true,
          content: { 'application/json': schema(ref('ProposeRequest')) },
        },
        answers: ACTION_ANSWERS,
        problems: [
          ...['json_refused', 'body_invalid', 'key_mismatch', 'unknown_tool'],
          ...[
            'key_conflict',
            'too_many_pending',
            'busy',
            'tool_quarantined',
            'arguments_too_large',
            'content_type_refused',
            'arguments_invalid',
          ],
        ],
      }),
    },
    '/v1/actions/{action_id}': {
      get: operation({
        summary: 'Read an action of your own, waiting for its end if asked',
        parameters: [ACTION_ID, WAIT],
        answers: ACTION_ANSWERS,
        problems: ['query_invalid', 'unknown_action'],
      }),
    },
    '/v1/actions/{action_id}/cancel': {
      post: operation({
        summary: 'Cancel an action of your own that has not started',
        parameters: [ACTION_ID],
        answers: ACTION_ANSWERS,
        problems: ['unknown_action'],
      }),
    },
    '/v1/tools/list': {
      get: operation({
        summary: 'The bundles and tools that you may use',
        answers: { 200: answer('The tools', ref('ToolList')) },
        problems: [],
      }),
    },
    '/health': {
      get: {
        ...operation({
          summary: 'Whether the process lives',
          answers: { 200: answer('It does', ref('Health')) },
          problems: [],
        }),
        security: [],
      },
    },
    '/ready': {
      get: {
        ...operation({
          summary: 'Whether an allowed call could go through now',
          answers: { 200: answer('Yes', ref('Ready')), 503: answer('No', ref('Ready')) },
          problems: [],
        }),
        security: [],
      },
    },
  }
}

interface OperationParts {
  readonly summary: string
  readonly parameters?: readonly Json[]
  readonly requestBody?: Json
  readonly answers: { readonly [status: string]: Json }
  readonly problems: readonly string[]
}

/** Problems of one status are one answer that names their codes. */
function operation(parts: OperationParts): JsonObject {
  const always = ['not_authenticated', 'too_many_requests', 'unavailable']
  const byStatus = new Map<number, string[]>()
  for (const code of [...parts.problems, ...always].filter(isProblemCode)) {
    const { status } = PROBLEMS[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  const problems = [...byStatus].map(([status, codes]): [string, Json] => [
    String(status),
    { description: codes.join(', '), content: { [PROBLEM_TYPE]: schema(ref('Problem')) } },
  ])
  return {
    summary: parts.summary,
    ...(parts.parameters === undefined ? {} : { parameters: parts.parameters }),
    ...(parts.requestBody === undefined ? {} : { requestBody: parts.requestBody }),
    responses: { ...Object.fromEntries(problems), ...parts.answers },
  }
}

function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code)
}

function schemas(): JsonObject {
  return {
    ProposeRequest: standard(describeShape(proposeRequestShape)),
    ActionView: standard(describeShape(actionViewShape)),
    ToolContract: standard(describeShape(toolContractShape)),
    ToolList: closed({
      bundles: {
        type: 'array',
        items: closed({
          id: { type: 'string' },
          title: { type: 'string' },
          description: { type: 'string' },
        }),
      },
      tools: { type: 'array', items: ref('ToolContract') },
    }),
    Health: closed({ status: { enum: ['ok'] } }),
    Ready: closed({
      ready: { type: 'boolean' },
      reasons: { type: 'array', items: { type: 'string' } },
    }),
    Problem: {
      ...closed({
        type: { type: 'string' },
        title: { type: 'string' },
        status: { type: 'integer' },
        code: { enum: Object.keys(PROBLEMS) },
        detail: { type: 'string' },
      }),
      required: ['type', 'title', 'status', 'code'],
    },
  }
}

const ACTION_ANSWERS = {
  200: answer('The action has ended, or was denied', VIEW),
  202: answer('It waits for a person or runs: ask again after poll_after_s', VIEW),
}

const ACTION_ID = {
  name: 'action_id',
  in: 'path',
  required: true,
  schema: { type: 'string', pattern: '^act_' },
}

const WAIT = {
  name: 'wait',
  in: 'query',
  description: 'How long to wait for the end; at most 55s',
  schema: { type: 'string', pattern: '^[0-9]{1,5}(ms|s)$' },
}

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  description: 'Your own key for this call; the same as idempotency_key in the body',
  schema: { type: 'string', minLength: 1, maxLength: 200 },
}

/** Our shapes use one keyword that JSON Schema does not have; as an extension it is one of OpenAPI's. */
function standard(description: Json): Json {
  if (isJsonArray(description)) return description.map(standard)
  if (!isJsonObject(description)) return description
  return Object.fromEntries(
    Object.entries(description).map(([name, value]): [string, Json] => [
      name === 'characters' ? 'x-characters' : name,
      standard(value),
    ]),
  )
}

function closed(properties: JsonObject): JsonObject {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  }
}

function ref(name: string): JsonObject {
  return { $ref: `#/components/schemas/${name}` }
}

function schema(of: JsonObject): JsonObject {
  return { schema: of }
}

function answer(description: string, of: JsonObject): JsonObject {
  return { description, content: { 'application/json': schema(of) } }
}
