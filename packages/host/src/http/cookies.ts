const SESSION_COOKIE = 'tg_session'
/** Longest Cookie header that is looked at. */
export const COOKIE_HEADER_MAX_CHARS = 16_384

export interface CookieSettings {
  readonly secure: boolean
}

/** With a prefix that no other host of the domain can set (RFC 6265bis §4.1.3.2), where there is TLS. */
export function sessionCookieName({ secure }: CookieSettings): string {
  return secure ? `__Host-${SESSION_COOKIE}` : SESSION_COOKIE
}

/**
 * The value of a cookie. A name that occurs twice counts as absent: which of the two a browser
 * meant is not known.
 */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined || header.length > COOKIE_HEADER_MAX_CHARS) return undefined
  const values = header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1))
  return values.length === 1 ? values[0] : undefined
}

/** A Set-Cookie value: never readable by scripts, never sent by another site. */
export function setCookie(
  name: string,
  value: string,
  maxAgeMs: number,
  settings: CookieSettings,
): string {
  const age = Math.max(0, Math.floor(maxAgeMs / 1_000))
  const secure = settings.secure ? '; Secure' : ''
  return `${name}=${value}; Path=/; Max-Age=${age}; HttpOnly; SameSite=Strict${secure}`
}

export function clearCookie(name: string, settings: CookieSettings): string {
  return setCookie(name, '', 0, settings)
}
