import type { TestContext } from 'node:test'
import { type GatewayApi, type HttpFaces, MetricsBook, startHttpFaces } from '@trustgw/gateway'
import { actionId, parseProfile, parseTenantId, type ToolContract } from '@trustgw/protocol'
import { nodeRandom, sha256, silentLogger, systemClock } from '@trustgw/runtime'

export const KEY = 'tgk_acme_aaaaaaaaaaaaaaaa_0000000000000000000000000000000000000000000'

/** The gateway's real HTTP faces over a double of the control plane that echoes every call. */
export async function startEchoGateway(
  test: Pick<TestContext, 'after'>,
  port = 0,
): Promise<HttpFaces> {
  const faces = await startHttpFaces({
    api: echoApi(),
    settings: {
      listen: { host: '127.0.0.1', port },
      publicUrl: '',
      allowedHosts: [],
      allowedOrigins: [],
      hostOrigin: 'http://localhost:8080',
      holdMs: 300,
    },
    grantKeys: () => [],
    version: '0.0.0-test',
    metrics: new MetricsBook(),
    sha256,
    clock: systemClock,
    random: nodeRandom,
    log: silentLogger,
  })
  test.after(() => faces.stop())
  return faces
}

function echoApi(): GatewayApi {
  const tenant = parseTenantId('acme')
  const profile = parseProfile('connector')
  if (!tenant.ok || !profile.ok) throw new TypeError('names')
  const caller = {
    principal: { tenant: tenant.value, issuer: 'api-key', client: 'a', subject: 'agent' },
    source: 'mcp',
    auth_level: 1,
    on_behalf_of: null,
    workspace: 'default',
    key_id: 'a',
  } as const
  const contract: ToolContract = {
    ...{ id: 'echo.say', version: '1', title: 'Say', description: 'Says it again' },
    ...{ input_schema: { type: 'object' }, output_schema: null, operation: 'read' },
    ...{ category: null, bundle: 'echo', tags: [], skill_level: null, amount: { kind: 'none' } },
    ...{ precondition: null, egress: [], profile: profile.value, credential_ref: 'none' },
    digest: 'd',
  }
  return {
    authenticate: (key) => (key === KEY ? caller : undefined),
    propose: async (_, call) => ({
      ok: true,
      value: {
        ...{ action_id: actionId(new Uint8Array(16)), status: 'succeeded', tool: call.tool },
        ...{
          joined: false,
          supersedes: null,
          superseded_by: null,
          reason: null,
          hint: null,
          result: { said: call.arguments },
          proposed_at: 0,
        },
        ...{ expires_at: null, poll_after_s: null },
      },
    }),
    get: async () => ({ ok: false, reason: 'unknown_action' }),
    cancel: async () => ({ ok: false, reason: 'unknown_action' }),
    bundles: () => [{ id: 'echo', title: 'Echo', description: '' }],
    tools: () => [{ contract }],
    readiness: () => ({ ready: true, reasons: [] }),
  }
}
