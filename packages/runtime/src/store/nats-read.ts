import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { BusFault } from '../bus/bus.ts'
import { natsFault } from '../bus/nats-fault.ts'
import {
  type ApiAnswer,
  apiRefusal,
  asRecord,
  isUnavailable,
  malformed,
  NO_MESSAGE_FOUND,
  parseApiAnswer,
  sequenceOf,
} from './js-api.ts'
import type { StoredMessage } from './stored-reader.ts'

/** How long one read of a store waits. */
export const READ_TIMEOUT_MS = 5_000
/** How long a read of a replicated stream is tried: longer than the choice of a new leader. */
export const READ_BUDGET_MS = 12_000
const READ_TRY_MS = 3_000
const READ_PAUSE_MS = 150
/** Messages asked for in one page of a listing. */
export const LIST_PAGE_MESSAGES = 256

/** A stream of another account: its connection, API prefix and name. */
export interface StreamRef {
  readonly nc: NatsConnection
  /** The only prefix on which the server lets this identity listen for answers. */
  readonly inboxPrefix: string
  readonly api: string
  readonly stream: string
  /** It lies on several servers: only its leader's word is new, and for a while there may be none. */
  readonly replicated: boolean
}

/** A message as stored, and whether it is a removal marker. */
export interface RawMessage extends StoredMessage {
  readonly tombstone: boolean
}

type DirectQuery = { readonly seq: number } | { readonly last_by_subj: string }

/** Reads one message; `last_by_subj` may have wildcards. */
export async function getMessage(
  ref: StreamRef,
  query: DirectQuery,
): Promise<RawMessage | undefined> {
  if (ref.replicated) return await leaderGet(ref, query)
  return directAnswer(await ask(ref, `DIRECT.GET.${ref.stream}`, query))
}

/** The last message of one subject: directly, by the form whose permission names the subject. */
export async function getSubject(ref: StreamRef, subject: string): Promise<RawMessage | undefined> {
  if (ref.replicated) return await leaderGetSubject(ref, subject)
  const found = directAnswer(await ask(ref, `DIRECT.GET.${ref.stream}.${subject}`, undefined))
  if (found !== undefined && found.subject !== subject) throw malformed('another subject')
  return found
}

/** The last message of one subject, read from the stream's leader: never stale. */
export async function leaderGetSubject(
  ref: StreamRef,
  subject: string,
): Promise<RawMessage | undefined> {
  const found = await leaderGet(ref, { last_by_subj: subject })
  if (found !== undefined && found.subject !== subject) throw malformed('message')
  return found
}

async function leaderGet(ref: StreamRef, query: DirectQuery): Promise<RawMessage | undefined> {
  const answer = await leaderAnswer(ref, query)
  const refusal = apiRefusal(answer)
  if (refusal?.code === NO_MESSAGE_FOUND) return undefined
  if (refusal !== undefined)
    throw new BusFault('store_unreachable', `${ref.stream} ${refusal.code}`)
  const message = asRecord(answer['message'])
  const subject = textOf(message?.['subject'])
  if (message === undefined || subject === '') throw malformed('message')
  const operation = Buffer.from(textOf(message['hdrs']), 'base64').toString('latin1')
  return {
    subject,
    seq: sequenceOf(message['seq']),
    data: new Uint8Array(Buffer.from(textOf(message['data']), 'base64')),
    tombstone: /^KV-Operation: *(?:DEL|PURGE)\r?$/m.test(operation),
  }
}

/** While a replicated stream has no leader, it is asked again. */
async function leaderAnswer(ref: StreamRef, query: DirectQuery): Promise<ApiAnswer> {
  const read = async (): Promise<ApiAnswer> =>
    parseApiAnswer((await ask(ref, `STREAM.MSG.GET.${ref.stream}`, query)).data)
  if (!ref.replicated) return await read()
  const deadline = performance.now() + READ_BUDGET_MS
  for (;;) {
    try {
      const answer = await read()
      const refusal = apiRefusal(answer)
      const isOpen = refusal !== undefined && isUnavailable(refusal)
      if (!isOpen || performance.now() > deadline) return answer
    } catch (error) {
      const isOpen = error instanceof BusFault && AGAIN.has(error.code)
      if (!isOpen || performance.now() > deadline) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, READ_PAUSE_MS))
  }
}

