import { base64urlEncode, type JsonObject } from '@trustgw/protocol'
import type { PublicKey } from '@trustgw/runtime'
import type { GatewayApi } from '../gateway-api.ts'
import type { MetricsBook } from './metrics.ts'
import { openApiDocument } from './openapi.ts'
import { jsonReply, problem, type Reply } from './problem.ts'
import type { OpenRoute } from './route.ts'

export interface ServiceRouteDeps {
  readonly api: Pick<GatewayApi, 'readiness'>
  readonly metrics: MetricsBook
  /** The public keys of grants that are in force. */
  readonly grantKeys: () => readonly PublicKey[]
  /** `http://localhost:3060`, without a slash at its end. */
  readonly publicUrl: () => string
  readonly version: string
}

/** What needs no key: nothing here belongs to a tenant. */
export function serviceRoutes(deps: ServiceRouteDeps): readonly OpenRoute[] {
  return [
    open(/^\/health$/, () => jsonReply(200, { status: 'ok' })),
    open(/^\/ready$/, () => ready(deps)),
    open(/^\/metrics$/, ({ fromLoopback }) =>
      // Who asks from elsewhere learns nothing, not even that it is there.
      fromLoopback ? metricsReply(deps.metrics) : problem('not_found'),
    ),
    open(/^\/\.well-known\/jwks\.json$/, () =>
      jsonReply(
        200,
        { keys: deps.grantKeys().map(jwk) },
        { 'cache-control': 'public, max-age=60' },
      ),
    ),
    open(
      /^\/\.well-known\/oauth-protected-resource(\/v1\/mcp(?:\/c\/[^/]+)?)?$/,
      ({ captured: [path = '/v1/mcp'] }) =>
        jsonReply(200, resourceMetadata(deps.publicUrl() + path)),
    ),
    open(/^\/v1\/openapi\.json$/, () =>
      jsonReply(200, openApiDocument({ publicUrl: deps.publicUrl(), version: deps.version })),
    ),
  ]
}

function open(pattern: RegExp, GET: OpenRoute['methods'][string]): OpenRoute {
  return { auth: 'none', face: 'http', pattern, methods: { GET } }
}

function ready(deps: ServiceRouteDeps): Reply {
  const { ready: isReady, reasons } = deps.api.readiness()
  const reply = jsonReply(isReady ? 200 : 503, { ready: isReady, reasons: [...reasons] })
  return isReady ? reply : { ...reply, outcome: 'not_ready' }
}

function metricsReply(metrics: MetricsBook): Reply {
  const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }
  return { status: 200, headers, text: metrics.text(), outcome: 'ok' }
}

/** RFC 8037 §2. */
function jwk(key: PublicKey): JsonObject {
  return {
    kty: 'OKP',
    crv: 'Ed25519',
    x: base64urlEncode(key.publicKey),
    kid: key.kid,
    use: 'sig',
    alg: 'EdDSA',
  }
}

/** RFC 9728 §2. No authorization server is named: this gateway takes API keys only. */
function resourceMetadata(resource: string): JsonObject {
  return {
    resource,
    resource_name: 'Trust Gateway',
    bearer_methods_supported: ['header'],
  }
}
