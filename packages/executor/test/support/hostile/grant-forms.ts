import { base64urlDecode, base64urlEncode } from '@trustgw/protocol'
import type { Signing } from './grant-claims.ts'
import { ED25519_ORDER, halfOf, SMALL_ORDER_POINTS, scalarOf } from './keys.ts'
import { partsOf } from './tokens.ts'
import type { Fate, HostileFile } from './vector-file.ts'

/** What a text that is a genuine grant may be turned into on its way. */
export function formatCases(file: HostileFile, token: string): void {
  const [header, payload, signature] = partsOf(token)
  const add = (name: string, text: string, expected: Fate = 'grant_format'): void =>
    file.grant(name, expected, text)
  file.group('format')
  const cases: Readonly<Record<string, string>> = {
    'one part': header,
    'two parts': `${header}.${payload}`,
    'a dot before it': `.${token}`,
    'a dot behind it': `${token}.`,
    'two dots in the middle': `${header}..${payload}.${signature}`,
    'four parts': `${token}.${signature}`,
    'five parts, as an encrypted one has': `${header}.${payload}.${signature}.${header}.${payload}`,
    'two of it': `${token}${token}`,
    'two of it, with a comma': `${token},${token}`,
    'two of it, with a tilde': `${token}~${token}`,
    'no header': `.${payload}.${signature}`,
    'dots alone': '..',
    'a space alone': ' ',
    'the scheme Bearer before it': `Bearer ${token}`,
    'quotes around it': `"${token}"`,
    'a data URL': `data:application/jwt,${token}`,
    'in lower case': token.toLowerCase(),
    'in upper case': token.toUpperCase(),
    'its JSON form': JSON.stringify({ protected: header, payload, signature }),
    'its general JSON form': JSON.stringify({
      payload,
      signatures: [{ protected: header, signature }],
    }),
    'percent for dots': token.replaceAll('.', '%2E'),
    'dots of another script': token.replaceAll('.', '。'),
    'a fullwidth letter': token.replace('e', 'ｅ'),
  }
  for (const [name, text] of Object.entries(cases)) {
    add(name, text)
  }
  const strange = { space: ' ', tab: '\t', 'line feed': '\n', 'zero-width space': '\u{200b}' }
  const more = { ...strange, 'padding sign': '=', 'byte order mark': '\u{feff}', nought: '\0' }
  for (const [name, character] of Object.entries(more)) {
    add(`a ${name} before it`, character + token)
    add(`a ${name} behind it`, token + character)
    add(`a ${name} behind the header`, `${header}${character}.${payload}.${signature}`)
    add(`a ${name} behind the payload`, `${header}.${payload}${character}.${signature}`)
    add(
      `a ${name} in the payload`,
      `${header}.${payload.slice(0, 40)}${character}${payload.slice(40)}.${signature}`,
    )
  }
  partCases(file, token)
}

function partCases(file: HostileFile, token: string): void {
  for (const [at, name] of ['header', 'payload', 'signature'].entries()) {
    const parts = partsOf(token)
    const part = parts[at] ?? ''
    const put = (name2: string, text: string, expected: Fate = 'grant_format'): void =>
      file.grant(`the ${name} ${name2}`, expected, parts.with(at, text).join('.'))
    const changed = name === 'payload' ? 'grant_signature' : 'grant_format'
    put('without its end', part.slice(0, 4 * Math.floor((part.length - 1) / 4)), changed)
    put('with nothing but noughts behind it', `${part}AAAA`, changed)
    put('of an impossible length', `${part.slice(0, part.length - (part.length % 4))}A`)
    put('in the alphabet of plain base64', `+/${part.slice(2)}`)
    put('in hexadecimal', Buffer.from(part, 'base64url').toString('hex'))
    if (part.length % 4 !== 0) put('with bits behind its last byte', withBits(part))
  }
}

/** The same bytes with the lowest unused bit set. */
function withBits(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(part.slice(-1))
  return part.slice(0, -1) + alphabet.charAt(last + 1)
}

/** What can be done to a signature without the key; its form is looked at first. */
export function signatureCases({ file }: Signing, token: string): void {
  const [header, payload, text] = partsOf(token)
  const signature = base64urlDecode(text) ?? new Uint8Array()
  const [r, s] = [signature.slice(0, 32), signature.slice(32)]
  const add = (name: string, bytes: Uint8Array, expected: Fate = 'grant_signature'): void =>
    file.grant(name, expected, `${header}.${payload}.${base64urlEncode(bytes)}`)
  const pair = (first: Uint8Array, second: Uint8Array): Uint8Array => Buffer.concat([first, second])
  const zeros = new Uint8Array(32)
  file.group('signature')
  add('s and the order of the group', pair(r, halfOf(scalarOf(s) + ED25519_ORDER)))
  add(
    's and the order of the group, seven times',
    pair(r, halfOf(scalarOf(s) + 7n * ED25519_ORDER)),
  )
  add('s negated', pair(r, halfOf(ED25519_ORDER - scalarOf(s))))
  add('s is the order of the group', pair(r, halfOf(ED25519_ORDER)))
  add('s is nothing', pair(r, zeros))
  add('R is nothing', pair(zeros, s))
  add('the halves change places', pair(s, r))
  add('high byte first', pair(r, Uint8Array.from(s).toReversed()))
  add('all ones', new Uint8Array(64).fill(255))
  add('R with its sign turned', pair(flipped(r, 31, 0x80), s))
  add('R twice', pair(r, r))
  for (const at of [0, 15, 31, 32, 47, 62]) add(`a bit of byte ${at}`, flipped(signature, at, 1))
  for (const bit of [0x10, 0x20, 0x40, 0x80])
    add(`bit ${bit} of the last byte`, flipped(signature, 63, bit))
  for (const point of SMALL_ORDER_POINTS) {
    add(`R of small order ${point}, s is nothing`, pair(Buffer.from(point, 'hex'), zeros))
  }
  add('s of 1, R the base point', pair(Buffer.from(`58${'66'.repeat(31)}`, 'hex'), halfOf(1n)))
  for (const length of [1, 32, 62]) {
    add(`its first ${length} bytes`, signature.slice(0, length), 'grant_format')
  }
  add('a byte more', pair(signature, Uint8Array.of(0)), 'grant_format')
  add('twice', pair(signature, signature), 'grant_format')
  add('in DER', der(signature), 'grant_format')
}

function flipped(bytes: Uint8Array, at: number, bits: number): Uint8Array {
  return bytes.with(at, (bytes[at] ?? 0) ^ bits)
}

function der(signature: Uint8Array): Uint8Array {
  const integers = [signature.slice(0, 32), signature.slice(32)].flatMap((half) => [2, 32, ...half])
  return Uint8Array.of(0x30, integers.length, ...integers)
}
