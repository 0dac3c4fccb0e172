import {
  arrayShape,
  CHANNELS,
  type Channel,
  integerShape,
  type JsonObject,
  objectShape,
  ok,
  oneOfShape,
  optionalMember,
  parsedShape,
  type Result,
  refuse,
  type Shape,
  stringShape,
  type TenantId,
} from '@trustgw/protocol'

/** Id of a person inside a tenant: also the `approver` of a statement. */
export type PersonId = string

/** A passkey of a person. Which of the two lists it stands in says what it may do. */
export interface PasskeyRecord {
  /** base64url. */
  readonly id: string
  /** The COSE key, base64url. */
  readonly public_key: string
  readonly rp_id: string
  readonly transports: readonly string[]
  readonly created_at: number
  /** What its owner calls it. */
  readonly name?: string
  /** When it last signed somebody in; absent for approvals, which the audit tells. */
  readonly used_at?: number
}

/** An account of a chat by which a person is known there. */
export interface ChannelLink {
  readonly channel: ChatName
  /** The provider's id of the account. */
  readonly account: string
  readonly linked_at: number
}

/** A person, as kept in the bucket `acl`: the payload of a JWS by the host. */
export interface PersonRecord {
  readonly v: 1
  readonly tenant: string
  readonly person: PersonId
  readonly name: string
  readonly roles: readonly string[]
  readonly login: readonly PasskeyRecord[]
  readonly approval: readonly PasskeyRecord[]
  /** Enrolments used up for this person: what makes each of them single-use. */
  readonly enrolments: readonly string[]
  /** At most one a chat. */
  readonly channels?: readonly ChannelLink[]
  readonly updated_at: number
  /** When every former passkey was taken away; no session from before counts. */
  readonly recovered_at?: number
  /** Set for who was removed: the record then holds no roles and no passkeys. */
  readonly removed_at?: number
}

/** Where people decide besides the portal. */
export type ChatName = Exclude<Channel, 'portal'>

/** Passkeys that one person may have of each kind. */
export const PASSKEYS_MAX_COUNT = 16
/** Enrolments of one person over time. */
export const ENROLMENTS_MAX_COUNT = 64
export const ROLES_MAX_COUNT = 32
export const PERSON_NAME_MAX_CHARS = 80

const PERSON_ID = /^[a-z0-9][a-z0-9-]{0,30}$/
const ROLE = /^[a-z][a-z0-9_-]{0,31}$/
/** Nothing invisible, nothing that turns the reading direction: a name is shown beside decisions. */
const NAME = /^(?=.*\S)[^\p{C}\p{Zl}\p{Zp}]+$/u
const LATEST_MS = 8_640_000_000_000_000

function matching(max: number, pattern: RegExp, format: string): Shape<string> {
  const inner = stringShape({ min: 1, max })
  return parsedShape(
    inner,
    format,
    (text): Result<string> => (pattern.test(text) ? ok(text) : refuse(format)),
  )
}

export const personIdField: Shape<PersonId> = matching(31, PERSON_ID, 'person_id')
export const roleField: Shape<string> = matching(32, ROLE, 'role')
export const personNameField: Shape<string> = matching(PERSON_NAME_MAX_CHARS, NAME, 'person_name')
export const rolesField: Shape<readonly string[]> = arrayShape(roleField, { max: ROLES_MAX_COUNT })
export const timeField: Shape<number> = integerShape({ min: 0, max: LATEST_MS })
export const tokenField: Shape<string> = matching(2_048, /^[A-Za-z0-9_-]+$/, 'base64url')

const passkeyShape: Shape<PasskeyRecord> = objectShape({
  id: tokenField,
  public_key: tokenField,
  rp_id: stringShape({ min: 1, max: 253, characters: 'token' }),
  transports: arrayShape(stringShape({ min: 1, max: 32, characters: 'token' }), { max: 8 }),
  created_at: timeField,
  name: optionalMember(personNameField),
  used_at: optionalMember(timeField),
})

