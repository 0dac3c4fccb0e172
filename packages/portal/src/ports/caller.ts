import { parseJson, type Shape } from '@trustgw/protocol'
import { problemShape } from './shapes.ts'

const ANSWER_MAX_BYTES = 64 * 1024 * 1024
const ANSWER_TIMEOUT_MS = 20_000

/**
 * `code` is the host's stable code, or `offline` (no answer: what was asked may have happened),
 * or `unreadable` (an answer that is not what the contract says; it is not used).
 */
export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: string; readonly title: string }

interface Call<T> {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: object
  readonly shape: Shape<T>
}

/** Asks for the passkey once where a call takes it, and sends the call once more. */
export class Caller {
  #ask: (() => Promise<boolean>) | undefined
  readonly #ticket: string | undefined

  /** With a ticket in place of the session's cookie, where there is none. */
  constructor(ticket?: string) {
    this.#ticket = ticket
  }

  readonly onStepUpNeeded = (ask: () => Promise<boolean>): void => {
    this.#ask = ask
  }

  readonly get = <T>(path: string, shape: Shape<T>): Promise<Answer<T>> =>
    this.#call({ method: 'GET', path, shape })

  readonly post = <T>(path: string, body: object, shape: Shape<T>): Promise<Answer<T>> =>
    this.#call({ method: 'POST', path, body, shape })

  readonly remove = <T>(path: string, body: object, shape: Shape<T>): Promise<Answer<T>> =>
    this.#call({ method: 'DELETE', path, body, shape })

  async #call<T>(request: Call<T>): Promise<Answer<T>> {
    const answer = await call(request, this.#ticket)
    if (answer.ok || answer.code !== 'step_up_required') return answer
    return (await this.#ask?.()) === true ? await call(request, this.#ticket) : answer
  }
}

async function call<T>(request: Call<T>, ticket?: string): Promise<Answer<T>> {
  let text: string
  let good: boolean
  try {
    const response = await fetch(request.path, {
      method: request.method,
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      headers: {
        ...(ticket === undefined ? {} : { authorization: `Bearer ${ticket}` }),
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    })
    text = await response.text()
    good = response.ok
  } catch {
    return { ok: false, code: 'offline', title: 'The server did not answer' }
  }
  return good ? read(text, request.shape) : problem(text)
}

function read<T>(text: string, shape: Shape<T>): Answer<T> {
  const parsed = parseJson(text === '' ? 'null' : text, { maxBytes: ANSWER_MAX_BYTES })
  const value = parsed.ok ? shape.read(parsed.value) : parsed
  if (value.ok) return value
  const where = value.detail === undefined ? '' : ` (${value.detail})`
  return { ok: false, code: 'unreadable', title: `The server’s answer could not be read${where}` }
}

function problem(text: string): Answer<never> {
  const parsed = read(text, problemShape)
  return parsed.ok
    ? { ok: false, ...parsed.value }
    : { ok: false, code: 'offline', title: 'The server did not answer as expected' }
}
