import { createHash } from 'node:crypto'
import { base32Encode } from './base32.ts'
import { NatsError } from './nats-error.ts'
import { type NKey, publicNKeyKind, verifyNKey } from './nkeys.ts'

/** Subjects allowed to be published or subscribed to; an empty list in the token would allow all. */
export interface SubjectRules {
  readonly allow?: readonly [string, ...string[]]
  readonly deny?: readonly [string, ...string[]]
}

export interface UserPermissions {
  readonly pub: SubjectRules
  readonly sub: SubjectRules
  /** How many answers to a request, and for how long, beyond `pub`. */
  readonly resp?: { readonly max: number; readonly ttlMs: number }
}

export type ConnectionType = 'STANDARD' | 'WEBSOCKET'

export interface UserLimits {
  readonly connectionTypes: readonly [ConnectionType, ...ConnectionType[]]
  /** Without a proof of the key: only for short-lived tokens in an HttpOnly cookie. */
  readonly bearer?: boolean
  readonly maxSubscriptions?: number
  readonly maxPayloadBytes?: number
}

/** The template that every user of a scoped signing key gets; such users bring no rights of their own. */
export interface UserScope {
  readonly key: string
  readonly role: string
  readonly permissions: UserPermissions
  readonly limits: UserLimits
}

export interface AccountExport {
  readonly kind: 'service' | 'stream'
  readonly subject: string
  /** `Stream` where one request brings several messages. */
  readonly response?: 'Singleton' | 'Stream'
}

export interface AccountImport {
  readonly kind: 'service' | 'stream'
  readonly account: string
  readonly subject: string
  readonly localSubject?: string
  /** Whether the exporter learns which user asks. */
  readonly share?: boolean
  /** An activation by the exporter. */
  readonly token: string
}

export interface AccountClaims {
  readonly exports: readonly AccountExport[]
  readonly imports: readonly AccountImport[]
  readonly scopes?: readonly UserScope[]
  /** Absent: the account has no JetStream. */
  readonly jetstream?: {
    readonly diskBytes: number
    readonly streams: number
    readonly consumers: number
  }
  readonly limits?: {
    readonly connections?: number
    readonly subscriptions?: number
    readonly payloadBytes?: number
  }
  /** Public user key, or `*`, to the time (Unix seconds) up to which issued tokens are void. */
  readonly revocations?: Readonly<Record<string, number>>
}

/** What every token states of itself. Times are Unix seconds. */
export interface TokenHead {
  readonly name: string
  readonly issuedAt: number
  readonly expiresAt?: number
}

const HEADER = Buffer.from('{"typ":"JWT","alg":"ed25519-nkey"}').toString('base64url')
const NO_LIMIT = -1
const NANOSECONDS_PER_MS = 1_000_000
const JWT_MAX_CHARS = 256 * 1024
const JWT_SHAPE = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** The operator's own token: its signing key may sign accounts, `systemAccount` is the server's own. */
export function operatorJwt(
  head: TokenHead,
  operator: NKey,
  signingKey: string,
  systemAccount: string,
): string {
  return encode(head, operator.publicKey, operator, {
    type: 'operator',
    signing_keys: [signingKey],
    system_account: systemAccount,
  })
}

/** Every export asks for an activation; nothing is public inside the operator. */
export function accountJwt(
  head: TokenHead,
  account: string,
  signer: NKey,
  claims: AccountClaims,
): string {
  const { jetstream, limits } = claims
  return encode(head, account, signer, {
    type: 'account',
    exports: claims.exports.map(exportClaim),
    imports: claims.imports.map(importClaim),
    limits: {
      subs: limits?.subscriptions ?? NO_LIMIT,
      data: NO_LIMIT,
      payload: limits?.payloadBytes ?? NO_LIMIT,
      imports: NO_LIMIT,
      exports: claims.exports.length === 0 ? 0 : NO_LIMIT,
      wildcards: true,
      conn: limits?.connections ?? NO_LIMIT,
      leaf: 0,
      ...(jetstream && {
        disk_storage: jetstream.diskBytes,
        streams: jetstream.streams,
        consumer: jetstream.consumers,
      }),
    },
    ...(claims.scopes && { signing_keys: claims.scopes.map(scopeClaim) }),
    ...(claims.revocations && { revocations: claims.revocations }),
  })
}

/** The exporter's leave for one importer to import one subject. */
export function activationJwt(
  head: TokenHead,
  exporter: NKey,
  importer: string,
  grant: { readonly kind: 'service' | 'stream'; readonly subject: string },
): string {
  return encode(head, importer, exporter, { type: 'activation', ...grant })
}

/** A user with permissions of its own, signed by its account's key. */
export function userJwt(
  head: TokenHead,
  user: string,
  account: NKey,
  rights: { readonly permissions: UserPermissions; readonly limits: UserLimits },
): string {
  return encode(head, user, account, {
    type: 'user',
    subs: NO_LIMIT,
    data: NO_LIMIT,
    payload: NO_LIMIT,
    ...permissionClaim(rights.permissions),
    ...limitClaim(rights.limits),
  })
}