const AGAIN: ReadonlySet<string> = new Set(['bus_no_responders', 'bus_timeout', 'bus_unreachable'])

/** The configuration that the stream has now. */
export async function streamConfig(ref: StreamRef): Promise<ApiAnswer> {
  const answer = parseApiAnswer((await ask(ref, `STREAM.INFO.${ref.stream}`, undefined)).data)
  const refusal = apiRefusal(answer)
  if (refusal !== undefined)
    throw new BusFault('store_unreachable', `${ref.stream} ${refusal.code}`)
  const config = asRecord(answer['config'])
  if (config === undefined || config['name'] !== ref.stream) throw malformed('stream configuration')
  return config
}

export interface Page {
  readonly messages: readonly RawMessage[]
  readonly more: boolean
}

/**
 * The stored messages that match `filter`, from sequence `from` on, in order. Read by sequence
 * instead of "last of each subject" since the server answers that for at most 1,024 subjects.
 */
export async function directPage(ref: StreamRef, filter: string, from: number): Promise<Page> {
  const inbox = createInbox(ref.inboxPrefix)
  const messages: RawMessage[] = []
  const done = deferred<boolean>()
  const timer = setTimeout(() => {
    done.reject(new BusFault('bus_timeout', `list ${ref.stream}`))
  }, READ_TIMEOUT_MS)
  const subscription = ref.nc.subscribe(inbox, {
    callback: (error, message) => {
      try {
        if (error !== null) throw natsFault(error, inbox)
        const end = endOfBatch(message)
        if (end === undefined) messages.push(rawMessage(message))
        else done.resolve(end.more)
      } catch (fault) {
        done.reject(natsFault(fault, ref.stream))
      }
    },
  })
  try {
    const query = { batch: LIST_PAGE_MESSAGES, seq: from, next_by_subj: filter }
    ref.nc.publish(`${ref.api}.DIRECT.GET.${ref.stream}`, JSON.stringify(query), { reply: inbox })
    const more = await done.promise
    return { messages, more }
  } finally {
    clearTimeout(timer)
    subscription.unsubscribe()
  }
}

async function ask(ref: StreamRef, what: string, query: object | undefined): Promise<Msg> {
  const subject = `${ref.api}.${what}`
  try {
    const body = query === undefined ? '' : JSON.stringify(query)
    const timeout = ref.replicated ? READ_TRY_MS : READ_TIMEOUT_MS
    return await ref.nc.request(subject, body, { timeout })
  } catch (error) {
    throw natsFault(error, subject)
  }
}

function directAnswer(message: Msg): RawMessage | undefined {
  const code = message.headers?.code ?? 0
  if (code === 404) return undefined
  if (code !== 0) throw new BusFault('store_unreachable', `direct get answered ${code}`)
  return rawMessage(message)
}

function endOfBatch(message: Msg): { readonly more: boolean } | undefined {
  const code = message.headers?.code ?? 0
  if (code === 0) return undefined
  if (code === 404) return { more: false }
  if (code === 503) throw new BusFault('bus_no_responders', 'direct get')
  if (code !== 204) throw new BusFault('store_unreachable', `direct get answered ${code}`)
  return { more: message.headers?.get('Nats-Num-Pending') !== '0' }
}

function rawMessage(message: Msg): RawMessage {
  const subject = message.headers?.get('Nats-Subject') ?? ''
  if (subject === '') throw malformed('message without a subject')
  const operation = message.headers?.get('KV-Operation') ?? ''
  return {
    subject,
    seq: sequenceOf(message.headers?.get('Nats-Sequence')),
    data: message.data,
    tombstone: operation === 'DEL' || operation === 'PURGE',
  }
}

function textOf(value: unknown): string {
  if (value === undefined) return ''
  if (typeof value !== 'string') throw malformed('message member')
  return value
}

interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: Error): void
}

function deferred<T>(): Deferred<T> {
  let settle: { resolve(value: T): void; reject(error: Error): void } | undefined
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return {
    promise,
    resolve: (value) => settle?.resolve(value),
    reject: (error) => settle?.reject(error),
  }
}
