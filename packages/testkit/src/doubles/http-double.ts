import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

const BODY_MAX_BYTES = 1_048_576

/** What a provider's double does with the calls that come next. */
export type Weather =
  | { readonly kind: 'fine' }
  /** The connection ends without an answer, and nothing was done. */
  | { readonly kind: 'down' }
  /** The call is done, and the connection ends before the answer. */
  | { readonly kind: 'deaf'; readonly calls: number }
  | { readonly kind: 'throttled'; readonly calls: number; readonly seconds: number }

export interface DoubleCall {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface DoubleAnswer {
  readonly status: number
  readonly headers?: { readonly [name: string]: string }
  readonly json: object
}

/** A provider's HTTP on loopback, with its outages. */
export class HttpDouble {
  weather: Weather = { kind: 'fine' }
  readonly #server: Server
  #port = 0

  constructor(
    answer: (call: DoubleCall) => DoubleAnswer | Promise<DoubleAnswer>,
    throttled: (seconds: number) => DoubleAnswer,
  ) {
    this.#server = createServer((request, response) => {
      this.#handle(request, response, answer, throttled).catch(() => response.destroy())
    })
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const address = this.#server.address()
    this.#port = typeof address === 'object' && address !== null ? address.port : 0
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #handle(
    request: IncomingMessage,
    response: ServerResponse,
    answer: (call: DoubleCall) => DoubleAnswer | Promise<DoubleAnswer>,
    throttled: (seconds: number) => DoubleAnswer,
  ): Promise<void> {
    const body = await bodyOf(request)
    const { weather } = this
    if (weather.kind === 'down') {
      response.destroy()
      return
    }
    const path = request.url ?? ''
    if (weather.kind === 'throttled' && !path.endsWith('/getUpdates')) {
      this.#spend(weather)
      write(response, throttled(weather.seconds))
      return
    }
    const said = await answer({ path, headers: request.headers, body })
    if (weather.kind === 'deaf' && !path.endsWith('/getUpdates')) {
      this.#spend(weather)
      response.destroy()
      return
    }
    write(response, said)
  }

  #spend(weather: Extract<Weather, { readonly calls: number }>): void {
    const calls = weather.calls - 1
    this.weather = calls > 0 ? { ...weather, calls } : { kind: 'fine' }
  }
}

function write(response: ServerResponse, { status, headers, json }: DoubleAnswer): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(json))
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request) {
    if (!(part instanceof Buffer)) continue
    length += part.length
    if (length > BODY_MAX_BYTES) throw new Error('body')
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}
