import { alarm, care, type Finding } from './finding.ts'

/** The URL standard's own parser, as browsers and Node have it. */
declare const URL: { new (text: string): WebUrl; canParse(text: string): boolean }

/** What is read of a URL. */
export interface WebUrl {
  readonly hostname: string
  readonly port: string
  readonly username: string
  readonly password: string
  readonly pathname: string
}

/** A host as every browser would reach it. */
export interface Host {
  /** In ASCII: `xn--…` for another alphabet. */
  readonly name: string
  readonly findings: readonly Finding[]
}

const PRIVATE_V4: readonly (readonly [RegExp, string])[] = [
  [/^127\./, 'this computer itself'],
  [/^0\./, 'this computer itself'],
  [/^169\.254\.169\.254$/, 'the metadata service of a cloud, which hands out credentials'],
  [/^169\.254\./, 'a link-local address'],
  [/^10\./, 'a private network'],
  [/^192\.168\./, 'a private network'],
  [/^172\.(?:1[6-9]|2\d|3[01])\./, 'a private network'],
  [/^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./, 'a private network'],
]
const PRIVATE_V6: readonly (readonly [RegExp, string])[] = [
  [/^\[::1?\]$/, 'this computer itself'],
  [/^\[::ffff:/, 'an IPv4 address in disguise'],
  [/^\[fe[89ab]/, 'a link-local address'],
  [/^\[f[cd]/, 'a private network'],
]
const PRIVATE_NAME = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home|corp|localdomain)\.?$/
const IPV4 = /^\d+\.\d+\.\d+\.\d+$/

/** Reads a host the way the URL standard does; undefined for what is no host. */
export function hostOf(written: string): Host | undefined {
  const url = parseUrl(`http://${written}/`)
  if (url === undefined || url.hostname === '' || url.username !== '') return undefined
  return hostOfUrl(url, written)
}

/** `written` is how the text has it. */
export function hostOfUrl(url: WebUrl, written: string): Host {
  const name = url.hostname
  const findings: Finding[] = []
  const ip = IPV4.test(name) || name.startsWith('[')
  const near = nearness(name)
  if (ip) {
    const what = near === undefined ? '' : `: ${near}`
    findings.push(
      near === undefined
        ? care(`A bare IP address, ${name}, instead of a name`)
        : alarm(`The address ${name}${what}`),
    )
  } else if (PRIVATE_NAME.test(name) || !name.includes('.')) {
    findings.push(care(`“${name}” is a name inside a network, not on the internet`))
  }
  if (name.split('.').some((label) => label.startsWith('xn--'))) {
    findings.push(alarm(`The host has letters of another alphabet: its real name is ${name}`))
  }
  if (!ip && !isWrittenAs(written, name)) {
    findings.push(alarm(`The host is written as “${written}” and read as ${name}`))
  } else if (ip && written.toLowerCase() !== name) {
    findings.push(alarm(`The address is written as “${written}” and read as ${name}`))
  }
  return { name, findings }
}

function nearness(name: string): string | undefined {
  const table = name.startsWith('[') ? PRIVATE_V6 : PRIVATE_V4
  return table.find(([pattern]) => pattern.test(name))?.[1]
}

/** Another alphabet is said apart. */
function isWrittenAs(written: string, name: string): boolean {
  return written.toLowerCase() === name || name.includes('xn--')
}

export function parseUrl(text: string): WebUrl | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}
