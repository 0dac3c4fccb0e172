import { isJsonType } from './body.ts'
import { type Refused, refused } from './problem.ts'

const READING = new Set(['GET', 'HEAD'])
const WRITING = new Set(['POST', 'DELETE'])

export interface GuardSettings {
  /** The one origin, as browsers write it. */
  readonly origin: string
  /** What the Host header must say. */
  readonly authority: string
}

/** What is judged before anything of a request is used. */
export interface RequestHead {
  readonly method: string
  readonly path: string
  /** In lower case; undefined: none, or more than one. */
  readonly host: string | undefined
  readonly header: (name: string) => string | null
}

/**
 * Refuses, in order: a Host header that is not ours (DNS rebinding), a method that nothing here
 * takes, a writing request whose Origin is not ours or that is not JSON, and a call of the API
 * that the browser says another site made. The health check answers under any name: it says
 * nothing and it is asked by number.
 */
export function guardRequest(head: RequestHead, settings: GuardSettings): Refused | undefined {
  const isHealth = head.path === '/health'
  if (!isHealth && head.host !== settings.authority) {
    return refused('host_refused', `Open ${settings.origin}`)
  }
  // A provider of a chat is no browser: it proves itself by a secret or a signature.
  const isHook = head.method === 'POST' && /^\/channels\/[a-z]+$/.test(head.path)
  if (isHook) return undefined
  if (WRITING.has(head.method)) return guardWriting(head, settings)
  if (!READING.has(head.method)) return refused('method_not_allowed')
  return head.path.startsWith('/api/') ? guardSite(head) : undefined
}

function guardWriting(head: RequestHead, settings: GuardSettings): Refused | undefined {
  if (head.header('origin') !== settings.origin) return refused('origin_refused')
  const fromElsewhere = guardSite(head)
  if (fromElsewhere !== undefined) return fromElsewhere
  return isJsonType(head.header('content-type')) ? undefined : refused('content_type_refused')
}

function guardSite(head: RequestHead): Refused | undefined {
  const site = head.header('sec-fetch-site')
  return site === null || site === 'same-origin' || site === 'none'
    ? undefined
    : refused('origin_refused')
}
