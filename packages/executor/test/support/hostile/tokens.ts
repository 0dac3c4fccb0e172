import { base64urlEncode, type Json, type JsonObject } from '@trustgw/protocol'

/** A text as it is, or a value to write as JSON. */
export type Part = Json
export type RawSign = (input: string) => Uint8Array

export const partOf = (part: Part): string =>
  base64urlEncode(Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)))

/** A token of any header and payload, for which `signJws` has no words. */
export function rawToken(header: Part, payload: Part, sign: RawSign): string {
  return signed(`${partOf(header)}.${partOf(payload)}`, sign)
}

export function signed(input: string, sign: RawSign): string {
  return `${input}.${base64urlEncode(sign(input))}`
}

/** A member that is a text. */
export function textOf(object: JsonObject, name: string): string {
  const value = object[name]
  if (typeof value !== 'string') throw new TypeError(`${name} is no text`)
  return value
}

/** The three parts of a token, to put together again. */
export function partsOf(token: string): readonly [string, string, string] {
  const [header = '', payload = '', signature = ''] = token.split('.')
  return [header, payload, signature]
}

/** The text with one more member that stands there already. */
export function doubled(json: JsonObject, name: string): string {
  const member = JSON.stringify({ [name]: Object.entries(json).find(([at]) => at === name)?.[1] })
  return `${JSON.stringify(json).slice(0, -1)},${member.slice(1)}`
}
