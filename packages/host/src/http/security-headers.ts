/** Where the portal's live connection goes, as in `connect-src`. */
export interface HeaderSettings {
  readonly busUrl: string
  readonly secure: boolean
}

/** A year without plain HTTP, for this host alone (RFC 6797 §6.1). */
const HSTS = 'max-age=31536000'

const NOTHING_ELSE = ["frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]

/** On every answer of the portal. Nothing inline, nothing from elsewhere, never framed. */
export function securityHeaders(settings: HeaderSettings): ReadonlyMap<string, string> {
  const csp = [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "manifest-src 'self'",
    `connect-src 'self' ${settings.busUrl}`,
    ...NOTHING_ELSE,
  ].join('; ')
  const passkeys = 'publickey-credentials-get=(self), publickey-credentials-create=(self)'
  return headersWith(csp, passkeys, settings.secure)
}

/** On every answer of the origin of approvals: no bus, no worker, no new passkey either. */
export function approvalPageHeaders({
  secure,
}: Pick<HeaderSettings, 'secure'>): ReadonlyMap<string, string> {
  const csp = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
    ...NOTHING_ELSE,
  ].join('; ')
  const passkeys = 'publickey-credentials-get=(self), publickey-credentials-create=()'
  return headersWith(csp, passkeys, secure)
}

function headersWith(csp: string, passkeys: string, secure: boolean): ReadonlyMap<string, string> {
  return new Map([
    ['Content-Security-Policy', csp],
    ['X-Content-Type-Options', 'nosniff'],
    ['Referrer-Policy', 'no-referrer'],
    ['Cross-Origin-Opener-Policy', 'same-origin'],
    ['Cross-Origin-Resource-Policy', 'same-origin'],
    ['X-Frame-Options', 'DENY'],
    ['Permissions-Policy', `${passkeys}, camera=(), microphone=(), geolocation=()`],
    ...(secure ? ([['Strict-Transport-Security', HSTS]] as const) : []),
  ])
}
