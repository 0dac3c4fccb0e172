/** Longest subject that the bus carries here; the server's control line allows 4 KiB. */
export const SUBJECT_MAX_BYTES = 512

const SUBJECT = /^[^\s.*>\p{Cc}]+(?:\.[^\s.*>\p{Cc}]+)*$/u

/** Whether a subject names one place: no wildcard, no empty token, no whitespace. */
export function isLiteralSubject(subject: string): boolean {
  return Buffer.byteLength(subject) <= SUBJECT_MAX_BYTES && SUBJECT.test(subject)
}

/** Whether `subject` is matched by `filter` with `*` (one token) and `>` (one or more at the end). */
export function subjectMatches(filter: string, subject: string): boolean {
  const want = filter.split('.')
  const have = subject.split('.')
  for (const [index, token] of want.entries()) {
    if (token === '>') return have.length > index
    const actual = have[index]
    if (actual === undefined) return false
    if (token !== '*' && token !== actual) return false
  }
  return want.length === have.length
}