export const chatField: Shape<ChatName> = oneOfShape('telegram', 'slack')
export const accountField: Shape<string> = stringShape({ min: 1, max: 64, characters: 'token' })

const channelsShape: Shape<readonly ChannelLink[]> = arrayShape(
  objectShape({ channel: chatField, account: accountField, linked_at: timeField }),
  { max: CHANNELS.length },
)

export const personRecordShape: Shape<PersonRecord> = objectShape({
  v: oneOfShape(1),
  tenant: stringShape({ min: 1, max: 31, characters: 'token' }),
  person: personIdField,
  name: personNameField,
  roles: rolesField,
  login: arrayShape(passkeyShape, { max: PASSKEYS_MAX_COUNT }),
  approval: arrayShape(passkeyShape, { max: PASSKEYS_MAX_COUNT }),
  enrolments: arrayShape(stringShape({ min: 1, max: 64, characters: 'token' }), {
    max: ENROLMENTS_MAX_COUNT,
  }),
  channels: optionalMember(channelsShape),
  updated_at: timeField,
  recovered_at: optionalMember(timeField),
  removed_at: optionalMember(timeField),
})

export function personJson(record: PersonRecord): JsonObject {
  const { channels, ...rest } = record
  return {
    ...rest,
    ...(channels && { channels: channels.map((link) => ({ ...link })) }),
    roles: [...record.roles],
    login: record.login.map(passkeyJson),
    approval: record.approval.map(passkeyJson),
    enrolments: [...record.enrolments],
  }
}

function passkeyJson(passkey: PasskeyRecord): JsonObject {
  return { ...passkey, transports: [...passkey.transports] }
}

/** What an enrolment adds to a person. */
export interface Enrolled {
  readonly enrolment: string
  readonly name: string
  readonly roles: readonly string[]
  readonly login: PasskeyRecord
  readonly approval: PasskeyRecord
  readonly now: number
  /** The two passkeys take the place of all others. */
  readonly replaces?: boolean
}

export type EnrolRefusal = 'enrolment_used' | 'too_many'

/** A new person, or the known one with two passkeys more, or with no others. Roles are those of the enrolment. */
export function withEnrolment(
  identity: { readonly tenant: TenantId; readonly person: PersonId },
  known: PersonRecord | undefined,
  added: Enrolled,
): Result<PersonRecord, EnrolRefusal> {
  const enrolments = known?.enrolments ?? []
  if (enrolments.includes(added.enrolment)) return refuse('enrolment_used')
  const { login: logins, approval: approvals, channels } = keptOf(known, added)
  const login = [...logins, added.login]
  const approval = [...approvals, added.approval]
  if (login.length > PASSKEYS_MAX_COUNT || enrolments.length >= ENROLMENTS_MAX_COUNT) {
    return refuse('too_many')
  }
  const recoveredAt = added.replaces === true ? added.now : known?.recovered_at
  return ok({
    v: 1,
    ...identity,
    name: added.name,
    roles: added.roles,
    login,
    approval,
    enrolments: [...enrolments, added.enrolment],
    ...(channels && { channels }),
    updated_at: added.now,
    ...(recoveredAt !== undefined && { recovered_at: recoveredAt }),
  })
}

/** Who lost every passkey, or was removed, begins anew: chats may be in the same wrong hands. */
function keptOf(
  known: PersonRecord | undefined,
  { replaces = false }: Enrolled,
): Pick<PersonRecord, 'login' | 'approval' | 'channels'> {
  const isKept = known !== undefined && !replaces && known.removed_at === undefined
  return isKept ? known : { login: [], approval: [] }
}

export type PasskeyPurpose = 'login' | 'approval'

/** WebAuthn user handles differ by purpose, so an authenticator keeps both passkeys apart. */
export function userHandle(purpose: PasskeyPurpose, person: PersonId): string {
  return `${purpose}:${person}`
}
