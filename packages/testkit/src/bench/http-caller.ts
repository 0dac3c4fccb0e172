import { Agent, type IncomingHttpHeaders, request } from 'node:http'

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

const CALL_TIMEOUT_MS = 30_000

/** One keep-alive connection for each client. Every arm is called through this, so that its own cost is the same for all. */
export class HttpCaller {
  readonly #agent: Agent
  readonly #url: URL

  constructor(origin: string, connections: number) {
    this.#url = new URL(origin)
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: connections,
      maxFreeSockets: connections,
    })
  }

  post(path: string, body: string, headers: Readonly<Record<string, string>>): Promise<HttpAnswer> {
    const { hostname, port } = this.#url
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: hostname,
          port,
          path,
          method: 'POST',
          agent: this.#agent,
          timeout: CALL_TIMEOUT_MS,
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            ...headers,
          },
        },
        (answer) => {
          const chunks: Buffer[] = []
          answer.on('data', (chunk: Buffer) => chunks.push(chunk))
          answer.on('error', reject)
          answer.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8')
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text })
          })
        },
      )
      outgoing.on('timeout', () => outgoing.destroy(new Error('the call took too long')))
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}
