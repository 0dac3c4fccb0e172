import type { AddressInfo } from 'node:net'
import type { Sha256 } from '@trustgw/protocol'
import type { Clock, Logger, PublicKey, Random } from '@trustgw/runtime'
import type { GatewayApi } from '../gateway-api.ts'
import { HttpServer } from './http-server.ts'
import { McpContexts } from './mcp-contexts.ts'
import type { McpFace } from './mcp-face.ts'
import { mcpRoutes } from './mcp-routes.ts'
import { SdkMcpFace } from './mcp-sdk.ts'
import { MCP_HOLD_MS, McpSurface } from './mcp-surface.ts'
import { MetricsBook } from './metrics.ts'
import { type RequestLimitSettings, RequestLimits } from './request-limits.ts'
import { restRoutes } from './rest.ts'
import { serviceRoutes } from './service-routes.ts'

export interface HttpFacesSettings {
  /** Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number }
  /** As clients reach the gateway; empty: derived from where it listens. */
  readonly publicUrl: string
  /** `host[:port]` of the Host header; empty: those of the public and the listen address. */
  readonly allowedHosts: readonly string[]
  readonly allowedOrigins: readonly string[]
  /** Where the approval pages are. */
  readonly hostOrigin: string
  /** How long an MCP call is held; default and most `MCP_HOLD_MS`. */
  readonly holdMs?: number
  readonly sessionIdleMs?: number
  readonly limits?: RequestLimitSettings
}

export interface HttpFacesDeps {
  readonly api: GatewayApi
  readonly settings: HttpFacesSettings
  /** The public keys of grants that are in force. */
  readonly grantKeys: () => readonly PublicKey[]
  readonly version: string
  readonly metrics: MetricsBook
  readonly sha256: Sha256
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface HttpFaces {
  readonly address: AddressInfo
  readonly publicUrl: string
  /** Takes nothing new, lets waiting calls answer with what they have, then cuts the rest. */
  stop(): Promise<void>
}

/** Starts REST, MCP and the service routes on one listener. Rejects when the port is not to be had. */
export async function startHttpFaces(deps: HttpFacesDeps): Promise<HttpFaces> {
  const { api, settings, clock, log, metrics, version } = deps
  const mcp = startMcp(deps)
  let publicUrl = settings.publicUrl.replace(/\/+$/, '')
  const limits = new RequestLimits(clock, settings.limits)
  const server = new HttpServer({
    api,
    routes: [
      ...restRoutes(api),
      ...mcpRoutes(mcp, () => publicUrl),
      ...serviceRoutes({ ...deps, publicUrl: () => publicUrl }),
    ],
    limits,
    metrics,
    guard: { allowedHosts: hostsOf(settings), allowedOrigins: settings.allowedOrigins },
    publicUrl: () => publicUrl,
    clock,
    log,
  })
  const address = await server.listen(settings.listen.host, settings.listen.port)
  if (publicUrl === '') publicUrl = `http://${bracketed(settings.listen.host)}:${address.port}`
  metrics.gauge('trustgw_mcp_sessions', () => mcp.sessions)
  metrics.gauge('trustgw_requests_running', () => limits.running)
  log.info('http_listening', { host: address.address, port: address.port, version })
  return {
    address,
    publicUrl,
    stop: async () => {
      const stopped = server.stop()
      await mcp.close()
      await stopped
    },
  }
}

function startMcp(deps: HttpFacesDeps): McpFace {
  const { api, settings, sha256, clock, random, log, version } = deps
  const holdMs = Math.min(settings.holdMs ?? MCP_HOLD_MS, MCP_HOLD_MS)
  const surface = new McpSurface({
    api,
    contexts: new McpContexts(clock, random),
    sha256,
    hostOrigin: settings.hostOrigin.replace(/\/+$/, ''),
    holdMs,
  })
  const idle = settings.sessionIdleMs
  return new SdkMcpFace({
    ...{ surface, clock, random, log, version, holdMs },
    ...(idle === undefined ? {} : { sessionIdleMs: idle }),
  })
}

/** An address that was given as "any free port" is answered on the port it got. */
function hostsOf(settings: HttpFacesSettings): readonly string[] {
  const { allowedHosts, listen, publicUrl } = settings
  const derived = [bracketed(listen.host), 'localhost', '127.0.0.1', '[::1]']
  const own = publicUrl === '' ? derived : [...derived, new URL(publicUrl).host]
  const hosts = allowedHosts.length > 0 ? allowedHosts : own
  return hosts.map((host) => host.replace(/:0$/, '').toLowerCase())
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
