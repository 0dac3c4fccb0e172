import {
  CALLS_AT_ONCE_MAX,
  type ConnectorManifest,
  RESULT_OUTPUT_LIMIT_BYTES,
} from '../connectors/manifest.ts'

/** The settings that a manifest may narrow. */
interface Limits {
  readonly result_max_bytes: number
  readonly tool_timeout_ms: number
}

/** Calls of a tool that may run at the same time, by its id. */
export function callsAtOnce(manifests: readonly ConnectorManifest[]): (tool: string) => number {
  const own = new Map(manifests.map(({ id, limits }) => [id, limits?.calls_at_once]))
  return (tool) => own.get(tool.slice(0, tool.indexOf('.'))) ?? CALLS_AT_ONCE_MAX
}

/** How long a tool may run, in milliseconds, by its id. */
export function timeoutsOf(
  manifests: readonly ConnectorManifest[],
  { tool_timeout_ms }: Pick<Limits, 'tool_timeout_ms'>,
): (tool: string) => number {
  const own = new Map(manifests.map(({ id, limits }) => [id, limits?.call_timeout_ms]))
  return (tool) => own.get(tool.slice(0, tool.indexOf('.'))) ?? tool_timeout_ms
}

/** Longest output in bytes, by connector. */
export function limitsOf(
  manifests: readonly ConnectorManifest[],
  settings: Pick<Limits, 'result_max_bytes'>,
): (connector: string) => number {
  const most = Math.min(settings.result_max_bytes, RESULT_OUTPUT_LIMIT_BYTES)
  const limits = new Map(
    manifests.map(({ id, limits: own }) => [id, Math.min(own?.result_max_bytes ?? most, most)]),
  )
  return (connector) => limits.get(connector) ?? most
}
