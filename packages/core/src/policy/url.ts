/**
 * The part of URLs on which every parser agrees (a strict subset of the WHATWG URL Standard): what
 * a lenient parser would repair (white space, backslashes, one slash, numbers as hosts,
 * percent-encoded hosts) is no URL here, so the judgement is unknown.
 */
import { hasControl } from './characters.ts'
import { asciiHostName } from './host-name.ts'
import { type Address, isPrivate, parseIpv4, parseIpv6 } from './ip.ts'

const URL_MAX_CHARS = 8_192
/** Schemes whose authority is a host by the standard. */
export const HOST_SCHEMES: ReadonlySet<string> = new Set(['http', 'https', 'ws', 'wss', 'ftp'])

export interface UrlHost {
  /** ASCII name, or an address in brackets or dots as it was written. */
  readonly name: string
  readonly address: Address | null
  /** A literal of, or a name for, what is not public. */
  readonly isPrivate: boolean
}

/** The scheme, lower case; null when the text does not begin with one or holds odd characters. */
export function schemeOf(text: string): string | null {
  if (text.length > URL_MAX_CHARS || hasControl(text) || /[\s\\]/.test(text)) return null
  return /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase() ?? null
}

/**
 * The host of a URL; null for anything that is not plainly one. Credentials and percent signs are in
 * no host name, so a URL that has them in its authority is none.
 */
export function hostOf(text: string): UrlHost | null {
  const scheme = schemeOf(text)
  if (scheme === null || !HOST_SCHEMES.has(scheme)) return null
  const rest = text.slice(scheme.length + 1)
  const authority = /^\/\/([^/?#]+)/.exec(rest)?.[1]
  if (authority === undefined) return null
  const split = /^(\[[^\]]*\]|[^:[\]]+)(?::([0-9]{1,5}))?$/.exec(authority)
  if (split === null || Number(split[2] ?? 0) > 65_535) return null
  return readHost(split[1] ?? '')
}

/** A host as a URL writes it: a name, an IPv4 address, or an IPv6 address in brackets. */
export function readHost(written: string): UrlHost | null {
  const address = written.startsWith('[') ? parseIpv6(written.slice(1, -1)) : parseIpv4(written)
  if (address !== null) return { name: written, address, isPrivate: isPrivate(address) }
  const name = asciiHostName(written)
  if (name === null) return null
  return { name, address: null, isPrivate: name === 'localhost' || name.endsWith('.localhost') }
}
