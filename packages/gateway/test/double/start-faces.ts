import type { TestContext } from 'node:test'
import { nodeRandom, sha256, silentLogger, systemClock } from '@trustgw/runtime'
import { MetricsBook } from '../../src/faces/metrics.ts'
import {
  type HttpFaces,
  type HttpFacesSettings,
  startHttpFaces,
} from '../../src/faces/start-http-faces.ts'
import { GatewayDouble, KEY_A } from './gateway-double.ts'

export interface TestFaces {
  readonly api: GatewayDouble
  readonly faces: HttpFaces
  readonly url: string
  readonly metrics: MetricsBook
  /** A request with key A unless told otherwise. */
  request(path: string, init?: RequestInit & { key?: string | null }): Promise<Response>
}

export const HOST_ORIGIN = 'http://localhost:8080'

/** The HTTP faces on a free port over a double; stopped when the test ends. */
export async function startFaces(
  test: Pick<TestContext, 'after'>,
  settings: Partial<HttpFacesSettings> = {},
): Promise<TestFaces> {
  const api = new GatewayDouble()
  const metrics = new MetricsBook()
  const faces = await startHttpFaces({
    api,
    settings: {
      listen: { host: '127.0.0.1', port: 0 },
      publicUrl: '',
      allowedHosts: [],
      allowedOrigins: ['http://localhost:5173'],
      hostOrigin: HOST_ORIGIN,
      holdMs: 400,
      ...settings,
    },
    grantKeys: () => [
      {
        kid: 'grant-1',
        role: 'grant',
        publicKey: new Uint8Array(32),
        component: 'gateway',
      },
    ],
    version: '0.0.0-test',
    metrics,
    sha256,
    clock: systemClock,
    random: nodeRandom,
    log: silentLogger,
  })
  test.after(() => faces.stop())
  const url = `http://127.0.0.1:${faces.address.port}`
  return {
    api,
    faces,
    url,
    metrics,
    request: (path, { key = KEY_A, headers, ...init } = {}) =>
      fetch(`${url}${path}`, {
        ...init,
        headers: {
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...Object.fromEntries(new Headers(headers)),
        },
      }),
  }
}

/** The JSON of an answer, for tests that look into it. */
export async function jsonOf(response: Response): Promise<Record<string, unknown>> {
  return (await response.json()) as Record<string, unknown>
}
