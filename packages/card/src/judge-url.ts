import { alarm, care, type Finding, note } from './finding.ts'
import { hostOfUrl, parseUrl, type WebUrl } from './hosts.ts'

/** Where a text leads, when something follows it. */
export interface UrlView {
  /** Null for schemes without a host. */
  readonly host: string | null
  readonly scheme: string
  readonly findings: readonly Finding[]
}

const SCHEME = /^\s*([a-z][a-z0-9+.-]{1,20}):/i
const RUNS = new Set(['javascript', 'data', 'vbscript', 'blob'])
const WEB = new Set(['https', 'http', 'wss', 'ws', 'ftp'])
/** Letters that a browser drops from a URL, or reads as others. */
const DROPPED = /[\t\r\n\\]|^\s|\s$/
const EMBEDDED = /\b(?:https?|ftp|wss?):\/\/[^\s"'<>()[\]{}|^`]+/gi
const EMBEDDED_MAX = 20

/** A whole text that is a URL; undefined for any other. */
export function judgeUrl(text: string): UrlView | undefined {
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) return undefined
  if (RUNS.has(scheme)) {
    return {
      host: null,
      scheme,
      findings: [alarm(`“${scheme}:” carries code or data, no address`)],
    }
  }
  if (!/^\s*[^:]*:[/\\]{2}/.test(text) || /\s/.test(text.trim())) return undefined
  const url = parseUrl(text)
  if (url === undefined) {
    return {
      host: null,
      scheme,
      findings: [alarm('Looks like a URL, and no browser could read it')],
    }
  }
  return WEB.has(scheme) ? webView(url, text, scheme) : otherView(url, scheme)
}

/** The hosts of links inside a longer text, each once. */
export function hostsWithin(text: string): readonly string[] {
  const hosts = (text.match(EMBEDDED) ?? []).slice(0, EMBEDDED_MAX).flatMap((link) => {
    const url = parseUrl(link)
    return url === undefined ? [] : [url.hostname]
  })
  return [...new Set(hosts)]
}

function webView(url: WebUrl, text: string, scheme: string): UrlView {
  const host = hostOfUrl(url, writtenHost(text))
  const findings: Finding[] = []
  if (url.username !== '' || url.password !== '') {
    findings.push(
      alarm(`“${url.username}” stands before an @: it is a user name, and not where this leads`),
    )
  }
  if (DROPPED.test(text))
    findings.push(alarm('Browsers read this URL otherwise than it is written'))
  findings.push(...host.findings)
  if (url.port !== '') findings.push(care(`On port ${url.port}, which is not the usual one`))
  if (scheme === 'http' || scheme === 'ws' || scheme === 'ftp') {
    findings.push(care(`“${scheme}:” is not encrypted: others can read and change it on the way`))
  }
  if (/%(?:2e|2f|5c|40|00)/i.test(url.pathname)) {
    findings.push(note('The path hides signs behind percent codes'))
  }
  return { host: host.name, scheme, findings }
}

function otherView(url: WebUrl, scheme: string): UrlView {
  const host = url.hostname === '' ? null : url.hostname
  return { host, scheme, findings: [care(`“${scheme}:” is no address on the web`)] }
}

/** The host as the text has it: after the last @ of the part before the path, without a port. */
function writtenHost(text: string): string {
  const rest = text.trim().replace(/^[^:]*:[/\\]*/, '')
  const authority = rest.split(/[/\\?#]/)[0] ?? ''
  const host = authority.slice(authority.lastIndexOf('@') + 1)
  return host.startsWith('[') ? host.replace(/\]:\d*$/, ']') : host.replace(/:\d*$/, '')
}
