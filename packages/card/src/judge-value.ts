import type { ArgumentRow } from './arguments.ts'
import { disguiseOf } from './confusable.ts'
import { alarm, care, type Finding, note } from './finding.ts'
import { hardenText } from './harden.ts'
import { hostOf } from './hosts.ts'
import { blobWords, ibanFinding, momentWords } from './judge-forms.ts'
import { hostsWithin, judgeUrl } from './judge-url.ts'

export type ValueKind = 'plain' | 'url' | 'email' | 'iban' | 'moment' | 'blob' | 'number'

/** What a value is, and what the eye may miss in it. */
export interface JudgedValue {
  readonly kind: ValueKind
  /** The real host of a URL, the real domain of an address; in ASCII. */
  readonly host: string | null
  /** `leads to`, `is delivered at`: how to read the host. */
  readonly findings: readonly Finding[]
}

const EMAIL = /^(?:.*<)?[^\s@<>]*(?:"[^"]*")?[^\s@<>]*@.*[^\s@<>.]+>?$/
const EMAIL_MAX_CHARS = 320
/** From here on nobody counts digits by eye. */
const GROUPED_FROM = 100_000

/** Judges one leaf of a document by its text alone; nothing is looked up. */
export function judgeValue(row: ArgumentRow): JudgedValue {
  if (row.type === 'number')
    return { kind: 'number', host: null, findings: numberFindings(row.text) }
  if (row.type !== 'text') return { kind: 'plain', host: null, findings: [] }
  const judged = judgeText(row.text)
  return { ...judged, findings: [...eyeFindings(row.text), ...judged.findings] }
}

function judgeText(text: string): JudgedValue {
  const url = judgeUrl(text)
  if (url !== undefined) return { kind: 'url', host: url.host, findings: url.findings }
  const email = judgeEmail(text)
  if (email !== undefined) return email
  const iban = ibanFinding(text)
  if (iban !== undefined) return { kind: 'iban', host: null, findings: [iban] }
  const moment = momentWords(text)
  if (moment !== undefined) return { kind: 'moment', host: null, findings: [note(moment)] }
  const blob = blobWords(text)
  if (blob !== undefined) return { kind: 'blob', host: null, findings: [care(blob)] }
  const hosts = hostsWithin(text)
  const links = hosts.length === 0 ? [] : [care(`Holds links; they lead to ${hosts.join(', ')}`)]
  return { kind: 'plain', host: null, findings: links }
}

/** Hidden and mixed characters, and texts in a disguise. */
export function eyeFindings(text: string): readonly Finding[] {
  const { marks, mixedScripts } = hardenText(text)
  const found: Finding[] = []
  if (marks > 0)
    found.push(alarm(`${marks} invisible or odd ${marks === 1 ? 'character' : 'characters'}`))
  if (mixedScripts.length > 0)
    found.push(alarm(`one word mixes ${mixedScripts.join(' and ')} letters`))
  const disguise = disguiseOf(text)
  if (disguise?.kind === 'alphabet') {
    found.push(alarm(`Reads like “${disguise.reads}”, but its letters are ${disguise.script}`))
  } else if (disguise?.kind === 'style') {
    found.push(alarm(`Letters in a special style; plainly: “${disguise.reads}”`))
  } else if (disguise?.kind === 'digits') {
    found.push(alarm(`Digits of another script; in ours: “${disguise.reads}”`))
  }
  return found
}

function judgeEmail(text: string): JudgedValue | undefined {
  if (text.length > EMAIL_MAX_CHARS || /[\r\n]/.test(text) || !EMAIL.test(text)) return undefined
  const address = /<([^<>]*)>$/.exec(text)?.[1] ?? text
  const domain = address.slice(address.lastIndexOf('@') + 1)
  if (!domain.includes('.') || /[\s/]/.test(domain)) return undefined
  const host = hostOf(domain)
  const name =
    address === text ? [] : [care(`Written with a name before it; the address is ${address}`)]
  const findings = [...addressFindings(address), ...name]
  return host === undefined
    ? { kind: 'email', host: null, findings: [...findings, alarm('The domain is no domain')] }
    : { kind: 'email', host: host.name, findings: [...findings, ...host.findings] }
}

function addressFindings(address: string): readonly Finding[] {
  const signs = address.split('@').length - 1
  const findings: Finding[] = []
  if (signs > 1) {
    findings.push(alarm(`${signs} @ signs: only what follows the last one is the domain`))
  }
  if (address.startsWith('"')) findings.push(alarm('The part before the @ stands in quotes'))
  if (/[,;]/.test(address)) findings.push(alarm('May be several addresses'))
  return findings
}

function numberFindings(text: string): readonly Finding[] {
  const value = Number(text)
  if (/e/i.test(text)) {
    const exponent = Number(/e([+-]?\d+)/i.exec(text)?.[1] ?? 0)
    const size = exponent > 0 ? `${exponent + 1} digits before the point` : 'nearly nothing'
    return [care(`Written with an exponent: ${size}`)]
  }
  if (Math.abs(value) < GROUPED_FROM) return []
  return [note(`In groups: ${value.toLocaleString('en', { maximumFractionDigits: 20 })}`)]
}
