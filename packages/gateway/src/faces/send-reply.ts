import type { ServerResponse } from 'node:http'
import { PROBLEMS, type Reply } from './problem.ts'
import { SECURITY_HEADERS } from './request-guard.ts'

/** Answers that leave the request's rest unread: the connection is not used again. */
const ENDS_CONNECTION: ReadonlySet<number> = new Set([
  PROBLEMS.body_timeout.status,
  PROBLEMS.body_too_large.status,
])

/** Sends the reply; never rejects. A client that is gone gets nothing. */
export async function sendReply(
  response: ServerResponse,
  reply: Reply,
  gone: AbortSignal,
): Promise<void> {
  if (gone.aborted || response.headersSent) {
    await reply.web?.body?.cancel().catch(() => undefined)
    response.end()
    return
  }
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
  if (reply.web !== undefined) {
    await sendWeb(response, reply.web, gone)
    return
  }
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value)
  if (ENDS_CONNECTION.has(reply.status)) response.setHeader('connection', 'close')
  const text = reply.text ?? (reply.body === undefined ? '' : JSON.stringify(reply.body))
  response.statusCode = reply.status
  response.setHeader('content-length', Buffer.byteLength(text))
  response.end(text)
}

async function sendWeb(response: ServerResponse, web: Response, gone: AbortSignal): Promise<void> {
  response.statusCode = web.status
  for (const [name, value] of web.headers) {
    if (name !== 'connection') response.setHeader(name, value)
  }
  const reader = web.body?.getReader()
  if (reader === undefined) {
    response.end()
    return
  }
  const cancel = (): void => void reader.cancel().catch(() => undefined)
  gone.addEventListener('abort', cancel, { once: true })
  if (web.headers.get('content-type')?.startsWith('text/event-stream') === true) {
    response.flushHeaders()
  }
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done || gone.aborted) break
      if (!response.write(value)) await drained(response, gone)
    }
  } catch {
    // The face gave up the stream; what was sent stands and the connection ends with it.
    response.destroy()
  } finally {
    gone.removeEventListener('abort', cancel)
    response.end()
  }
}

function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off('drain', go)
      gone.removeEventListener('abort', go)
      resolve()
    }
    response.once('drain', go)
    gone.addEventListener('abort', go, { once: true })
    if (gone.aborted) go()
  })
}
