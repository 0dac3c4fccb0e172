import {
  type AmountRule,
  amountRuleShape,
  arrayShape,
  booleanShape,
  integerShape,
  type JsonObject,
  jsonObjectShape,
  mapShape,
  nameField,
  type Operation,
  objectShape,
  ok,
  oneOfShape,
  operationShape,
  optionalMember,
  parsedShape,
  refuse,
  type Shape,
  stringShape,
  taggedShape,
  titleField,
} from '@trustgw/protocol'

/** `credential` of a connector that needs none. */
export const NO_CREDENTIAL = 'none'

/** What every tool's entry may say. Without `operation` the tool counts as a transfer. */
export interface ToolDeclaration {
  readonly operation?: Operation
  readonly category?: string
  readonly tags?: readonly string[]
  readonly skill_level?: string
  readonly amount?: AmountRule
  /** A call may be made again under its key when its end was not seen. */
  readonly idempotent?: true
}

export interface ConnectorLimits {
  readonly call_timeout_ms?: number
  /** How many calls of each of its tools may run at once. */
  readonly calls_at_once?: number
  readonly result_max_bytes?: number
}

interface ManifestHead {
  readonly version: 1
  /** First part of its tools' ids, and their bundle. */
  readonly id: string
  readonly title: string
  readonly description: string
  /** Name in `credentials.toml`, or `none`. */
  readonly credential: string
  readonly limits?: ConnectorLimits
}

/** An MCP server on standard streams. Exactly one of `package` and `command` is given. */
export interface StdioManifest extends ManifestHead {
  readonly kind: 'stdio'
  /** An npm package installed beside the executor, run by its `bin`. */
  readonly package?: string
  /** Absolute path of a program, and its first arguments. */
  readonly command?: readonly string[]
  /** `{state_dir}` stands for the state folder, here and in `env` and `directories`. */
  readonly args: readonly string[]
  /** The older protocol, pinned: probing for the newer one would start the upstream twice. */
  readonly era: 'legacy'
  /** The whole environment of the upstream. */
  readonly env?: { readonly [name: string]: string }
  /** The variable in which the upstream gets the credential's secret. */
  readonly credential_env?: string
  /** Folders made before the start, mode 700. */
  readonly directories?: readonly string[]
  readonly egress?: readonly string[]
  /** Serve what the upstream lists and this file does not; each such tool counts as a transfer. */
  readonly serve_undeclared?: boolean
  readonly tools: { readonly [tool: string]: ToolDeclaration }
}

export interface ReconcileRule {
  /** Path asked with GET; `{idempotency_key}` stands for the key. */
  readonly path: string
  /**
   * What 404 means once no request is under way. `final`: the upstream records a key before it
   * works, so the work was not done. `unknown`: nothing.
   */
  readonly not_found: 'final' | 'unknown'
}

export interface HttpTool extends ToolDeclaration {
  readonly title: string
  readonly description: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `{name}` stands for the argument of that name, which is then not sent otherwise. */
  readonly path: string
  readonly idempotency_header?: string
  readonly reconcile?: ReconcileRule
  readonly input_schema: JsonObject
  readonly output_schema?: JsonObject
  /** Member of the answer that holds the provider's own id. */
  readonly provider_reference?: string
}

export interface HttpManifest extends ManifestHead {
  readonly kind: 'http'
  /** `https`, or `http` to a loopback address. */
  readonly base_url: string
  readonly tools: { readonly [tool: string]: HttpTool }
}

export type ConnectorManifest = StdioManifest | HttpManifest

export const CALL_TIMEOUT_MAX_MS = 900_000
/** Also how many calls of one tool may run at once where the manifest says nothing. */
export const CALLS_AT_ONCE_MAX = 64
/** Signed and encoded, a result must fit into one stored value. */
export const RESULT_OUTPUT_LIMIT_BYTES = 163_840
export const TOOLS_PER_CONNECTOR_MAX = 256

const idField = matching('slug', 31, /^[a-z0-9][a-z0-9-]{0,30}$/)
const envName = matching('environment-name', 64, /^[A-Za-z_][A-Za-z0-9_]{0,63}$/)
const packageName = matching('package', 128, /^(?:@[a-z0-9._-]+\/)?[a-z0-9][a-z0-9._-]*$/)
const headerName = matching('header', 64, /^[A-Za-z0-9-]{1,64}$/)
const pathField = matching('path', 512, /^\/(?!\/)(?:[A-Za-z0-9._~/-]|\{[A-Za-z0-9_]{1,64}\})*$/)
const placeholders = matching('text', 1_024, /^(?:[^{}]|\{state_dir\})*$/)

const toolMembers = {
  operation: optionalMember(operationShape),
  category: optionalMember(nameField),
  tags: optionalMember(arrayShape(nameField, { max: 32 })),
  skill_level: optionalMember(nameField),
  amount: optionalMember(amountRuleShape),
  idempotent: optionalMember(oneOfShape(true)),
} as const

const headMembers = {
  version: oneOfShape(1),
  id: idField,
  title: titleField,
  description: stringShape({ max: 1_000 }),
  credential: nameField,
  limits: optionalMember(
    objectShape({
      call_timeout_ms: optionalMember(integerShape({ min: 100, max: CALL_TIMEOUT_MAX_MS })),
      calls_at_once: optionalMember(integerShape({ min: 1, max: CALLS_AT_ONCE_MAX })),
      result_max_bytes: optionalMember(integerShape({ min: 256, max: RESULT_OUTPUT_LIMIT_BYTES })),
    }),
  ),
} as const

