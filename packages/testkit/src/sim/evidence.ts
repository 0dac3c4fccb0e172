import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { asObject, canonicalize, isJsonArray, type Json, type JsonObject } from '@trustgw/protocol'
import { ORIGIN, PEOPLE, PUBLIC_KEYS, RP_ID } from './installation.ts'

/**
 * What was sent, read and verified by code of its own: the checks of a world use nothing of what the
 * parties check with, but for the canonical form of JSON.
 */

const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex')
const USER_PRESENT_AND_VERIFIED = 0x05

export function hashOf(text: string | Buffer): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`
}

export function textOf(object: JsonObject | undefined, name: string): string {
  const value = object?.[name]
  return typeof value === 'string' ? value : ''
}

export function numberOf(object: JsonObject | undefined, name: string): number {
  const value = object?.[name]
  return typeof value === 'number' ? value : Number.NaN
}

export function objectAt(
  value: Json | undefined,
  ...path: readonly string[]
): JsonObject | undefined {
  let current = value
  for (const name of path) current = asObject(current ?? null)?.[name]
  return asObject(current ?? null)
}

export function listAt(object: JsonObject | undefined, name: string): readonly Json[] {
  const value = object?.[name]
  return value !== undefined && isJsonArray(value) ? value : []
}

export function readJson(data: Uint8Array): JsonObject | undefined {
  try {
    const value: Json = JSON.parse(Buffer.from(data).toString())
    return asObject(value)
  } catch {
    return undefined
  }
}

/** The payload of a JWS that the holder of this very key signed. */
export function payloadOf(
  token: string,
  of: { readonly typ: string; readonly kid: string },
): JsonObject | undefined {
  const [head = '', body = '', signature = ''] = token.split('.')
  const header = readJson(Buffer.from(head, 'base64url'))
  if (textOf(header, 'typ') !== of.typ || textOf(header, 'kid') !== of.kid) return undefined
  const key = PUBLIC_KEYS.keys.find(({ kid }) => kid === of.kid)
  if (key === undefined) return undefined
  const isSigned = ed25519(Buffer.from(`${head}.${body}`), signature, Buffer.from(key.publicKey))
  return isSigned ? readJson(Buffer.from(body, 'base64url')) : undefined
}

/** Who approved by this piece of evidence, under this statement; undefined: nobody. */
export function approverOf(evidence: Json, statement: JsonObject): string | undefined {
  const given = asObject(evidence)
  const approver = textOf(given, 'approver')
  const nonce = textOf(given, 'nonce')
  const said = {
    ...statement,
    approver,
    nonce,
    decide_by: numberOf(given, 'decide_by'),
    run_by: numberOf(given, 'run_by'),
  }
  if (textOf(given, 'kind') === 'host') {
    const payload = payloadOf(textOf(given, 'statement'), {
      typ: 'approval-statement+jwt',
      kid: 'host',
    })
    const isSame = payload !== undefined && canonicalize(payload) === canonicalize(said)
    return isSame ? approver : undefined
  }
  return isAsserted(objectAt(given, 'assertion'), approver, canonicalize(said))
    ? approver
    : undefined
}

function isAsserted(
  assertion: JsonObject | undefined,
  approver: string,
  statement: string,
): boolean {
  const passkey = PEOPLE.find(({ name }) => name === approver)?.passkey
  if (passkey === undefined || textOf(assertion, 'credential_id') !== passkey.credentialId) {
    return false
  }
  const client = Buffer.from(textOf(assertion, 'client_data_json'), 'base64url')
  const data = Buffer.from(textOf(assertion, 'authenticator_data'), 'base64url')
  const said = readJson(client)
  const challenge = createHash('sha256').update(statement).digest('base64url')
  const party = createHash('sha256').update(RP_ID).digest()
  const flags = data[32] ?? 0
  const isForThis =
    textOf(said, 'type') === 'webauthn.get' &&
    textOf(said, 'challenge') === challenge &&
    textOf(said, 'origin') === ORIGIN &&
    data.subarray(0, 32).equals(party) &&
    (flags & USER_PRESENT_AND_VERIFIED) === USER_PRESENT_AND_VERIFIED
  if (!isForThis) return false
  const signed = Buffer.concat([data, createHash('sha256').update(client).digest()])
  // The x of an Ed25519 COSE key is its last member.
  const key = Buffer.from(passkey.publicKey, 'base64url').subarray(-32)
  return ed25519(signed, textOf(assertion, 'signature'), key)
}

const keys = new Map<string, KeyObject>()

function ed25519(signed: Buffer, signature: string, key: Buffer): boolean {
  const name = key.toString('hex')
  const spki = Buffer.concat([SPKI_HEAD, key])
  const known = keys.get(name) ?? createPublicKey({ key: spki, format: 'der', type: 'spki' })
  keys.set(name, known)
  return verify(null, signed, known, Buffer.from(signature, 'base64url'))
}
