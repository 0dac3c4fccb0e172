import type { Requester } from './bus.ts'

/**
 * The one header that the server itself writes at an account boundary. Only this exact spelling:
 * the server replaces a forged one, but lets another letter case of it pass.
 */
export const REQUEST_INFO_HEADER = 'Nats-Request-Info'

const ACCOUNT_KEY = /^A[A-Z2-7]{55}$/
const USER_KEY = /^U[A-Z2-7]{55}$/
const REQUEST_INFO_MAX_CHARS = 64 * 1024

/**
 * Reads the server's statement of who asked. Takes three members and drops the rest (it may hold the
 * requester's whole JWT, which is never passed on). `undefined` when absent or not as the server
 * writes it. A `user` that is not an nkey is left out.
 */
export function parseRequester(header: string): Requester | undefined {
  if (header === '' || header.length > REQUEST_INFO_MAX_CHARS) return undefined
  const info = parseObject(header)
  if (info === undefined) return undefined
  const account = info['acc']
  if (typeof account !== 'string' || !ACCOUNT_KEY.test(account)) return undefined
  const user = info['user']
  const name = info['name_tag'] ?? info['name']
  return {
    account,
    ...(typeof user === 'string' && USER_KEY.test(user) ? { user } : {}),
    ...(typeof name === 'string' && name !== '' ? { name } : {}),
  }
}

function parseObject(text: string): { readonly [member: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return Object.fromEntries(Object.entries(value))
  } catch {
    return undefined
  }
}
