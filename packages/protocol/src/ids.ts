import { Fault, ok, type Result, refuse } from './result.ts'

declare const idBrand: unique symbol

/** What is identified, and the prefix of its identifiers. */
export const ID_PREFIXES = {
  action: 'act',
  approval: 'apr',
  audit_event: 'evt',
  enrolment: 'enr',
  grant: 'jti',
  nonce: 'non',
  request: 'req',
  session: 'ses',
  trace: 'trc',
} as const

export type IdKind = keyof typeof ID_PREFIXES

/** `<prefix>_` and 26 characters of lower-case base32: 16 random bytes. */
export type Id<K extends IdKind> = string & { readonly [idBrand]: K }
export type ActionId = Id<'action'>
export type ApprovalId = Id<'approval'>
export type AuditEventId = Id<'audit_event'>
export type GrantId = Id<'grant'>

export type IdRefusal = 'id_format'

export const ID_RANDOM_BYTES = 16
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
/** 26 characters hold 130 bits, so the last one leaves its two low bits zero. */
const BODY = /^[a-z2-7]{25}[aeimquy4]$/

function isId<K extends IdKind>(kind: K, text: string): text is Id<K> {
  const prefix = `${ID_PREFIXES[kind]}_`
  return text.startsWith(prefix) && BODY.test(text.slice(prefix.length))
}

/** Identifier of 16 bytes, which the caller draws from a cryptographic source. */
export function makeId<K extends IdKind>(kind: K, random16: Uint8Array): Id<K> {
  if (random16.length !== ID_RANDOM_BYTES) throw new Fault('id_bytes', 'an id takes 16 bytes')
  const text = `${ID_PREFIXES[kind]}_${base32(random16)}`
  if (!isId(kind, text)) throw new Fault('id_bytes', 'an id takes 16 bytes')
  return text
}

/** Accepts exactly what {@link makeId} writes for this kind. */
export function parseId<K extends IdKind>(kind: K, text: string): Result<Id<K>, IdRefusal> {
  return isId(kind, text) ? ok(text) : refuse('id_format')
}

export function actionId(random16: Uint8Array): ActionId {
  return makeId('action', random16)
}

export function approvalId(random16: Uint8Array): ApprovalId {
  return makeId('approval', random16)
}

export function auditEventId(random16: Uint8Array): AuditEventId {
  return makeId('audit_event', random16)
}

export function grantId(random16: Uint8Array): GrantId {
  return makeId('grant', random16)
}

export function parseActionId(text: string): Result<ActionId, IdRefusal> {
  return parseId('action', text)
}

export function parseApprovalId(text: string): Result<ApprovalId, IdRefusal> {
  return parseId('approval', text)
}

export function parseAuditEventId(text: string): Result<AuditEventId, IdRefusal> {
  return parseId('audit_event', text)
}

export function parseGrantId(text: string): Result<GrantId, IdRefusal> {
  return parseId('grant', text)
}

function base32(bytes: Uint8Array): string {
  let text = ''
  let pending = 0
  let bits = 0
  for (const byte of bytes) {
    pending = ((pending << 8) | byte) & 0xfff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += BASE32.charAt((pending >> bits) & 31)
    }
  }
  return bits === 0 ? text : text + BASE32.charAt((pending << (5 - bits)) & 31)
}
