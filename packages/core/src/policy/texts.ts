/** Kinds of text that predicates judge lexically: paths and mail addresses. */
import { hasControl } from './characters.ts'
import { asciiHostName } from './host-name.ts'

const PATH_MAX_CHARS = 4_096
const ADDRESS_MAX_CHARS = 254

/**
 * An absolute POSIX path without `.`, `..` and doubled slashes; null for a relative one and for
 * what could mean something else elsewhere (backslashes, control characters). Symbolic links are
 * the executor's.
 */
export function normalPath(text: string): string | null {
  if (!text.startsWith('/') || text.length > PATH_MAX_CHARS) return null
  if (hasControl(text) || text.includes('\\')) return null
  const parts: string[] = []
  for (const part of text.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

export function isBelow(path: string, base: string): boolean {
  return path === base || base === '/' || path.startsWith(`${base}/`)
}

/** The domain, in ASCII form, of one plain address; null for lists, names, quotes and comments. */
export function mailDomain(text: string): string | null {
  if (text.length > ADDRESS_MAX_CHARS) return null
  const domain = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([^@]+)$/.exec(text)?.[1]
  return domain === undefined ? null : asciiHostName(domain)
}