/** A user of a scoped signing key: all its rights are the scope's template. */
export function scopedUserJwt(
  head: TokenHead,
  user: string,
  scopeKey: NKey,
  account: string,
): string {
  return encode(head, user, scopeKey, { type: 'user', issuer_account: account })
}

/** What is read of a verified user token. */
export interface UserToken {
  readonly name: string
  readonly user: string
  /** The key that signed: the account's, or one of its scoped keys. */
  readonly issuer: string
  readonly account: string
  readonly expiresAt?: number
  readonly subscribe: readonly string[]
}

/**
 * Reads a user token and checks its signature by the issuer that it names. Whether that issuer is
 * one of ours is NOT checked: the server does that. `NatsError` `key_malformed`.
 */
export function readUserJwt(token: string): UserToken {
  const claims = verified(token)
  const nats = record(claims['nats'])
  const user = text(claims['sub'])
  const issuer = text(claims['iss'])
  if (nats['type'] !== 'user' || publicNKeyKind(user) !== 'user') throw malformed()
  const expiresAt = claims['exp']
  const allowed = nats['sub'] === undefined ? [] : record(nats['sub'])['allow']
  return {
    name: text(claims['name']),
    user,
    issuer,
    account: nats['issuer_account'] === undefined ? issuer : text(nats['issuer_account']),
    ...(typeof expiresAt === 'number' && { expiresAt }),
    subscribe: Array.isArray(allowed) ? allowed.map(text) : [],
  }
}

/** Whether a user token gives exactly these rights. */
export function hasRights(token: string, permissions: UserPermissions): boolean {
  const nats = record(verified(token)['nats'])
  const wanted: Readonly<Record<string, unknown>> = permissionClaim(permissions)
  return ['pub', 'sub', 'resp'].every(
    (name) => JSON.stringify(nats[name]) === JSON.stringify(wanted[name]),
  )
}

function encode(
  head: TokenHead,
  subject: string,
  signer: NKey,
  nats: Readonly<Record<string, unknown>>,
): string {
  const claims = {
    jti: '',
    iat: head.issuedAt,
    iss: signer.publicKey,
    name: head.name,
    sub: subject,
    ...(head.expiresAt !== undefined && { exp: head.expiresAt }),
    nats: { ...nats, version: 2 },
  }
  claims.jti = base32Encode(createHash('sha512-256').update(JSON.stringify(claims)).digest())
  const signed = `${HEADER}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
  return `${signed}.${Buffer.from(signer.sign(Buffer.from(signed))).toString('base64url')}`
}

function verified(token: string): Readonly<Record<string, unknown>> {
  if (token.length > JWT_MAX_CHARS || !JWT_SHAPE.test(token)) throw malformed()
  const [header = '', body = '', signature = ''] = token.split('.')
  if (header !== HEADER) throw malformed()
  let claims: Readonly<Record<string, unknown>>
  try {
    claims = record(JSON.parse(Buffer.from(body, 'base64url').toString('utf8')))
  } catch {
    throw malformed()
  }
  const proof = Buffer.from(signature, 'base64url')
  if (!verifyNKey(text(claims['iss']), Buffer.from(`${header}.${body}`), proof)) throw malformed()
  return claims
}

function exportClaim(item: AccountExport): Readonly<Record<string, unknown>> {
  return {
    name: item.subject,
    subject: item.subject,
    type: item.kind,
    token_req: true,
    ...(item.kind === 'service' && { response_type: item.response ?? 'Singleton' }),
  }
}

function importClaim(item: AccountImport): Readonly<Record<string, unknown>> {
  return {
    name: item.localSubject ?? item.subject,
    subject: item.subject,
    type: item.kind,
    account: item.account,
    token: item.token,
    ...(item.localSubject !== undefined && { local_subject: item.localSubject }),
    ...(item.share === true && { share: true }),
  }
}

function scopeClaim(scope: UserScope): Readonly<Record<string, unknown>> {
  return {
    kind: 'user_scope',
    key: scope.key,
    role: scope.role,
    template: {
      subs: NO_LIMIT,
      data: NO_LIMIT,
      payload: NO_LIMIT,
      ...permissionClaim(scope.permissions),
      ...limitClaim(scope.limits),
    },
  }
}

function permissionClaim(permissions: UserPermissions): Readonly<Record<string, unknown>> {
  const { pub, sub, resp } = permissions
  return {
    pub,
    sub,
    ...(resp && { resp: { max: resp.max, ttl: resp.ttlMs * NANOSECONDS_PER_MS } }),
  }
}

function limitClaim(limits: UserLimits): Readonly<Record<string, unknown>> {
  return {
    allowed_connection_types: limits.connectionTypes,
    ...(limits.bearer === true && { bearer_token: true }),
    ...(limits.maxSubscriptions !== undefined && { subs: limits.maxSubscriptions }),
    ...(limits.maxPayloadBytes !== undefined && { payload: limits.maxPayloadBytes }),
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed()
  return Object.fromEntries(Object.entries(value))
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw malformed()
  return value
}

function malformed(): NatsError {
  return new NatsError('key_malformed', 'not a well-formed, signed NATS user token')
}
