/**
 * Freezes and thaws on their way (spec/protocol.md §4 "Freeze and thaw"): a statement with what
 * vouches for it. What restricts is taken from any one plane, what permits again is not.
 */
import { type PasskeyAssertion, passkeyAssertionShape } from './approval.ts'
import { hashField, reasonField, tenantField } from './fields.ts'
import { type Hash, hashText, type Sha256 } from './hash.ts'
import { type JsonObject, parseJsonObject } from './json.ts'
import { type JwsSigner, type JwsVerifier, signJws, verifyJws } from './jws.ts'
import { ok, type Result, refuse } from './result.ts'
import {
  nullableShape,
  objectShape,
  oneOfShape,
  readShape,
  type Shape,
  stringShape,
  taggedShape,
} from './shape.ts'
import {
  type FreezeStatement,
  freezeStatementShape,
  statementHash,
  statementJson,
  type ThawStatement,
  thawStatementShape,
} from './statement.ts'
import type { TenantId } from './subjects.ts'

export const FREEZE_TYP = 'freeze+jwt'
export const THAW_TYP = 'thaw+jwt'
/** Largest notice: one value of the bucket `freezes`, one file of a cut-off executor. */
export const FREEZE_NOTICE_MAX_BYTES = 16_384
/** Freezes and thaws of one tenant that a reader keeps; with more of them all of it counts as frozen. */
export const FREEZE_NOTICES_MAX = 2_048
const SEAL_MAX_BYTES = 2_048

/** Who may say it with a key of its own. */
export const FREEZE_PLANES = ['operator', 'host', 'gateway'] as const
export type FreezePlane = (typeof FREEZE_PLANES)[number]

/** A value of the bucket `freezes`. At least one of `seal` and `assertion` is there. */
export interface FreezeNotice {
  readonly v: 1
  readonly statement: FreezeStatement | ThawStatement
  /** The words whose hash the statement has. */
  readonly reason: string
  /** JWS of {@link FREEZE_TYP} or {@link THAW_TYP} over tenant and statement's hash. */
  readonly seal: string | null
  /** A passkey's signature over the statement. */
  readonly assertion: PasskeyAssertion | null
}

export const freezeNoticeShape: Shape<FreezeNotice> = objectShape({
  v: oneOfShape(1),
  statement: taggedShape('typ', {
    'trustgw/freeze/1': freezeStatementShape,
    'trustgw/thaw/1': thawStatementShape,
  }),
  reason: reasonField,
  seal: nullableShape(stringShape({ min: 1, max: SEAL_MAX_BYTES, characters: 'token' })),
  assertion: nullableShape(passkeyAssertionShape),
})

const sealShape: Shape<{ readonly tenant: TenantId; readonly statement_hash: Hash }> = objectShape({
  tenant: tenantField,
  statement_hash: hashField,
})

export type FreezeNoticeRefusal =
  | 'freeze_malformed'
  /** A seal by no key that may, or that does not hold. */
  | 'freeze_seal'

/** A notice that is well formed; nobody has vouched for it yet. */
export interface UnverifiedNotice {
  readonly notice: FreezeNotice
  /** Hash of the statement: the name of this freeze or thaw. */
  readonly hash: Hash
}

/** Reads a notice. NOT checked: seal and assertion. */
export function readFreezeNotice(
  bytes: Uint8Array,
  sha256: Sha256,
): Result<UnverifiedNotice, FreezeNoticeRefusal> {
  const parsed = parseJsonObject(bytes, { maxBytes: FREEZE_NOTICE_MAX_BYTES })
  const read = parsed.ok ? readShape(freezeNoticeShape, parsed.value) : parsed
  if (!read.ok) return refuse('freeze_malformed', read.detail)
  const notice = read.value
  const { statement, reason, seal, assertion } = notice
  if (hashText(sha256, reason) !== statement.reason_hash)
    return refuse('freeze_malformed', 'reason')
  if (seal === null && assertion === null) return refuse('freeze_malformed', 'unsigned')
  return ok({ notice, hash: statementHash(sha256, statement) })
}

/** The keys of a plane that were believed when a notice says it was made. */
export type FreezeKeys = (plane: FreezePlane, kid: string) => JwsVerifier | undefined

/**
 * Which plane sealed a notice. NOT checked: whether that plane may say this (anyone freezes; only the
 * operator's seal thaws by itself), the assertion.
 */
export function checkFreezeSeal(
  { notice, hash }: UnverifiedNotice,
  keys: FreezeKeys,
): Result<FreezePlane, 'freeze_seal'> {
  const { statement, seal } = notice
  if (seal === null) return refuse('freeze_seal', 'none')
  let why = 'key'
  for (const plane of FREEZE_PLANES) {
    const keyFor = (kid: string): JwsVerifier | undefined => keys(plane, kid)
    const verified = verifyJws(seal, { typ: sealTyp(statement), maxBytes: SEAL_MAX_BYTES, keyFor })
    if (!verified.ok) {
      why = verified.reason
      continue
    }
    const read = readShape(sealShape, verified.value.payload)
    if (!read.ok) return refuse('freeze_seal', read.detail)
    const isSame = read.value.tenant === statement.tenant && read.value.statement_hash === hash
    return isSame ? ok(plane) : refuse('freeze_seal', 'other statement')
  }
  return refuse('freeze_seal', why)
}

interface Signer {
  readonly kid: string
  readonly sign: JwsSigner
}

/** One plane's word for a statement. */
export function sealFreezeNotice(
  sha256: Sha256,
  notice: Omit<FreezeNotice, 'v' | 'seal'>,
  { kid, sign }: Signer,
): FreezeNotice {
  const { statement } = notice
  const payload = { tenant: statement.tenant, statement_hash: statementHash(sha256, statement) }
  const seal = signJws({ typ: sealTyp(statement), kid, payload }, sign)
  return { v: 1, ...notice, seal }
}

export function freezeNoticeJson(notice: FreezeNotice): JsonObject {
  const { v, statement, reason, seal, assertion } = notice
  return {
    v,
    statement: statementJson(statement),
    reason,
    seal,
    assertion: assertion === null ? null : { ...assertion },
  }
}

/** The key of a notice in the bucket `freezes`; its nonce keeps anyone else from taking it before. */
export function freezeKey(tenant: TenantId, hash: Hash): string {
  return `${tenant}.${hash.slice('sha256:'.length)}`
}

/** What of an action a freeze may name. */
export interface Freezable {
  readonly tool: string
  readonly agent: string
  /** Id of the credential by which the agent was recognised. */
  readonly key: string
  readonly profile: string
  readonly credential: string
}

/** Whether a freeze keeps this action from starting; a part that is not given is covered by nothing that names it. */
export function isCovered({ scope }: FreezeStatement, action: Partial<Freezable>): boolean {
  return scope.kind === 'tenant' || action[scope.kind] === scope.name
}

const sealTyp = ({ typ }: FreezeStatement | ThawStatement): string =>
  typ === 'trustgw/freeze/1' ? FREEZE_TYP : THAW_TYP
