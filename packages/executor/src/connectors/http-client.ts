import { Agent as PlainAgent, request as plainRequest, type RequestOptions } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'

export interface HttpCall {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly timeout_ms: number
  readonly max_bytes: number
}

export type HttpOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly body: Uint8Array }
  /** No connection was made: nothing was sent. */
  | { readonly kind: 'not_sent' }
  /** Something was sent and no whole answer came. */
  | { readonly kind: 'lost'; readonly reason: 'timeout' | 'connection_lost' | 'answer_too_large' }

/** One HTTP exchange. Never throws, never follows a redirect, never repeats a request. */
export interface HttpClient {
  exchange(call: HttpCall): Promise<HttpOutcome>
  close(): void
}

const HEADERS_MAX_BYTES = 16_384
const SOCKETS_MAX = 32

/**
 * Over node:http(s): TLS is verified, no proxy of the environment is used, no connection is kept
 * for another request. A kept one may be closed by the upstream just when it is used again, and
 * then nobody could tell whether the request was read.
 */
export class NodeHttpClient implements HttpClient {
  readonly #plain = new PlainAgent({ keepAlive: false, maxSockets: SOCKETS_MAX })
  readonly #tls = new TlsAgent({
    keepAlive: false,
    maxSockets: SOCKETS_MAX,
    rejectUnauthorized: true,
  })

  async exchange(call: HttpCall): Promise<HttpOutcome> {
    const secure = call.url.protocol === 'https:'
    const options: RequestOptions = {
      method: call.method,
      headers: { ...call.headers },
      maxHeaderSize: HEADERS_MAX_BYTES,
      agent: secure ? this.#tls : this.#plain,
    }
    return await new Promise<HttpOutcome>((resolve) => {
      let connected = false
      const request = (secure ? tlsRequest : plainRequest)(call.url, options)
      const timer = setTimeout(() => finish(lostOr(connected, 'timeout')), call.timeout_ms)
      const finish = (outcome: HttpOutcome): void => {
        clearTimeout(timer)
        resolve(outcome)
        request.destroy()
      }
      request.on('socket', (socket) => {
        socket.once(secure ? 'secureConnect' : 'connect', () => {
          connected = true
        })
      })
      request.on('error', () => finish(lostOr(connected, 'connection_lost')))
      request.on('response', (response) => {
        const parts: Buffer[] = []
        let length = 0
        response.on('data', (part: Buffer) => {
          length += part.length
          parts.push(part)
          if (length > call.max_bytes) finish({ kind: 'lost', reason: 'answer_too_large' })
        })
        response.on('error', () => finish({ kind: 'lost', reason: 'connection_lost' }))
        response.on('close', () => {
          const status = response.statusCode ?? 0
          finish(
            response.complete
              ? { kind: 'answered', status, body: Buffer.concat(parts) }
              : { kind: 'lost', reason: 'connection_lost' },
          )
        })
      })
      request.end(call.body)
    })
  }

  close(): void {
    this.#plain.destroy()
    this.#tls.destroy()
  }
}

function lostOr(connected: boolean, reason: 'timeout' | 'connection_lost'): HttpOutcome {
  return connected ? { kind: 'lost', reason } : { kind: 'not_sent' }
}