const httpToolShape: Shape<HttpTool> = objectShape({
  ...toolMembers,
  title: titleField,
  description: stringShape({ max: 8_192, characters: 'any' }),
  method: oneOfShape('GET', 'POST', 'PUT', 'PATCH', 'DELETE'),
  path: pathField,
  idempotency_header: optionalMember(headerName),
  reconcile: optionalMember(
    objectShape({ path: pathField, not_found: oneOfShape('final', 'unknown') }),
  ),
  input_schema: jsonObjectShape(),
  output_schema: optionalMember(jsonObjectShape()),
  provider_reference: optionalMember(nameField),
})

const toolMap = { max: TOOLS_PER_CONNECTOR_MAX, nameMax: 64 } as const

/** The form of a file below `connectors/`. */
export const manifestShape: Shape<ConnectorManifest> = taggedShape('kind', {
  stdio: objectShape({
    ...headMembers,
    kind: oneOfShape('stdio'),
    package: optionalMember(packageName),
    command: optionalMember(arrayShape(placeholders, { min: 1, max: 64 })),
    args: arrayShape(placeholders, { max: 64 }),
    era: oneOfShape('legacy'),
    env: optionalMember(mapShape(placeholders, { max: 64, nameMax: 64 })),
    credential_env: optionalMember(envName),
    directories: optionalMember(arrayShape(placeholders, { max: 16 })),
    egress: optionalMember(arrayShape(nameField, { max: 64 })),
    serve_undeclared: optionalMember(booleanShape()),
    tools: mapShape(objectShape(toolMembers), toolMap),
  }),
  http: objectShape({
    ...headMembers,
    kind: oneOfShape('http'),
    base_url: stringShape({ min: 8, max: 300, characters: 'token' }),
    tools: mapShape(httpToolShape, toolMap),
  }),
})

/** What the shape cannot say: members that exclude or demand each other. Undefined when all hold. */
export function findContradiction(
  manifest: ConnectorManifest,
): { readonly key: string; readonly problem: string } | undefined {
  const names = Object.keys(manifest.tools)
  const odd = names.find((name) => !/^[A-Za-z0-9_-]{1,64}$/.test(name))
  if (odd !== undefined) return { key: `tools.${odd}`, problem: 'is not a name of a tool' }
  return manifest.kind === 'stdio' ? stdioContradiction(manifest) : httpContradiction(manifest)
}

function stdioContradiction(manifest: StdioManifest): ReturnType<typeof findContradiction> {
  if ((manifest.package === undefined) === (manifest.command === undefined)) {
    return { key: 'package', problem: 'give either package or command' }
  }
  if (manifest.command !== undefined && manifest.command[0]?.startsWith('/') !== true) {
    return { key: 'command', problem: 'its first part is not an absolute path' }
  }
  if ((manifest.credential === NO_CREDENTIAL) !== (manifest.credential_env === undefined)) {
    return { key: 'credential_env', problem: 'goes with a credential, and a credential with it' }
  }
  const repeated = Object.entries(manifest.tools).find(
    ([, tool]) => tool.idempotent === true && tool.operation !== 'read',
  )
  if (repeated !== undefined) {
    // MCP hands on no idempotency key.
    return { key: `tools.${repeated[0]}.idempotent`, problem: 'needs operation = "read"' }
  }
  const badEnv = Object.keys(manifest.env ?? {}).find(
    (name) => !/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name) || name === 'NODE_OPTIONS',
  )
  return badEnv === undefined ? undefined : { key: `env.${badEnv}`, problem: 'is not allowed' }
}

function httpContradiction(manifest: HttpManifest): ReturnType<typeof findContradiction> {
  if (!isAllowedBase(manifest.base_url)) {
    return { key: 'base_url', problem: 'must be https, or http to a loopback address, and no more' }
  }
  for (const [name, tool] of Object.entries(manifest.tools)) {
    const key = `tools.${name}`
    if (tool.reconcile !== undefined) {
      if (tool.idempotency_header === undefined) {
        return { key: `${key}.reconcile`, problem: 'needs idempotency_header' }
      }
      if (!/^[^{}]*\{idempotency_key\}[^{}]*$/.test(tool.reconcile.path)) {
        return { key: `${key}.reconcile.path`, problem: 'needs {idempotency_key} and no other' }
      }
    }
    const reads = tool.method === 'GET' && tool.operation === 'read'
    if (tool.idempotent === true && tool.idempotency_header === undefined && !reads) {
      return { key: `${key}.idempotent`, problem: 'needs idempotency_header, or a GET that reads' }
    }
    if (/\/\.{1,2}(?:\/|$)/.test(tool.path)) return { key: `${key}.path`, problem: 'is relative' }
  }
  return undefined
}

const LOOPBACK: readonly string[] = ['127.0.0.1', '[::1]', 'localhost']

function isAllowedBase(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  if (url.origin !== text.replace(/\/$/, '')) return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.includes(url.hostname))
}

function matching(format: string, max: number, pattern: RegExp): Shape<string> {
  return parsedShape(stringShape({ min: 1, max }), format, (text) =>
    pattern.test(text) ? ok(text) : refuse(format),
  )
}
