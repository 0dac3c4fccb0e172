/**
 * Host names in their one ASCII form (UTS 46 and RFC 3492, for the part of Unicode where both are
 * the identity). What would need a mapping table is no name here, so the judgement is unknown: the
 * answer cannot depend on which tables a machine has.
 */

const LABEL_MAX_CHARS = 63
const NAME_MAX_CHARS = 253

/**
 * Letters, marks and digits that IDNA maps to themselves on every version since Unicode 5.0: Latin,
 * Greek, Cyrillic, Armenian, Hebrew, Arabic, Devanagari, Thai, Hangul syllables, kana, Han. Left
 * out: the deviations (sharp s, final sigma, joiners) and everything with a compatibility form.
 */
const STABLE =
  /^[a-z0-9\u00e0-\u00f6\u00f8-\u00ff\u0101-\u0131\u0135-\u0137\u013a-\u013e\u0142-\u0148\u014b-\u017e\u0390\u03ac-\u03c1\u03c3-\u03ce\u0430-\u045f\u0561-\u0586\u05d0-\u05ea\u0621-\u063a\u0641-\u064a\u0904-\u0939\u0e01-\u0e30\u0e32\u3041-\u3094\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3-]+$/
/** One label from one script, so that a Cyrillic letter never stands among Latin ones. */
const SCRIPTS: readonly RegExp[] = [
  /^[a-z0-9\u00e0-\u017e-]+$/,
  /^[0-9\u0390-\u03ce-]+$/,
  /^[0-9\u0430-\u045f-]+$/,
  /^[0-9\u0561-\u0586-]+$/,
  /^[0-9\u05d0-\u05ea-]+$/,
  /^[0-9\u0621-\u064a-]+$/,
  /^[0-9\u0904-\u0939-]+$/,
  /^[0-9\u0e01-\u0e32-]+$/,
  /^[a-z0-9\u3041-\u30fa\u4e00-\u9fa5-]+$/,
  /^[0-9\uac00-\ud7a3\u4e00-\u9fa5-]+$/,
]
const ASCII_LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/

const BASE = 36
const T_MIN = 1
const T_MAX = 26
const SKEW = 38
const DAMP = 700

function adapt(delta: number, points: number, isFirst: boolean): number {
  let left = Math.floor(delta / (isFirst ? DAMP : 2))
  left += Math.floor(left / points)
  let k = 0
  while (left > ((BASE - T_MIN) * T_MAX) / 2) {
    left = Math.floor(left / (BASE - T_MIN))
    k += BASE
  }
  return k + Math.floor(((BASE - T_MIN + 1) * left) / (left + SKEW))
}

const digit = (value: number): string => String.fromCharCode(value < 26 ? 97 + value : 22 + value)

function variableLength(delta: number, bias: number): string {
  let text = ''
  let left = delta
  for (let k = BASE; ; k += BASE) {
    const t = Math.min(Math.max(k - bias, T_MIN), T_MAX)
    if (left < t) return text + digit(left)
    text += digit(t + ((left - t) % (BASE - t)))
    left = Math.floor((left - t) / (BASE - t))
  }
}

/** RFC 3492 §6.3. */
function punycode(label: string): string {
  const points = Array.from(label, (char) => char.codePointAt(0) ?? 0)
  const basic = points.filter((point) => point < 0x80)
  let text = String.fromCharCode(...basic) + (basic.length > 0 ? '-' : '')
  let next = 0x80
  let delta = 0
  let bias = 72
  let done = basic.length
  while (done < points.length) {
    const lowest = Math.min(...points.filter((point) => point >= next))
    delta += (lowest - next) * (done + 1)
    next = lowest
    for (const point of points) {
      if (point < next) delta++
      if (point !== next) continue
      text += variableLength(delta, bias)
      bias = adapt(delta, done + 1, done === basic.length)
      delta = 0
      done++
    }
    delta++
    next++
  }
  return text
}

function asciiLabel(written: string): string | null {
  const label = written.replace(/[A-Z]/g, (char) => char.toLowerCase())
  if (ASCII_LABEL.test(label)) return label.length <= LABEL_MAX_CHARS ? label : null
  if (label.length > LABEL_MAX_CHARS || !STABLE.test(label)) return null
  if (!SCRIPTS.some((script) => script.test(label)) || label.normalize('NFC') !== label) return null
  if (label.toLowerCase() !== label) return null
  if (label.startsWith('-') || label.endsWith('-') || label.slice(2, 4) === '--') return null
  const encoded = `xn--${punycode(label)}`
  return encoded.length <= LABEL_MAX_CHARS ? encoded : null
}

/**
 * The ASCII form of a host name: lower case, `xn--` for what is not ASCII. Null for what is none
 * (an address, an empty label, a final dot) and for what only a mapping table could judge.
 */
export function asciiHostName(written: string): string | null {
  if (written.length > NAME_MAX_CHARS) return null
  const labels: string[] = []
  for (const part of written.split('.')) {
    const label = asciiLabel(part)
    if (label === null) return null
    labels.push(label)
  }
  // A last label that is a number makes the whole an IPv4 address to a URL parser.
  const last = labels.at(-1) ?? ''
  if (/^(?:[0-9]+|0x[0-9a-f]*)$/.test(last)) return null
  const name = labels.join('.')
  return name.length <= NAME_MAX_CHARS ? name : null
}

/** `example.com` itself, `*.example.com` everything below it. */
export interface NamePattern {
  readonly name: string
  readonly below: boolean
}

/** A name or `*.name`, in ASCII form; null for anything else. */
export function parseNamePattern(text: string): NamePattern | null {
  const below = text.startsWith('*.')
  const name = asciiHostName(below ? text.slice(2) : text)
  return name === null ? null : { name, below }
}

export function matchesName(host: string, { name, below }: NamePattern): boolean {
  return below ? host.endsWith(`.${name}`) : host === name
}
