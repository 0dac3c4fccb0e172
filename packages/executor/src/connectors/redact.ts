/** What stands for something that must not be seen. */
export const REDACTED = '[redacted]'

/** Shorter secrets would blank ordinary words; credentials are longer (see the credentials file). */
const SECRET_MIN_CHARS = 8
const BEARER = /\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi
const API_KEY = /\btgk_[A-Za-z0-9_-]+/g
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** Takes known secrets, anything that looks like a bearer token, and control characters out. */
export function redactText(text: string, secrets: readonly string[]): string {
  let clean = text
  for (const secret of secrets) {
    if (secret.length < SECRET_MIN_CHARS) continue
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')])
      clean = clean.replaceAll(form, REDACTED)
  }
  return clean.replace(BEARER, REDACTED).replace(API_KEY, REDACTED).replace(CONTROL, ' ')
}

/** Whether a text carries one of the secrets as it is. */
export function holdsSecret(text: string, secrets: readonly string[]): boolean {
  return secrets.some((secret) => secret.length >= SECRET_MIN_CHARS && text.includes(secret))
}
